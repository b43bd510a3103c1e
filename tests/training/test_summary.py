"""The summary at the end of a run: interval, baseline, confusions, curve."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

import textcnn
from textcnn.cli import main
from textcnn.data import TextDataModule
from textcnn.training import baseline, summary
from textcnn.training.baseline import baseline_labels, linear_pipeline, too_large
from textcnn.training.curve import Curve, curve_svg, read_curve, sparkline
from textcnn.training.summary import most_confused, summarize_run, wilson_interval

SMALL = {"max_epochs": 2, "num_filters": 8, "embedding_dim": 8, "log_every_n_steps": 1}


@pytest.mark.parametrize(("hits", "texts"), [(0, 10), (7, 10), (90, 100), (500, 500)])
def test_the_interval_is_wilsons(hits, texts):
    z, p = 1.959963984540054, hits / texts
    middle = (p + z * z / (2 * texts)) / (1 + z * z / texts)
    half = z / (1 + z * z / texts) * np.sqrt(p * (1 - p) / texts + z * z / (4 * texts * texts))
    assert wilson_interval(hits, texts) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_confusions_are_those_of_the_matrix():
    rng = np.random.default_rng(0)
    targets, predicted = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    matrix = confusion_matrix(targets, predicted)
    np.fill_diagonal(matrix, 0)
    found = most_confused(predicted, targets, ["a", "b", "c", "d"], pairs=12)
    for own, given, texts in found:
        assert matrix["abcd".index(own), "abcd".index(given)] == texts
    assert [texts for _, _, texts in found] == sorted(matrix[matrix > 0].tolist(), reverse=True)
    assert most_confused(targets, targets, ["a", "b", "c", "d"]) == []


def test_the_baseline_is_the_pipeline_of_scikit_learn(reviews):
    data = TextDataModule(str(reviews))
    (texts, targets), (held, wanted) = map(data.texts_and_targets, ("train", "validation"))
    reference = linear_pipeline().fit(texts, targets)
    assert (baseline_labels(texts, targets, held) == reference.predict(held)).all()
    assert accuracy_score(wanted, reference.predict(held)) > 0.9


def test_a_baseline_of_several_labels():
    texts = ["good film", "bad film", "good and bad film"] * 10
    targets = np.array([[1, 0], [0, 1], [1, 1]] * 10, dtype=np.float32)
    assert (baseline_labels(texts, targets, texts) == targets).all()


def test_large_data_has_no_baseline(monkeypatch):
    assert too_large(["a"] * 10, 2) == ""
    monkeypatch.setattr(baseline, "MOST_ROWS_TIMES_CLASSES", 19)
    assert too_large(["a"] * 10, 2) == "10 texts times 2 classes are more than 19"
    monkeypatch.undo()
    monkeypatch.setattr(baseline, "MOST_CHARACTERS", 9)
    assert too_large(["a"] * 10, 2) == "10 characters are more than 9"


def test_the_screen_at_the_end_of_train(reviews, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--max_epochs", "2", "--num_filters", "8", "--embedding_dim", "8", "--log_every_n_steps", "1"]
    main(["train", str(reviews), "--output", "run", *small])
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    screen = lines[next(n for n, line in enumerate(lines) if line.startswith("validation accuracy")) :]
    assert len(screen) <= 10
    names = [line.partition("  ")[0] for line in screen]
    assert names[:2] == ["validation accuracy", "linear baseline"]
    assert {"training", "next"} <= set(names)
    assert "95 % interval" in screen[0]
    assert any(line.endswith(f"textcnn compare {reviews}") for line in screen)
    # Results are on standard output, as before.
    assert "val_micro_f1" in captured.out
    assert "linear baseline" not in captured.out
    score = float(captured.out.split("val_micro_f1")[1].split()[0])
    assert float(screen[0].removeprefix("validation accuracy").split()[0]) == pytest.approx(score, abs=6e-4)

    main(["train", str(reviews), "--output", "quiet", "--no_summary", *small])
    assert "linear baseline" not in capsys.readouterr().err


def test_nothing_is_fitted_where_the_summary_is_off(reviews, tmp_path, monkeypatch):
    def refuse(*args):
        raise AssertionError("a baseline was fitted")

    monkeypatch.setattr(summary, "baseline_labels", refuse)
    textcnn.train(str(reviews), tmp_path / "one", summary=False, **SMALL)
    textcnn.train(str(reviews), tmp_path / "two", progress=False, **SMALL)


def test_test_texts_come_before_validation_texts(reviews, tmp_path):
    classifier = textcnn.train(str(reviews), tmp_path / "run", progress=False, **SMALL)
    rows = (["a lovely film", "a dull film", "a dull plot"], ["positive", "negative", "negative"])
    parts = {"train": (rows[0] * 9, rows[1] * 9), "test": rows}
    data = TextDataModule(parts, labels=classifier.labels, validation_fraction=0.0)
    found = summarize_run(data, classifier, tmp_path / "run", None)
    assert (found.role, found.texts) == ("test", 3)
    assert found.lines()[-1].endswith("textcnn compare FILE")
    nothing = TextDataModule({"train": (rows[0] * 9, rows[1] * 9)}, validation_fraction=0.0)
    assert summarize_run(nothing, classifier, tmp_path / "run", None) is None


def test_the_curve_is_in_the_model_card(reviews, tmp_path):
    textcnn.train(str(reviews), tmp_path / "run", progress=False, **SMALL)
    curve = read_curve(tmp_path / "run")
    assert len(curve.scores) == len(curve.losses) == 2
    assert curve.metric == "val_micro_f1"
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    assert "(training_curve.svg)" in card
    svg = ElementTree.fromstring((tmp_path / "run" / "training_curve.svg").read_text(encoding="utf-8"))
    assert len(svg.findall("{http://www.w3.org/2000/svg}polyline")) == 2
    assert read_curve(tmp_path) is None


def test_curve_and_sparkline():
    curve = Curve("val_micro_f1", [0.5, 0.9, 0.9, 0.7], [1.0, 0.5, 0.4, 0.6])
    assert curve.best == 1
    assert sparkline([1, 2, 3, 8]) == "▁▂▃█"
    assert sparkline([0.5]) == "█"
    svg = ElementTree.fromstring(curve_svg(curve))
    score = next(line for line in svg.iter("{http://www.w3.org/2000/svg}polyline") if line.get("class") == "score")
    heights = [float(point.split(",")[1]) for point in score.get("points").split()]
    assert heights[1] == heights[2] < heights[3] < heights[0]
    assert ElementTree.fromstring(curve_svg(Curve("val_micro_f1", [0.5], [1.0]))) is not None
