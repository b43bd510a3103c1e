"""Explanations against torch's own convolution, window by window: they add up, and they name the right n-grams."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folded_models import (
    CONFIGS,
    CONVOLUTIONS,
    dense_weight,
    make_model,
    reference_logits,
    reference_shares,
    word_tokenizer,
    write_artifact,
)
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from textcnn.cli import main
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier
from textcnn.model.config import TextCNNConfig
from textcnn.runtime.decisions import SCORES
from textcnn.runtime.layout import margins

EXACT = [name for name in CONFIGS if "pooled-norm" not in name]
TEXTS = [
    "",
    "w3",
    "w3 w4",
    "w5 w5 w5 w5",
    "w3 w4 w5 w6 w7 w8 w9 w10 w11",
    " ".join(f"w{i * 7 % 45 + 2}" for i in range(60)),
    "nothing  known\tw7 here",
]
PADDED = ["[PAD] w3 [PAD] [PAD] w4", "w3 [PAD] w5 w6 [PAD]", "[PAD]"]


def windows_of(model: Any, ids: list[int]) -> list[tuple[list[int], np.ndarray]]:
    """For each filter: the token positions of its windows (holes and overhang left out), and their values."""
    config: TextCNNConfig = model.config
    found = []
    with torch.inference_mode():
        vectors = model.textcnn.embeddings(torch.tensor(ids, dtype=torch.long))
        for width, convolution in zip(config.kernel_sizes, model.textcnn.convolution.convs, strict=True):
            left, right = margins(width, config.dilation, config.padding)
            padded = functional.pad(vectors.T, (left, right))
            span = (width - 1) * config.dilation
            count = max(0, (padded.shape[1] - span - 1) // config.stride + 1) if padded.shape[1] > span else 0
            positions, values = [], []
            for n in range(count):
                start = n * config.stride
                read = [start + j * config.dilation - left for j in range(width)]
                kept = [p for p in read if 0 <= p < len(ids)]
                if not kept:
                    continue
                columns = padded[:, [p + left for p in read]]
                values.append((dense_weight(convolution) * columns[None]).sum(dim=(1, 2)) + convolution.bias)
                positions.append(kept)
            stacked = torch.stack(values).numpy() if values else np.zeros((0, len(convolution.bias)))
            found += [(positions, stacked[:, f]) for f in range(stacked.shape[1])]
    return found


@pytest.mark.parametrize("name", EXACT)
def test_bias_and_weights_are_the_logit(name: str) -> None:
    model, tokenizer = make_model(**CONFIGS[name]), word_tokenizer()
    folded = fold(model, tokenizer)
    for text in [*TEXTS, *PADDED]:
        logits = folded.logits([text])[0]
        probabilities = [None] * len(logits) if folded.regression else folded.predict_proba([text])[0]
        for c, label in enumerate(folded.labels):
            why = folded.explain(text, label)
            assert why.logit == pytest.approx(logits[c], rel=1e-5, abs=1e-4)
            assert why.probability == (probabilities[c] and pytest.approx(probabilities[c], abs=1e-5))
            assert why.bias + sum(n.weight for n in why.contributions) == pytest.approx(why.logit, rel=1e-5, abs=1e-5)
            for ngram in why.contributions:
                assert sum(token.weight for token in ngram.tokens) == pytest.approx(ngram.weight, rel=1e-5, abs=1e-5)
        if not folded.multi_label and not folded.regression:
            assert folded.explain(text).label == folded.predict([text])[0]


@pytest.mark.parametrize("name", [name for name in EXACT if name in CONVOLUTIONS])
def test_each_filter_is_explained_by_its_winning_window(name: str) -> None:
    model, tokenizer = make_model(**CONFIGS[name]), word_tokenizer()
    folded = fold(model, tokenizer)
    activate = model.textcnn.convolution.activation
    head = model.head.weight.detach().numpy() / model.config.num_members / model.config.temperature
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        filters = windows_of(model, encoding.ids)
        why = folded.explain(text, folded.labels[1])
        seen = {}
        of_bag = reference_shares(model, encoding.ids)
        for ngram in why.contributions:
            if not ngram.filters:
                assert model.bag is not None
                continue
            without = why.logit
            for f in ngram.filters:
                seen[f] = ngram
                positions, values = filters[f]
                best = int(values.argmax())
                first, last = positions[best][0], positions[best][-1]
                # Windows with the same sum are told apart by rounding only.
                ties = [p for p, v in zip(positions, values, strict=True) if v >= values[best] - 1e-4]
                spans = [(encoding.offsets[p[0]][0], encoding.offsets[p[-1]][1]) for p in ties]
                assert (ngram.start, ngram.end) in spans
                assert ngram.text == text[ngram.start : ngram.end]
                if len(ties) == 1:
                    read = [encoding.offsets[p] for p in positions[best]]
                    assert set(read) <= {(token.start, token.end) for token in ngram.tokens}
                    assert (first, last) == (positions[best][0], positions[best][-1])
                after = np.delete(values, best)
                now, then = (float(activate(torch.tensor(v.max()))) if len(v) else 0.0 for v in (values, after))
                without += head[1, f] * (then - now)
            without -= float(of_bag.get((first, last), (0, 0))[1]) / model.config.temperature
            assert ngram.without == pytest.approx(without, rel=1e-4, abs=1e-3)
        for f, (_, values) in enumerate(filters):
            value = float(activate(torch.tensor(values.max()))) if len(values) else 0.0
            assert f in seen or abs(head[1, f] * value) < 1e-6


def test_many_texts_at_once_are_explained_alike() -> None:
    folded = fold(make_model(num_filters=9), word_tokenizer())
    every = [*TEXTS, *PADDED]
    for together, alone in zip(folded.explain_batch(iter(every)), map(folded.explain, every), strict=True):
        # Sums are added in another order.
        assert together.logit == pytest.approx(alone.logit, rel=1e-9)
        assert (together.text, together.label) == (alone.text, alone.label)
        assert {n.filters: n[:3] for n in together.contributions} == {n.filters: n[:3] for n in alone.contributions}
    assert {why.label for why in folded.explain_batch(every, "c")} == {"c"}
    assert folded.explain_batch([]) == []


def test_coinciding_spans_are_one_contribution_and_the_largest_comes_first() -> None:
    why = fold(make_model(num_filters=50), word_tokenizer()).explain(TEXTS[5])
    spans = [(ngram.start, ngram.end) for ngram in why.contributions]
    assert len(set(spans)) == len(spans)
    weights = [abs(ngram.weight) for ngram in why.contributions]
    assert weights == sorted(weights, reverse=True)
    assert any(len(ngram.filters) > 1 for ngram in why.contributions)


def test_int8_explains_its_own_answer_and_says_so() -> None:
    folded = fold(make_model(num_filters=40), word_tokenizer(), int8=True)
    for text in TEXTS:
        why = folded.explain(text)
        assert why.approximate
        assert why.logit == pytest.approx(folded.logits([text])[0].max(), abs=1e-4)
        assert why.bias + sum(n.weight for n in why.contributions) == pytest.approx(why.logit, abs=1e-5)


def test_the_torch_classifier_explains_alike() -> None:
    model = make_model()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    wanted = fold(model, word_tokenizer()).explain(TEXTS[4]).to_dict()
    assert TorchClassifier(model, tokenizer).explain(TEXTS[4]).to_dict() == wanted


def test_what_cannot_be_explained_is_refused() -> None:
    folded = fold(make_model(), word_tokenizer())
    with pytest.raises(ValueError, match="label: got 'bb'; expected one of a, b, c; did you mean 'b'"):
        folded.explain("w3", "bb")
    with pytest.raises(TypeError, match="expected one string"):
        folded.explain(["w3"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pooled_norm"):
        fold(make_model(pooled_norm=True), word_tokenizer()).explain("w3")


def test_html_shows_the_text_as_it_is_and_nothing_runs() -> None:
    text = 'w3 <script>alert("w4")</script> & w5'
    page = fold(make_model(), word_tokenizer()).explain(text)._repr_html_()
    assert "<script" not in page
    shown = page.partition('<p class="text">')[2].partition("</p>")[0]
    import html
    import re

    assert html.unescape(re.sub("<[^>]+>", "", shown)) == text


def test_characters_carry_the_whole_weight() -> None:
    why = fold(make_model(), word_tokenizer()).explain(TEXTS[4])
    assert why.characters().sum() == pytest.approx(why.logit - why.bias, abs=1e-4)
    assert len(why.characters()) == len(TEXTS[4])


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "model")


def test_the_verb(artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "new" / "folder" / "why.html"
    main(["explain", str(artifact), TEXTS[4], "--label", "b", "--html", str(page)])
    said, notes = capsys.readouterr()
    assert notes == f"page: {page}\n"
    why = fold(make_model(), word_tokenizer()).explain(TEXTS[4], "b")
    assert f"logit {why.logit:.3f}" in said
    assert why.contributions[0].text in said
    assert why.contributions[0].text in page.read_text()
    main(["explain", str(artifact), TEXTS[4], "--label", "b", "--json"])
    written = json.loads(capsys.readouterr().out)
    assert written["contributions"][0]["weight"] == pytest.approx(why.contributions[0].weight)


@pytest.mark.parametrize("more", [[], ["--html", "why.html"]])
def test_a_negative_number_of_ngrams_is_refused(
    artifact: Path, more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["explain", str(artifact), TEXTS[4], "--top", "-2", *more])
    assert stop.value.code == 2
    assert "top: got -2; expected a whole number of at least 0" in capsys.readouterr().err
    assert not (tmp_path / "why.html").exists()
    main(["explain", str(artifact), TEXTS[4], "--top", "0"])
    assert "0.000 of these" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in EXACT if "bag" in name])
def test_a_bag_adds_the_row_of_each_ngram_to_its_weight(name: str) -> None:
    model, tokenizer = make_model(**CONFIGS[name]), word_tokenizer()
    folded = fold(model, tokenizer)
    bag, rows = model.bag, model.bag.rows.weight.detach().clone()
    with torch.no_grad():
        bag.rows.weight.zero_()
    alone = fold(model, tokenizer)
    with torch.no_grad():
        bag.rows.weight.copy_(rows)
    for text in [*TEXTS, *PADDED]:
        encoding = tokenizer.encode(text)
        label = folded.labels[2]
        wanted = Counter({(n.start, n.end): n.weight for n in alone.explain(text, label).contributions})
        for (first, last), values in reference_shares(model, encoding.ids).items():
            place = (encoding.offsets[first][0], encoding.offsets[last][1])
            wanted[place] += float(values[2]) / model.config.temperature
        found = Counter()
        for ngram in folded.explain(text, label).contributions:
            found[ngram.start, ngram.end] += ngram.weight
        assert all(found[place] == pytest.approx(wanted[place], abs=1e-5) for place in found | wanted)


@pytest.mark.parametrize("name", [*EXACT])
def test_deleted_is_the_logit_of_the_text_without_the_tokens(name: str) -> None:
    model, tokenizer = make_model(**CONFIGS[name]), word_tokenizer()
    folded = fold(model, tokenizer)
    for text in TEXTS:
        why = folded.explain(text, folded.labels[1])
        assert len(why.deleted) == len(why.contributions)
        ids, spans = (lambda encoding: (encoding.ids, encoding.offsets))(tokenizer.encode(text))
        for ngram, deleted in zip(why.contributions, why.deleted, strict=True):
            left = [i for i, (start, end) in zip(ids, spans, strict=True) if end <= ngram.start or ngram.end <= start]
            wanted = reference_logits(model, left)[1]
            assert deleted == pytest.approx(wanted, rel=1e-4, abs=1e-3)


# Decisions that give another label than the one with the largest logit, or none.
DECISIONS = {
    "threshold": {"thresholds": {"b": 0.01}, "temperature": 9.0},
    "probability": {"temperature": 9.0},
    "energy": {"thresholds": {"b": 0.01}, "temperature": 9.0},
    "labels": {
        "problem_type": "multi_label_classification",
        "thresholds": {"a": 0.9, "b": 0.9, "c": 0.2},
        "temperature": 4.0,
    },
}


@pytest.mark.parametrize("network", [{}, {"pooling": "max_mean"}, {"num_experts": 2}, {"bag": "sqrtn"}], ids=str)
@pytest.mark.parametrize("name", DECISIONS)
def test_the_label_that_predict_gives_is_explained(name: str, network: dict[str, Any]) -> None:
    folded = fold(make_model(**network, **DECISIONS[name]), word_tokenizer())
    texts = [f"w{n} w{n + 1} w{2 * n % 48 + 2}" for n in range(2, 42)]
    if name in SCORES:
        # It abstains from half of the texts.
        half = float(np.median(folded.confidence(texts, name)))
        folded = type(folded)(
            {**folded.config, "abstention": {"score": name, "threshold": half}}, folded.tensors, folded.tokenizer_json
        )
    probabilities, predicted = folded.predict_proba(texts), folded.predict(texts)
    answered, other = 0, 0
    for n, (why, given) in enumerate(zip(folded.explain_batch(texts), predicted, strict=True)):
        most_probable = folded.labels[probabilities[n].argmax()]
        first = (given[0] if given else None) if folded.multi_label else given
        assert why.abstained == (first is None)
        if first is not None:
            assert why.label == first
            answered += 1
            other += first != most_probable
        elif name != "energy":  # where a threshold decides, too
            assert why.label == most_probable
        assert why.probability == pytest.approx(probabilities[n][folded.labels.index(why.label)], abs=1e-5)
        alone = folded.explain(texts[n], "a")
        assert (alone.label, alone.abstained) == ("a", why.abstained)
    assert answered == len(texts) // 2 if name in SCORES else answered
    assert other or network or name == "probability"


def test_a_text_without_a_label_is_said_to_have_none() -> None:
    model = make_model(abstention={"score": "probability", "threshold": 1.01})
    why = fold(model, word_tokenizer()).explain(TEXTS[4])
    assert str(why).splitlines()[0].endswith("; the model gives this text no label")
    assert "the model gives this text no label" in why.to_html()
    assert why.to_dict()["abstained"] is True
    assert "no label" not in str(fold(make_model(), word_tokenizer()).explain(TEXTS[4]))
