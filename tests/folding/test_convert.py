"""A converted model behind every verb: load, score, evaluate, calibrate, explain, filter, info, and what it lacks."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from fasttext_models import LABELS, TEXTS, make_file

import textcnn
from textcnn.artifact import write_calibration
from textcnn.cli import main
from textcnn.folding.convert import fold_fasttext, round_fasttext
from textcnn.folding.fasttext_writer import write_fasttext
from textcnn.runtime.explain.views import page, text


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A directory of a converted model, and labelled rows."""
    folder = tmp_path_factory.mktemp("converted")
    write_fasttext(make_file(ngrams=2, dim=10), folder / "model.bin")
    main(["convert", str(folder / "model.bin"), str(folder / "model")])
    words = ["good", "bad", "film", "plot", "the"]
    texts = [f"{a} {b} {c}" for a in words for b in words for c in words]
    labels = textcnn.load(folder / "model").predict(texts).tolist()
    labels[::7] = ["pos"] * len(labels[::7])
    rows = "\n".join(f"{text},{label}" for text, label in zip(texts, labels, strict=True))
    (folder / "data.csv").write_text(f"text,label\n{rows}\n", encoding="utf-8")
    return folder


def test_the_directory_is_complete(converted):
    names = {path.name for path in (converted / "model").iterdir()}
    assert names == {"config.json", "folded.safetensors", "README.md"}
    config = json.loads((converted / "model" / "config.json").read_text(encoding="utf-8"))
    assert list(config["id2label"].values()) == ["pos", "neg", "mixed"]
    card = (converted / "model" / "README.md").read_text(encoding="utf-8")
    assert "converted from the fastText model `model.bin`" in card
    from safetensors.numpy import load_file

    assert load_file(converted / "model" / "folded.safetensors")["table"].shape == (61, 3)


def test_verbs_take_it(converted, capsys):
    model, data = str(converted / "model"), str(converted / "data.csv")
    main(["info", model, "--json"])
    info = json.loads(capsys.readouterr().out)
    assert (info["kind"], info["tokens"], info["tables"]) == ("fastText", 11, "float32")
    assert info["verbs"] == ["evaluate", "score", "calibrate", "explain"]
    main(["info", model])
    assert "word_ngrams 2" in capsys.readouterr().out
    main(["evaluate", model, "--data", data, "--json"])
    assert 0.5 < json.loads(capsys.readouterr().out)["scores"]["accuracy"]["value"] < 1
    main(["score", model, data, "--output", str(converted / "scored.csv")])
    scored = (converted / "scored.csv").read_text(encoding="utf-8").splitlines()
    assert scored[0] == "text,label,predicted_label,probability,probability_pos,probability_neg,probability_mixed"
    assert len(scored) == 126
    main(["explain", model, "a good film"])
    assert "good film" in capsys.readouterr().out
    kept = textcnn.LabelFilter(model, "pos", threshold=0.5)
    probabilities = textcnn.load(model).predict_proba(["good film"])[0]
    assert kept.probability(["good film", None]) == [pytest.approx(probabilities[0]), None]
    assert pickle.loads(pickle.dumps(kept)).probability(["good film"]) == [pytest.approx(probabilities[0])]


def test_damage_is_refused(tmp_path):
    write_fasttext(make_file(ngrams=2), tmp_path / "model.bin")
    textcnn.convert(tmp_path / "model.bin", tmp_path / "model")
    tables = tmp_path / "model" / "folded.safetensors"
    whole = tables.read_bytes()
    tables.write_bytes(whole[:-5] + bytes([whole[-5] ^ 8]) + whole[-4:])
    with pytest.raises(ValueError, match=r"folded\.safetensors: got the digest .*convert the model again"):
        textcnn.load(tmp_path / "model")
    tables.write_bytes(whole)
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"word_ngrams": 2', '"word_ngrams": 3'), "utf-8")
    with pytest.raises(ValueError, match="got other settings of the network"):
        textcnn.load(tmp_path / "model")


def test_calibration_divides_the_logits(converted, tmp_path):
    import shutil

    for loss in ("softmax", "hs", "ova"):
        directory = tmp_path / loss
        write_fasttext(make_file(loss=loss, ngrams=2), tmp_path / "model.bin")
        before = textcnn.convert(tmp_path / "model.bin", directory)
        if loss == "ova":
            temperature = 2.0
            write_calibration(directory, temperature=temperature)
        else:
            shutil.copy(converted / "data.csv", tmp_path / "data.csv")
            temperature = textcnn.calibrate(directory, tmp_path / "data.csv").temperature
        after = textcnn.load(directory)
        assert after.temperature == pytest.approx(temperature) != 1
        np.testing.assert_allclose(after.logits(TEXTS), before.logits(TEXTS) / temperature, atol=1e-5)
        for text_ in TEXTS[:8]:
            explanation = after.explain(text_)
            total = explanation.bias + sum(c.weight for c in explanation.contributions)
            assert total == pytest.approx(explanation.logit, abs=1e-5)
            assert explanation.logit == pytest.approx(after.logits([text_]).max(), abs=1e-5)


