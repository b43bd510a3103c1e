"""A model trained from Python is a run like that of `textcnn fit`: every verb takes it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import textcnn
from textcnn.cli import main
from textcnn.data import DataError
from textcnn.data.io.readers import Reader
from textcnn.evaluation.calibrate import calibrate
from textcnn.evaluation.labelled import held_out_rows, read_labelled

QUICK: dict[str, Any] = {"num_filters": 4, "embedding_dim": 8, "max_epochs": 1, "progress": False}
QUIET = ["--trainer.enable_progress_bar", "false"]


def frame_of(reviews: Path) -> pd.DataFrame:
    return pd.read_csv(reviews).rename(columns={"text": "body", "label": "kind"})


def test_every_verb_takes_a_run_from_python(reviews: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    data = tmp_path / "data"
    data.mkdir()
    frame_of(reviews).to_csv(data / "train.csv", index=False)
    frame_of(reviews)[:20].to_csv(data / "test.csv", index=False)
    monkeypatch.chdir(tmp_path)
    textcnn.train("data", "run", text_column="body", label_column="kind", **QUICK)
    scores = yaml.safe_load(Path("run/README.md").read_text().split("---")[1])["model-index"][0]["results"]
    accuracy = {entry["dataset"]["split"]: entry["metrics"][0]["value"] for entry in scores}
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    assert config["data"]["path"] == str(data)
    assert config["model"]["architecture"] == {
        "num_filters": 4, "embedding_dim": 8, "bag": "sqrtn", "class_weights": "sqrt_balanced",
    }  # fmt: skip
    # From another folder, the run moved.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move("run", elsewhere / "run")
    monkeypatch.chdir(elsewhere)
    capsys.readouterr()
    for verb, split in (("validate", "validation"), ("test", "test")):
        main([verb, "--config", "run/config.yaml", *QUIET])
        said = re.search(r"(?:val|test)_accuracy\s+│\s+([\d.]+)", capsys.readouterr().out)
        assert said is not None
        assert float(said[1]) == pytest.approx(accuracy[split], abs=1e-4)
    # Labelling and calibration need no training data.
    shutil.rmtree(data)
    (elsewhere / "new.jsonl").write_text('{"text": "no", "body": "a lovely film"}\n')
    main(
        ["predict", "--config", "run/config.yaml", "--data.predict_path", "new.jsonl", "--output", "out.jsonl", *QUIET]
    )
    row = json.loads(Path("out.jsonl").read_text())
    classifier = textcnn.load("run")
    answer = dict(zip(classifier.labels, classifier.predict_proba(["a lovely film"])[0].tolist(), strict=True))
    assert row["probability_positive"] == pytest.approx(answer["positive"], abs=1e-5)
    main(["calibrate", "run"])
    assert "from 12 texts" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["test", "--config", "run/config.yaml", *QUIET])
    assert f"no file or folder {data}" in capsys.readouterr().err


def test_held_out_rows_are_those_that_were_not_trained_on(reviews: Path, tmp_path: Path) -> None:
    frame = frame_of(reviews)
    texts = {"frame": frame, "file": str(reviews)}
    for name, data in texts.items():
        run = tmp_path / name
        classifier = textcnn.train(data, run, **QUICK)
        rows = held_out_rows(run, classifier)
        wanted = textcnn.TextDataModule(data).texts_and_targets("validation")
        assert rows.texts == wanted[0]
        np.testing.assert_array_equal(rows.targets, wanted[1])
        assert calibrate(run).texts == 12
        config = json.loads((run / "config.json").read_text())
        assert (config["text_column"], config["label_column"]) == (
            ("body", "kind") if name == "frame" else ("text", "label")
        )
    assert "path" not in yaml.safe_load((tmp_path / "frame" / "config.yaml").read_text())["data"]
    # The model's columns come before the usual names.
    frame.assign(text="no", label="negative").to_csv(tmp_path / "more.csv", index=False)
    rows = read_labelled(tmp_path / "more.csv", textcnn.load(tmp_path / "frame"))
    assert rows.texts == frame["body"].tolist()


def test_several_labels_and_nothing_held_out(tmp_path: Path) -> None:
    texts = [f"text {i} {'a' * (i % 3)}" for i in range(40)]
    labels = [["x"] * (i % 2) + ["y"] * (i % 3 > 0) for i in range(40)]
    classifier = textcnn.train((texts, labels), tmp_path / "run", **QUICK, validation_fraction=0.1)
    rows = held_out_rows(tmp_path / "run", classifier)
    by_text = dict(zip(texts, labels, strict=True))
    assert [[classifier.labels[c] for c in np.flatnonzero(row)] for row in rows.targets] == [
        by_text[t] for t in rows.texts
    ]
    classifier = textcnn.train((texts, labels), tmp_path / "run", **QUICK, validation_fraction=0.0, force=True)
    with pytest.raises(DataError, match=r"of which nothing was held out; .* give --data"):
        held_out_rows(tmp_path / "run", classifier)


def test_a_student_and_an_estimator_are_runs(reviews: Path, tmp_path: Path, capsys: Any) -> None:
    def teacher(texts: list[str]) -> np.ndarray:
        good = np.array(["lovely" in text for text in texts], dtype=float)
        return np.stack([1 - good, good], axis=1)

    textcnn.distill(teacher, str(reviews), None, tmp_path / "student", **QUICK)
    assert calibrate(tmp_path / "student").texts == 12
    capsys.readouterr()
    main(["validate", "--config", str(tmp_path / "student" / "config.yaml"), *QUIET])
    assert "val_accuracy" in capsys.readouterr().out
    frame = frame_of(reviews)
    estimator = textcnn.TextCNNClassifier(num_filters=4, embedding_dim=8, max_epochs=1, early_stopping=True)
    estimator.fit(frame["body"], frame["kind"]).save(tmp_path / "estimator")
    assert calibrate(tmp_path / "estimator").texts == 12
    plain = textcnn.TextCNNClassifier(num_filters=4, embedding_dim=8, max_epochs=1)
    plain.fit(frame["body"], frame["kind"]).save(tmp_path / "plain")
    with pytest.raises(DataError, match="give --data"):
        calibrate(tmp_path / "plain")
    assert calibrate(tmp_path / "plain", str(reviews)).texts == 120


def test_at_most_so_many_rows_are_kept(reviews: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from textcnn.training import run_files

    monkeypatch.setattr(run_files, "MOST_HELD_OUT", 5)
    for streaming in (False, True):
        textcnn.train(str(reviews), tmp_path / "run", streaming=streaming, force=streaming, **QUICK)
        (rows,) = Reader(tmp_path / "run" / "held_out.jsonl.gz").chunks()
        assert len(rows) == 5


def test_texts_in_memory_stand_in_no_file_but_the_held_out_rows(tmp_path) -> None:
    texts, labels = [f"private {number} {'good' if number % 2 else 'bad'}" for number in range(60)], ["a", "b"] * 30
    records = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    for name, data in (("dict", {"train": (texts, labels)}), ("records", records), ("pair", (texts, labels))):
        textcnn.train(
            data, tmp_path / name, progress=False, max_epochs=1, num_filters=4, embedding_dim=4, vectors=None,
            label_column="label",
        )  # fmt: skip
        card = (tmp_path / name / "README.md").read_text()
        assert f"a {type(data).__name__} in memory" in card
        for path in (tmp_path / name).rglob("*"):
            assert not path.is_file() or b"private 7 good" not in path.read_bytes(), path
