"""Scores and the report of a regression on texts with their numbers.

Shapes: `N` texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.classifier import TextClassifier
from .labelled import Labelled
from .levels import rank_correlation
from .scores import Score, answers_of, with_intervals

TEMPLATE = "report_numbers.html.jinja"


@dataclass(frozen=True)
class NumberOutcome:
    """Answers of a regression to rows with numbers.

    Args:
        rows: The rows.
        predicted: Numbers [N].
        model: The model, for explanations.
    """

    rows: Labelled
    predicted: NDArray[np.float64]
    model: TextClassifier

    @property
    def error(self) -> NDArray[np.float64]:
        """Predicted minus true numbers [N]."""
        return np.asarray(self.predicted - self.rows.targets)


def ask_numbers(model: TextClassifier, rows: Labelled) -> NumberOutcome:
    """Return the numbers that a model predicts; shows progress in a terminal.

    Raises:
        ValueError: the model predicts several numbers of a text.
    """
    if len(model.labels) != 1:
        raise ValueError(
            f"evaluate: got a model of {len(model.labels)} numbers a text; expected one; score each yourself"
        )
    return NumberOutcome(rows, answers_of(model, rows.texts, False)[0][:, 0].astype(np.float64), model)


def determination(predicted: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return the coefficient of determination, R2: 1 - squared error / variance; 0 where the numbers are all equal.

    Example:
        >>> determination(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
        0.5
    """
    spread = float(np.square(targets - targets.mean()).sum())
    return 1 - float(np.square(predicted - targets).sum()) / spread if spread else 0.0


def number_scores(outcome: NumberOutcome, resamples: int) -> dict[str, Score]:
    """Return R2, mean absolute error and Spearman's rank correlation with their confidence intervals."""
    predicted, targets = outcome.predicted, outcome.rows.targets
    size = np.abs(outcome.error)
    measures: dict[str, Callable[[NDArray[np.int64]], float]] = {
        "R2": lambda at: determination(predicted[at], targets[at]),
        "MAE": lambda at: float(size[at].mean()),
        "Spearman": lambda at: rank_correlation(predicted[at], targets[at]),
    }
    return with_intervals(measures, np.arange(len(targets)), resamples)


def write_number_report(
    path: str | Path, outcome: NumberOutcome, scores: dict[str, Score], directory: str | Path, errors: int
) -> Path:
    """Write the report: scores, predicted against true numbers, and the largest errors with their n-grams.

    Args:
        path: File to write.
        outcome, scores: As `ask_numbers` and `number_scores` return them.
        directory: The artifact: its name, and its logs where there are some.
        errors: Number of the largest errors to show.

    Raises:
        ValueError: matplotlib or jinja2 is not installed.
    """
    from ..runtime.explain.views import STYLE
    from . import plots
    from .report import write_page

    return write_page(
        path,
        TEMPLATE,
        {
            "name": Path(directory).name or str(directory),
            "where": outcome.rows.where,
            "target": outcome.model.labels[0],
            "texts": len(outcome.rows),
            "dropped": outcome.rows.dropped,
            "scores": scores,
            "scatter": plots.scatter_plot(outcome.rows.targets, outcome.predicted),
            "curves": plots.learning_curves(directory),
            "errors": _largest_errors(outcome, errors),
            "style": STYLE,
        },
    )


def _largest_errors(outcome: NumberOutcome, limit: int) -> list[dict[str, Any]]:
    from markupsafe import Markup, escape

    from ..runtime.explain.views import coloured, ngrams

    if limit < 0:
        raise ValueError(f"mistakes: got {limit}; expected a whole number of at least 0")
    shown = []
    for position in np.argsort(-np.abs(outcome.error), kind="stable")[:limit].tolist():
        text = outcome.rows.texts[position]
        entry = {
            "own": f"{outcome.rows.targets[position]:.4g}",
            "given": f"{outcome.predicted[position]:.4g}",
            "text": escape(text) if text.strip() else Markup("<i>(an empty text)</i>"),
            "why": None,
        }
        if "explain" in outcome.model.capabilities and text.strip():
            why = outcome.model.explain(text)
            # Both are escaped where they are made.
            entry["text"], entry["why"] = Markup(coloured(why)), Markup(ngrams(why, 6))
        shown.append(entry)
    return shown
