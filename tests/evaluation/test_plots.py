"""The plots of the report: what they show, and that nothing of them is cut."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import textcnn
from textcnn.evaluation import plots


@pytest.mark.parametrize("names", [["a", "b"], ["negative", "positive"], [f"class {i}" for i in range(12)]])
def test_nothing_of_a_matrix_is_cut(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    plain = plots._svg
    monkeypatch.setattr(plots, "_svg", lambda figure, title: figures.append(figure) or plain(figure, title))
    plots.matrix_plot(np.full((len(names), len(names)), 7), names, names)
    (figure,) = figures
    figure.canvas.draw()
    (axes,) = figure.axes
    box, inside = axes.get_tightbbox(), figure.bbox
    assert inside.x0 - 1 <= box.x0
    assert box.x1 <= inside.x1 + 1
    assert inside.y0 - 1 <= box.y0
    assert box.y1 <= inside.y1 + 1
    # A cell can be read: at least 0.4 inches.
    assert axes.get_window_extent().width / figure.dpi / len(names) > 0.35


def test_bins_of_a_few_texts_are_off_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    plain = plots._svg
    monkeypatch.setattr(plots, "_svg", lambda figure, title: figures.append(figure) or plain(figure, title))
    confidence = np.array([0.95] * 20 + [0.75] * 10 + [0.3, 0.2])
    plots.reliability_diagram(confidence, np.arange(32) % 2 == 0)
    line = next(line for line in figures[0].axes[0].lines if line.get_label() == "share right")
    assert line.get_xdata().tolist() == pytest.approx([0.75, 0.95])
    plots.reliability_diagram(np.array([0.9, 0.6]), np.array([True, False]))
    line = next(line for line in figures[1].axes[0].lines if line.get_label() == "share right")
    assert len(line.get_xdata()) == 2, "where there is nothing else, they are shown"


def test_a_curve_has_a_point_an_epoch(reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    textcnn.train(str(reviews), tmp_path, num_filters=4, embedding_dim=8, max_epochs=3, progress=False)
    figures = []
    plain = plots._svg
    monkeypatch.setattr(plots, "_svg", lambda figure, title: figures.append(figure) or plain(figure, title))
    svg = plots.learning_curves(tmp_path)
    assert svg is not None
    assert re.search("val_loss", svg)
    losses, scores = figures[0].axes
    (line,) = (line for line in losses.lines if line.get_label() == "val_loss")
    assert len(line.get_xdata()) == 3
    assert scores.get_ylim()[0] >= 0
    assert losses.get_ylim()[0] >= 0