@pytest.mark.parametrize("loss", ["softmax", "ova", "hs"])
@pytest.mark.parametrize("int8", [False, True])
def test_shares_add_up_to_the_logit(loss, int8):
    model = fold_fasttext(make_file(loss=loss, ngrams=3, minn=2, maxn=3, labels=LABELS))
    model = round_fasttext(model) if int8 else model
    logits, probabilities = model.logits(TEXTS), model.predict_proba(TEXTS)
    for label_id, label in enumerate(model.labels):
        for n, explanation in enumerate(model.explain_batch(TEXTS, label)):
            total = explanation.bias + sum(c.weight for c in explanation.contributions)
            assert total == pytest.approx(logits[n, label_id], abs=1e-5)
            assert explanation.logit == pytest.approx(logits[n, label_id], abs=1e-5)
            assert explanation.probability == pytest.approx(probabilities[n, label_id], abs=1e-5)
            assert explanation.approximate is int8
            for c in explanation.contributions:
                assert sum(token.weight for token in c.tokens) == pytest.approx(c.weight)
                assert TEXTS[n][c.start : c.end] in c.text


def test_an_explanation_names_words_and_ngrams():
    model = fold_fasttext(make_file(ngrams=2))
    explanation = model.explain("a naïve  film", "neg")
    found = {c.text: c for c in explanation.contributions}
    assert set(found) == {"a", "naïve", "film", "</s>", "a naïve", "naïve  film", "film </s>"}
    # Each row counts one seventh; without it, the mean of six others.
    rows = model.words.features(model.bag, "a naïve  film".encode())
    values = model.tensors["table"][rows.features[:, 0], 1]
    assert found["film"].weight == pytest.approx(values[rows.features[:, 1:3].tolist().index([2, 1])] / 7)
    others = (values.sum() - 7 * found["film"].weight) / 6
    assert found["film"].without == pytest.approx(others, abs=1e-6)
    place = explanation.contributions.index(found["naïve  film"])
    assert explanation.deleted[place] == pytest.approx(model.logits(["a"])[0, 1], abs=1e-6)
    assert "mean of the other n-grams" in page(explanation)
    assert "naïve film" in text(explanation)
    assert explanation.to_dict()["contributions"][0]["filters"] == []
    with pytest.raises(ValueError, match="did you mean 'neg'"):
        model.explain("film", "nge")


def test_what_it_cannot_do_is_one_line(converted, capsys):
    model, data = str(converted / "model"), str(converted / "data.csv")
    for words, message in (
        (
            ["certify", model, "--data", data],
            "certify: got a model with words in place of convolutions, as it was converted from fastText",
        ),
        (["inspect", model, data], "inspect: got a model with words"),
        (["inspect", model, "--data", data], "inspect: got a model with words"),
        (["fold", model], "was converted from fastText and has no weights"),
        (["export", model, "--output", str(converted / "a.onnx")], "was converted from fastText"),
        (["calibrate", model, "--data", data, "--abstain", "fired:coverage=0.9"], "which has no filters"),
        (["score", str(converted / "model.bin"), data], "run `textcnn convert"),
        (["convert", str(converted / "model.bin"), model], "holds a model already"),
        (["convert", data, str(converted / "other")], "is no model of fastText"),
        (["convert", str(converted / "model.bin"), str(converted / "other"), "--int8"], "texts (--texts FILE)"),
        (["convert"], "needs MODEL, OUTPUT"),
    ):
        if words[:2] == ["inspect", model] and "--data" not in words:
            continue
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        assert message in lines[0]
    assert textcnn.load(model).capabilities == {"explain"}


def test_json_of_the_verb(converted, capsys):
    main(["convert", str(converted / "model.bin"), str(converted / "again"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["columns"], found["kind"]) == (61, 3, "float32")
    main(["convert", str(converted / "model.bin"), str(converted / "again"), "--force"])
    assert "3 labels, 61 rows of 3 float32 values" in capsys.readouterr().out


def test_another_prefix_of_labels(tmp_path):
    write_fasttext(make_file(labels=["#pos", "#neg"]), tmp_path / "model.bin")
    assert textcnn.convert(tmp_path / "model.bin", tmp_path / "a").labels == ["#pos", "#neg"]
    model = textcnn.convert(tmp_path / "model.bin", tmp_path / "b", label_prefix="#")
    assert model.labels == ["pos", "neg"]
    np.testing.assert_array_equal(model.logits(["good #pos film"]), model.logits(["good film"]))


def test_torch_is_not_imported(converted):
    program = (
        "import sys, textcnn; model = textcnn.load(sys.argv[1]); model.predict(['good film']);"
        "model.explain('good film');"
        "textcnn.convert(sys.argv[2], sys.argv[1] + '-2', force=True);"
        "heavy = {'torch', 'transformers', 'lightning', 'datasets', 'fasttext', 'pyarrow'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    command = [sys.executable, "-c", program, str(converted / "model"), str(converted / "model.bin")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_damaged_tables_are_refused(converted, tmp_path):
    model = textcnn.load(converted / "model")
    for change, message in (
        ({"word_ends": model.tensors["word_ends"][::-1].copy()}, "word_ends"),
        ({"word_bytes": model.tensors["word_bytes"][:-1]}, "word_ends"),
        ({"table": model.tensors["table"][:5]}, "first_bucket_row|table"),
        ({"table": model.tensors["table"][:20]}, "a row for each bucket"),
        ({"buckets": np.array([50], dtype=np.int32)}, "buckets"),
        ({"output": np.ones((3, 4), np.float32)}, "output"),
    ):
        with pytest.raises(ValueError, match=message):
            type(model)(model.config, {**model.tensors, **change}).predict(["good"])
    assert pickle.loads(pickle.dumps(model)).predict(["good"]) == model.predict(["good"])
