"""The plots of the report, as SVG that takes its colours from the page: light and dark, no raster, no font.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import csv
import functools
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from .calibration import reliability

P = ParamSpec("P")
T = TypeVar("T")
# What matplotlib is told, and what the page makes of it.
INK, FAINT, ACCENT, WARN = "#010203", "#010204", "#010205", "#010206"
_VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)", ACCENT: "var(--accent)", WARN: "var(--warn)"}
# Fewer texts than this in a bin say nothing of its share.
_FEW = 4
# Inches: a phone shows these at their own size, a desk screen half as large again.
SIZE = (4.6, 3.1)
_POINTS = 1000  # of a scatter plot
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "textcnn", "font.size": 10, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": FAINT, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.5, "grid.alpha": 0.5,
    "legend.frameon": False, "legend.labelcolor": INK, "figure.constrained_layout.use": True, "axes.axisbelow": True,
}  # fmt: skip


def load_matplotlib() -> Any:
    """Load matplotlib for use without a screen.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib
    except ImportError as error:
        raise ValueError(
            f"the report needs {error.name}, which is not installed; expected the extra 'report'; "
            "pip install 'textcnn[report]'"
        ) from None
    return matplotlib


def _styled(plot: Callable[P, T]) -> Callable[P, T]:
    """Run a function with our style and restore the settings of matplotlib."""

    @functools.wraps(plot)
    def styled(*positional: P.args, **named: P.kwargs) -> T:
        with load_matplotlib().rc_context(_STYLE):
            return plot(*positional, **named)

    return styled


@_styled
def reliability_diagram(confidence: NDArray[Any], correct: NDArray[np.bool_]) -> str:
    """Draw the fraction of right claims by confidence, over the diagonal, and the number of claims below it."""
    counts, mean, accuracy = reliability(confidence, correct)
    figure, (above, below) = _figure((SIZE[0], 3.7), 2, height_ratios=(3, 1), sharex=True)
    above.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="as it should be")
    # The share of one to three texts is noise: such bins are dots, off the line.
    few = (counts > 0) & (counts < _FEW)
    filled = counts >= _FEW if (counts >= _FEW).any() else counts > 0
    above.vlines(mean[filled], mean[filled], accuracy[filled], color=WARN, linewidth=3, alpha=0.5, label="gap")
    above.plot(mean[filled], accuracy[filled], "o-", color=ACCENT, markersize=4, linewidth=1.5, label="share right")
    if few.any() and filled is not few:
        above.plot(mean[few], accuracy[few], "o", color=FAINT, markersize=3)
    above.set(ylabel="share right", ylim=(0, 1.02), xlim=(0, 1.01))
    above.legend(loc="upper left")
    edges = np.linspace(0, 1, len(counts) + 1)
    below.bar((edges[:-1] + edges[1:]) / 2, counts, width=0.9 / len(counts), color=ACCENT, alpha=0.6)
    below.set(xlabel="what the probability says", ylabel="claims")
    below.locator_params(axis="y", nbins=2)
    return _svg(figure, "Reliability diagram: how often claims of each confidence hold")


