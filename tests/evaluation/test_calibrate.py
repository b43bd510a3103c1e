"""Calibration in an artifact: every interface takes it, and mistakes are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folded_models import make_model, word_tokenizer
from transformers import PreTrainedTokenizerFast, pipeline

import textcnn
from textcnn.artifact import read_artifact, save_artifact, write_calibration
from textcnn.cli import main
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier

SINGLE = {"problem_type": "single_label_classification"}
MULTI = {"problem_type": "multi_label_classification"}
TEXTS = [f"w{i % 40 + 2} w{i * 3 % 11 + 2} w{i * 5 % 37 + 2}" for i in range(200)]


def artifact(folder: Path, **changes: Any) -> Path:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    return save_artifact(make_model(**changes), tokenizer, folder)


def labelled(path: Path, labels: list[Any]) -> Path:
    rows = [json.dumps({"text": t, "label": label}) for t, label in zip(TEXTS, labels, strict=True)]
    path.write_text("\n".join(rows))
    return path


def data_for(folder: Path, path: Path) -> Path:
    """Labels drawn from the model's own probabilities at temperature 12."""
    rng = np.random.default_rng(0)
    probabilities = torch.tensor(textcnn.load(folder).logits(TEXTS) / 12).softmax(-1).numpy().astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labelled(path, [str(rng.choice(list("abc"), p=row)) for row in probabilities])


def interfaces(folder: Path) -> dict[str, Any]:
    model, tokenizer = read_artifact(folder)
    return {
        "folded": textcnn.load(folder),
        "int8": fold(model, tokenizer, int8=True),
        "torch": TorchClassifier(model, tokenizer),
    }


@pytest.mark.parametrize(
    "abstain", ["probability:coverage=0.6", "energy:coverage=0.5", "probability:accuracy=0.99", "fired:coverage=0.7"]
)
def test_every_interface_takes_the_calibration(abstain: str, tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", num_filters=40, **SINGLE)
    data = data_for(folder, tmp_path / "data.jsonl")
    before = textcnn.load(folder)
    logits, plain = before.logits(TEXTS), before.predict(TEXTS)
    found = textcnn.calibrate(folder, str(data), abstain=abstain)
    assert found.ece[1] < found.ece[0]
    assert found.nll[1] < found.nll[0]
    assert found.temperature > 1.2
    score = abstain.partition(":")[0]
    given = {}
    for name, interface in interfaces(folder).items():
        exact = 0.2 if name == "int8" else 1e-5
        expected = torch.tensor(logits / found.temperature).softmax(-1)
        np.testing.assert_allclose(interface.predict_proba(TEXTS), expected, atol=exact, err_msg=name)
        assert interface.temperature == found.temperature
        given[name] = interface.predict(TEXTS)
        kept = interface.confidence(TEXTS, score) >= found.abstention.threshold
        assert [label is not None for label in given[name]] == kept.tolist()
        assert 0.2 < kept.mean() < 1
    assert given["folded"].tolist() == given["torch"].tolist()
    assert found.coverage == np.mean([label is not None for label in given["folded"]])
    assert (np.array([a is None or a == b for a, b in zip(given["folded"], plain, strict=True)])).all()
    classify = pipeline("text-classification", str(folder), top_k=None)
    answers = [{entry["label"]: entry["score"] for entry in answer} for answer in classify(TEXTS[:5])]
    expected = torch.tensor(logits[:5] / found.temperature).softmax(-1)
    np.testing.assert_allclose([[a[label] for label in "abc"] for a in answers], expected, atol=1e-5)
    output = tmp_path / "scored.jsonl"
    main(["score", str(folder), str(data), "--output", str(output)])
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["predicted_label"] for row in rows] == given["folded"].tolist()
    main(["calibrate", str(folder), "--reset"])
    np.testing.assert_array_equal(textcnn.load(folder).logits(TEXTS), logits)


def test_the_verb_predict_takes_the_calibration(reviews: Path, tmp_path: Path, capsys: Any) -> None:
    run, output = tmp_path / "run", tmp_path / "out.jsonl"
    quick = ["--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1", "--trainer.enable_progress_bar", "false"]
    main(["fit", "--data.path", str(reviews), "--output_dir", str(run), *quick])
    # Without --data: the rows that the run held out.
    main(["calibrate", str(run), "--abstain", "fired:coverage=0.5", "--threshold_for", "positive:recall=0.9"])
    said = capsys.readouterr().out
    assert "from 12 texts" in said
    assert "abstains where fired <" in said
    assert "threshold of positive" in said
    predict = ["--data.predict_path", str(reviews), "--output", str(output)]
    main(["predict", "--config", str(run / "config.yaml"), *predict, "--trainer.enable_progress_bar", "false"])
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    classifier = textcnn.load(run)
    texts = [row["text"] for row in rows]
    assert classifier.temperature != 1
    np.testing.assert_allclose(
        [[row["probability_negative"], row["probability_positive"]] for row in rows],
        classifier.predict_proba(texts),
        atol=1e-5,
    )
    assert [row["predicted_label"] for row in rows] == classifier.predict(texts).tolist()
    assert None in [row["predicted_label"] for row in rows]


