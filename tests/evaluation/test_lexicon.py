"""The lexicon against explanations text by text; an edited model answers alike at every interface."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folded_models import make_model, word_tokenizer
from transformers import PreTrainedTokenizerFast, pipeline

import textcnn
from textcnn.artifact import read_artifact, save_artifact
from textcnn.cli import main
from textcnn.evaluation.lexicon import lexicon, scale_filters
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier

SINGLE = {"problem_type": "single_label_classification"}
TEXTS = ["", *(" ".join(f"w{i * j % 41 + 2}" for i in range(1, 3 + j % 9)) for j in range(80))]


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_ngrams_of_classes_are_those_of_explanations(kind: str) -> None:
    model = fold(make_model(num_filters=6, problem_type=f"{kind}_label_classification"), word_tokenizer())
    added: dict[str, dict[str, float]] = {label: defaultdict(float) for label in model.labels}
    in_texts: dict[str, set[int]] = defaultdict(set)
    for n, text in enumerate(TEXTS):
        for label in model.labels:
            for ngram in model.explain(text, label).contributions:
                added[label][ngram.text] += ngram.weight
                in_texts[ngram.text].add(n)
    names = list(in_texts)
    table = np.array([[added[label][name] for name in names] for label in model.labels])
    if kind == "single":
        table -= table.mean(axis=0)
    found = lexicon(model, TEXTS, top=1000)
    assert found.texts == len(TEXTS)
    for c, label in enumerate(model.labels):
        entries = found.classes[label]
        wanted = {name: table[c, i] for i, name in enumerate(names) if table[c, i] > 1e-6}
        got = {entry.text: entry.weight * entry.texts for entry in entries}
        assert got == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        totals = [entry.weight * entry.texts for entry in entries]
        assert totals == sorted(totals, reverse=True)
        for entry in entries:
            assert entry.texts == len(in_texts[entry.text])


def test_filters_are_counted() -> None:
    model = fold(make_model(num_filters=6), word_tokenizer())
    features = model.features(TEXTS)
    found = lexicon(model, TEXTS)
    for one in found.filters:
        own = features[:, one.number]
        assert one.fires == pytest.approx((own > 0).mean())
        assert one.mean == pytest.approx(own[own > 0].mean(), rel=1e-5) or not (own > 0).any()
        assert sum(entry.texts for entry in lexicon(model, TEXTS, 1000).filters[one.number].ngrams) == (own > 0).sum()
        weight = model.tensors["head_weight"][:, one.number]
        assert one.label == model.labels[int(weight.argmax())]
    counts = Counter(one.width for one in found.filters)
    assert counts == {3: 6, 4: 6, 5: 6}


def test_a_dead_filter_is_named() -> None:
    model = make_model(num_filters=6)
    with torch.no_grad():
        model.textcnn.convolution.convs[1].bias[2] = -1000.0
    found = lexicon(fold(model, word_tokenizer()), TEXTS)
    assert 8 in found.dead
    assert found.filters[8].ngrams == ()


@pytest.mark.parametrize("int8", [False, True])
def test_an_edited_model_answers_alike_at_every_interface(int8: bool, tmp_path: Path, capsys: Any) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    folder = save_artifact(make_model(num_filters=6, temperature=3.0, **SINGLE), tokenizer, tmp_path / "model")
    model, tokenizer = read_artifact(folder)
    fold(model, tokenizer, int8=int8).save(folder)
    before = textcnn.load(folder)
    rows = [{"text": t, "label": str(label)} for t, label in zip(TEXTS, before.predict(TEXTS), strict=True)]
    data, output = tmp_path / "data.jsonl", tmp_path / "edited"
    data.write_text("\n".join(map(json.dumps, rows)))
    arguments = ["--data", str(data), "--drop", "3", "7", "--scale", "0=0.5", "--output", str(output)]
    main(["inspect", str(folder), *arguments])
    said = capsys.readouterr().out
    # The reference: features with the head's weights changed by hand.
    weight = before.tensors["head_weight"].copy()
    weight[:, [3, 7]] = 0
    weight[:, 0] *= 0.5
    logits = (before.features(TEXTS) @ weight.T + before.tensors["head_bias"]) / 3.0
    after = textcnn.load(output)
    assert after.is_int8 == int8
    np.testing.assert_allclose(after.logits(TEXTS), logits, rtol=1e-4, atol=1e-4)
    share = (logits.argmax(axis=1) == before.logits(TEXTS).argmax(axis=1)).mean()
    assert f"{'accuracy':<38}1.0000 -> {share:.4f}" in said
    if not int8:
        expected = torch.tensor(logits).softmax(-1).numpy()
        model, tokenizer = read_artifact(output)
        np.testing.assert_allclose(TorchClassifier(model, tokenizer).predict_proba(TEXTS), expected, atol=1e-5)
        classify = pipeline("text-classification", str(output), top_k=None)
        answers = [{entry["label"]: entry["score"] for entry in answer} for answer in classify(TEXTS[1:6])]
        np.testing.assert_allclose([[a[label] for label in "abc"] for a in answers], expected[1:6], atol=1e-5)


def test_the_verb_prints_and_writes(tmp_path: Path, capsys: Any) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    folder = save_artifact(make_model(**SINGLE), tokenizer, tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n".join(text for text in TEXTS if text))
    main(["inspect", str(folder), "--data", str(tmp_path / "texts.txt"), "--json"])
    written = json.loads(capsys.readouterr().out)
    main(["inspect", str(folder), "--data", str(tmp_path / "texts.txt")])
    printed = capsys.readouterr()
    assert written["classes"]["a"][0]["text"] in printed.out
    assert "dropped" not in printed.err
    rows = [{"text": text, "site": 1} for text in [*TEXTS, None]]
    for label, dropped in (
        ({}, "1 rows without a text"),
        ({"label": None}, "1 rows without a text, 1 rows without a label"),
    ):
        lines = [json.dumps({**row, **label, **({"label": "a"} if label and i else {})}) for i, row in enumerate(rows)]
        (tmp_path / "rows.jsonl").write_text("\n".join(lines))
        main(["inspect", str(folder), "--data", str(tmp_path / "rows.jsonl"), "--label", "a"])
        assert f"dropped: {dropped}\n" in capsys.readouterr().err
    main(["inspect", str(folder), "--data", str(tmp_path / "texts.txt"), "--filter", "2"])
    assert "filter 2, width 3" in capsys.readouterr().out
    for arguments, said in (
        (["--filter", "99"], "from 0 to 11"),
        (["--label", "aa"], "did you mean 'a'"),
        (["--scale", "x"], "expected N=S"),
        (["--limit", "-1"], "limit: got -1; expected a whole number of at least 1"),
        (["--top", "-1"], "top: got -1; expected a whole number of at least 0"),
        (["--output", "x"], "give drop (--drop) or scale (--scale)"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["inspect", str(folder), "--data", str(tmp_path / "texts.txt"), *arguments])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
    with pytest.raises(ValueError, match="from 0 to 11"):
        scale_filters(fold(make_model(), word_tokenizer()), {12: 0.0})
    with pytest.raises(ValueError, match="expected some"):
        lexicon(fold(make_model(), word_tokenizer()), [])