@_styled
def risk_coverage_plot(coverage: NDArray[Any], risk: NDArray[Any], at: tuple[float, float] | None = None) -> str:
    """Draw the fraction of wrong labels by the fraction of texts with a label; `at` marks the model's abstention."""
    figure, axes = _figure(SIZE)
    shown = np.unique(np.linspace(0, len(coverage) - 1, 400).astype(int))
    axes.plot(100 * coverage[shown], 100 * risk[shown], color=ACCENT, linewidth=1.8)
    if at is not None:
        axes.plot([100 * at[0]], [100 * at[1]], "o", color=WARN, markersize=7, label="where it abstains")
        axes.legend(loc="upper left")
    axes.set(xlabel="% of texts that get a label, surest first", ylabel="% of them wrong", xlim=(0, 101))
    # The first few texts say nothing of a share.
    top = 100 * float(risk[min(len(risk) - 1, len(risk) // 20) :].max(initial=0.001))
    axes.set_ylim(0, 1.15 * max(top, 0.1))
    return _svg(figure, "Risk against coverage")


@_styled
def matrix_plot(matrix: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]) -> str:
    """Draw a confusion matrix: each row sums to 100 %, with one colour for correct predictions, another for errors."""
    size = len(rows)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    # Two classes fill a card, too; the titles of the axes need an inch.
    cell = min(0.9, max(0.42, 2.6 / size))
    margin = 0.075 * max(len(_short(name)) for name in rows) + 0.2
    figure, axes = _figure((margin + cell * len(columns) + 0.3, margin + cell * size + 0.4))
    for y, x in np.ndindex(*shares.shape):
        if not matrix[y, x]:
            continue
        right = rows[y] == columns[x]
        axes.add_patch(
            _rectangle((x - 0.5, y - 0.5), ACCENT if right else WARN, 0.1 + 0.6 * float(shares[y, x]) ** 0.5)
        )
        axes.text(x, y, f"{matrix[y, x]:,}", ha="center", va="center", fontsize=8 if matrix[y, x] < 1000 else 7)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(size - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(len(columns)), [_short(name) for name in columns], rotation=90, fontsize=9)
    axes.set_yticks(range(size), [_short(name) for name in rows], fontsize=9)
    axes.set(xlabel="label it was given", ylabel="its own label")
    axes.grid(False)
    axes.tick_params(length=0)
    return _svg(figure, "Confusion matrix")


@_styled
def scatter_plot(targets: NDArray[Any], predicted: NDArray[Any]) -> str:
    """Draw predicted numbers over true ones, with the diagonal; of many texts, some evenly spread."""
    figure, axes = _figure((SIZE[0], 3.7))
    shown = np.unique(np.linspace(0, len(targets) - 1, _POINTS).astype(int))
    bounds = [float(min(targets.min(), predicted.min())), float(max(targets.max(), predicted.max()))]
    axes.plot(bounds, bounds, color=FAINT, linestyle="--", linewidth=1)
    axes.plot(targets[shown], predicted[shown], "o", color=ACCENT, markersize=3, alpha=0.5, markeredgewidth=0)
    axes.set(xlabel="true number", ylabel="predicted number")
    return _svg(figure, "Predicted against true numbers")


@_styled
def learning_curves(directory: str | Path) -> str | None:
    """Draw losses and validation score by epoch, from the last run's logs; return None without logs."""
    found = sorted(
        Path(directory).glob("logs/version_*/metrics.csv"), key=lambda path: int(path.parent.name.rpartition("_")[2])
    )
    for path in reversed(found):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        alone = {"val_r2": "R2", "val_mean_score": "mean score of the heads", "val_quadratic_kappa": "quadratic kappa"}
        chosen = next((name for name in alone if any(row.get(name) for row in rows)), None)
        shown = [(chosen, ACCENT)] if chosen is not None else [("val_micro_f1", ACCENT), ("val_macro_f1", WARN)]
        series = {
            name: [(float(row["step"]), float(row[name])) for row in rows if row.get(name) and row.get("step")]
            for name in ("train_loss", "val_loss", *(name for name, _ in shown))
        }
        if not series["val_loss"]:
            continue
        figure, (losses, scores) = _figure((SIZE[0], 4.2), 2, sharex=True)
        for axes, name, color in (
            (losses, "train_loss", FAINT), (losses, "val_loss", ACCENT),
            *((scores, name, color) for name, color in shown),
        ):  # fmt: skip
            if series[name]:
                steps, values = zip(*series[name], strict=True)
                axes.plot(steps, values, color=color, linewidth=1.6, marker="o" if len(steps) < 40 else None,
                          markersize=3, label=name)  # fmt: skip
        for axes, what in ((losses, "loss"), (scores, "F1" if chosen is None else alone[chosen])):
            axes.set_ylabel(what)
            axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))
            axes.legend(loc="best")
        scores.set_ylim(top=min(1.02, scores.get_ylim()[1]))
        scores.set_xlabel("step")
        return _svg(figure, "Learning curves")
    return None


def _short(name: str, limit: int = 22) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _rectangle(corner: tuple[float, float], color: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, facecolor=color, alpha=alpha, linewidth=0)


def _figure(
    size: tuple[float, float], rows: int = 1, height_ratios: Sequence[float] | None = None, **options: Any
) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    ratios = None if height_ratios is None else {"height_ratios": list(height_ratios)}
    return figure, figure.subplots(rows, 1, gridspec_kw=ratios, **options)


def _svg(figure: Any, title: str) -> str:
    """An <svg> element to stand in a page: its colours are the page's, its text is text, it is as wide as it may be."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, variable)
    # Names of parts that nothing refers to, and that every figure of a page would repeat.
    svg = re.sub(r' id="(?:figure|axes|patch|line2d|matplotlib|text|xtick|ytick|legend|LineCollection)[\w.]*"', "", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", svg)
    # A style inside of an <svg> of a page is a style of the page.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    width = float(re.search(r'width="([\d.]+)pt"', svg).group(1))  # type: ignore[union-attr]
    opening = f'<svg role="img" aria-label="{title}" style="--width:{width:.0f}px;stroke-linejoin:round"'
    return svg.replace("<svg", opening, 1)