def test_thresholds_of_several_labels(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", num_filters=40, **MULTI)
    probabilities = textcnn.load(folder).predict_proba(TEXTS)
    middle = [*np.quantile(probabilities[:, :2], 0.8, axis=0).tolist(), 2]
    chosen = [[n for n, p, t in zip("abc", row, middle, strict=True) if p > t] for row in probabilities]
    data = labelled(tmp_path / "data.jsonl", chosen)
    found = textcnn.calibrate(folder, str(data), threshold_for="f1", temperature=False)
    # The labels are what thresholds give: the best thresholds give them back in every interface. No text has "c".
    assert sorted(found.thresholds) == ["a", "b"]
    for name, interface in interfaces(folder).items():
        if name != "int8":
            assert [sorted({*labels} - {"c"}) for labels in interface.predict(TEXTS)] == [
                sorted(labels) for labels in chosen
            ]


def test_a_new_temperature_keeps_the_labels_of_a_model_with_several(tmp_path: Path) -> None:
    folder = artifact(tmp_path / "model", num_filters=40, **MULTI)
    write_calibration(folder, temperature=50.0)
    probabilities = textcnn.load(folder).predict_proba(TEXTS)
    halfway = np.sort(probabilities, axis=0)[len(TEXTS) // 2 - 1 : len(TEXTS) // 2 + 1].mean(axis=0)
    thresholds = dict(zip("abc", halfway.tolist(), strict=True))
    write_calibration(folder, temperature=50.0, thresholds=thresholds)
    before = textcnn.load(folder).predict(TEXTS)
    data = labelled(tmp_path / "data.jsonl", [["a"] if number % 7 == 0 else row for number, row in enumerate(before)])
    found = textcnn.calibrate(folder, str(data))
    assert found.temperature != pytest.approx(50, rel=0.1)
    assert textcnn.load(folder).predict(TEXTS) == before
    assert any(before)


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        (SINGLE, ["--abstain", "enrgy:coverage=0.5"], "did you mean 'energy'"),
        (SINGLE, ["--abstain", "energy:coverge=0.5"], "did you mean 'coverage'"),
        (SINGLE, ["--abstain", "energy:coverage=2"], "expected a number above 0, up to 1"),
        (SINGLE, ["--threshold_for", "f1"], "whose labels exclude each other"),
        (SINGLE, ["--threshold_for", "aa:f1"], "did you mean 'a'"),
        (SINGLE, ["--threshold_for", "a:precison=0.5"], "did you mean 'precision'"),
        (SINGLE, ["--threshold_for", "a:f1", "--threshold_for", "b:f1"], "expected one"),
        (MULTI, ["--abstain", "energy:coverage=0.5"], "multi-label"),
        (MULTI, [], "expected lists of labels"),
        (SINGLE, ["--label_column", "lable"], "did you mean 'label'"),
    ],
)
def test_mistakes(changes: Any, arguments: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    folder = artifact(tmp_path / "model", **changes)
    data = labelled(tmp_path / "data.jsonl", ["abc"[i % 3] for i in range(200)])
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", str(folder), "--data", str(data), *arguments])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_rows_that_are_dropped_are_counted(tmp_path: Path, capsys: Any) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    labels = [None if i < 3 else "abc"[i % 3] for i in range(200)]
    data = labelled(tmp_path / "data.jsonl", labels)
    data.write_text(data.read_text() + '\n{"text": null, "label": "a"}\n{"text": null, "label": null}')
    main(["calibrate", str(folder), "--data", str(data)])
    printed = capsys.readouterr()
    assert "from 197 texts" in printed.out
    assert "dropped: 2 rows without a text, 3 rows without a label\n" in printed.err
    assert textcnn.calibrate(folder, str(labelled(data, ["abc"[i % 3] for i in range(200)]))).dropped == ""


def test_reset_is_asked_for_alone(tmp_path: Path, capsys: Any) -> None:
    folder = artifact(tmp_path / "model", temperature=3.0, **SINGLE)
    for more in (["--abstain", "energy:coverage=0.5"], ["--threshold_for", "a:f1"], ["--no_temperature"]):
        with pytest.raises(SystemExit) as stop:
            main(["calibrate", str(folder), "--reset", *more])
        assert stop.value.code == 2
        name = more[0].removeprefix("--").removeprefix("no_")
        assert f"reset: got {name} as well; expected it alone" in capsys.readouterr().err
    assert textcnn.load(folder).temperature == 3
    main(["calibrate", str(folder), "--reset"])
    assert textcnn.load(folder).temperature == 1


def test_labels_and_rows_that_are_missing(tmp_path: Path, capsys: Any) -> None:
    folder = artifact(tmp_path / "model", **SINGLE)
    for labels, said in ((["aa"] * 200, "did you mean 'a'"), ([None] * 200, "no row of")):
        with pytest.raises(SystemExit):
            main(["calibrate", str(folder), "--data", str(labelled(tmp_path / "data.jsonl", labels))])
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["calibrate", str(folder)])
    assert "give --data" in capsys.readouterr().err
