"""The report: one HTML file, readable offline, on how good a model is and where it fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.explain.views import STYLE, coloured, ngrams
from . import plots
from .breakdown import (
    Group,
    by_class,
    by_column,
    by_length,
    confident_mistakes,
    confusion_matrix,
    confusions,
    groupable,
)
from .calibration import claims
from .labelled import column_named
from .scores import NOTHING, Outcome, OutOfScope, Score, risk_coverage

TEMPLATE = "report.html.jinja"
MISTAKES = 12
# A confusion matrix that a phone can show; of more classes, those that are confused most.
_LARGEST_MATRIX = 12
_FIRST_CLASSES = 15
# Groups of so few texts are noise on a first screen.
_WORTH_NAMING = 20


def write_report(
    path: str | Path,
    outcome: Outcome,
    scores: dict[str, Score],
    scope: list[OutOfScope],
    directory: str | Path,
    columns: list[str] | None = None,
    mistakes: int = MISTAKES,
) -> Path:
    """Write the report.

    Args:
        path: File to write.
        outcome, scores, scope: As `ask`, `scores` and `out_of_scope` return them.
        directory: The artifact: its name, and its logs where there are some.
        columns: Columns of the data to group texts by; None takes those that have few values.
        mistakes: Number of the most confident mistakes to show.

    Raises:
        ValueError: matplotlib or jinja2 is not installed, or there is no such column.
    """
    values = contents(outcome, scores, scope, directory, columns, mistakes)
    return write_page(path, TEMPLATE, {**values, "style": STYLE})


def write_page(path: str | Path, template: str, values: dict[str, Any]) -> Path:
    """Write a page of a template and its variables.

    Raises:
        ValueError: matplotlib or jinja2 is not installed.
    """
    from ..runtime.storage import write_text

    plots.load_matplotlib()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("textcnn.evaluation", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip
    environment.filters.update(
        percent=lambda share: f"{100 * share:.1f} %", count=lambda number: f"{number:,}", breakable=_breakable
    )
    page = environment.get_template(template).render(values)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path


def contents(
    outcome: Outcome,
    scores: dict[str, Score],
    scope: list[OutOfScope],
    directory: str | Path,
    columns: list[str] | None = None,
    mistakes: int = MISTAKES,
) -> dict[str, Any]:
    """Return the variables of the template."""
    rows, inside = outcome.rows, outcome.inside
    classes = by_class(outcome)
    groups = _groups(outcome, columns)
    overall = next(iter(scores.values()))
    confidence, correct = outcome.confidence[inside], outcome.correct[inside]
    # The curve of the model that always answers; the mark is where it stops.
    forced = outcome.forced == rows.targets
    forced = forced.all(axis=1) if outcome.multi_label else forced
    coverage, risk = risk_coverage(confidence, forced[inside])
    mark = None
    if not outcome.multi_label and (outcome.predicted[inside] == NOTHING).any():
        given = outcome.predicted[inside] != NOTHING
        mark = (float(given.mean()), 1 - float(correct[given].mean())) if given.any() else None
    matrix, matrix_labels, matrix_is_part = _matrix(outcome)
    return {
        "name": Path(directory).name or str(directory),
        "where": rows.where,
        "texts": len(rows),
        "outside": int(rows.outside.sum()),
        "dropped": rows.dropped,
        "labels": outcome.labels,
        "multi_label": outcome.multi_label,
        "temperature": outcome.temperature,
        "abstention": outcome.model.abstention,
        "wrong": int((~correct).sum()),
        "inside": len(inside),
        "scores": scores,
        "scope": scope,
        "classes": [one for one in classes if one.wanted or one.given],
        "first_classes": _FIRST_CLASSES,
        "absent": [one.label for one in classes if not one.wanted],
        "weakest": [one for one in classes if one.wanted][:3],
        "confusions": confusions(outcome),
        "matrix": matrix,
        "matrix_labels": matrix_labels,
        "matrix_is_part": matrix_is_part,
        "reliability": plots.reliability_diagram(*claims(outcome.probabilities[inside], rows.targets[inside])),
        "risk_coverage": plots.risk_coverage_plot(coverage, risk, mark),
        "groups": groups,
        "worst_groups": _worst(groups, overall.value),
        "mistakes": _mistakes(outcome, mistakes),
        "curves": plots.learning_curves(directory),
    }


def _breakable(name: str) -> Any:
    """A name that a narrow column may break after _ / and -."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([_/-])", r"\1<wbr>", str(escape(name))))


def _matrix(outcome: Outcome) -> tuple[str | None, list[str], bool]:
    """Return the confusion matrix, of the classes that are confused most where there are many."""
    if outcome.multi_label:
        return None, [], False
    matrix, labels = confusion_matrix(outcome), outcome.labels
    chosen = list(range(len(labels)))
    if len(labels) > _LARGEST_MATRIX:
        wanted: list[int] = []
        for pair in confusions(outcome, limit=10 * len(labels)):
            for name in (pair.label, pair.given):
                if name in labels and labels.index(name) not in wanted and len(wanted) < _LARGEST_MATRIX:
                    wanted.append(labels.index(name))
        chosen = sorted(wanted)
        if len(chosen) < 2:
            return None, [], True
    columns = [labels[c] for c in chosen]
    shown = matrix[np.ix_(chosen, chosen)]
    rest = matrix[chosen].sum(axis=1) - shown.sum(axis=1) - matrix[chosen, -1]
    if rest.any():
        columns, shown = [*columns, "(other labels)"], np.column_stack([shown, rest])
    if matrix[:, -1].any():
        columns, shown = [*columns, "(no label)"], np.column_stack([shown, matrix[chosen, -1]])
    names = [labels[c] for c in chosen]
    return plots.matrix_plot(shown, names, columns), names, len(chosen) < len(labels)


def _groups(outcome: Outcome, wanted: list[str] | None) -> dict[str, list[Group]]:
    model: Any = outcome.model
    lengths = np.diff(model.encode(outcome.rows.texts)[1])
    groups = {"length": by_length(outcome, lengths)}
    columns = outcome.rows.columns
    if wanted is None:
        columns = {name: values for name, values in columns.items() if groupable(values)}
    else:
        columns = column_named(columns, wanted, outcome.rows.where)
    for name, values in columns.items():
        try:
            groups[name] = by_column(outcome, values)
        except ValueError as error:
            raise ValueError(f"column {name!r} of {outcome.rows.where}: {error}") from None
    return groups


def _worst(groups: dict[str, list[Group]], overall: float) -> list[tuple[str, Group]]:
    """Return the groups that are significantly worse than the whole, the worst first."""
    found = [
        (name, group)
        for name, own in groups.items()
        for group in own
        if group.high < overall and group.texts >= _WORTH_NAMING
    ]
    return sorted(found, key=lambda one: one[1].accuracy)[:3]


def _mistakes(outcome: Outcome, limit: int) -> list[dict[str, Any]]:
    from markupsafe import Markup, escape

    explains = "explain" in outcome.model.capabilities
    shown = []
    for position in confident_mistakes(outcome, limit).tolist():
        text, probabilities = outcome.rows.texts[position], outcome.probabilities[position]
        if outcome.multi_label:
            own = [outcome.labels[c] for c in np.flatnonzero(outcome.rows.targets[position])]
            given = [outcome.labels[c] for c in np.flatnonzero(outcome.predicted[position])]
            differing = (outcome.rows.targets[position] > 0) != (outcome.predicted[position] > 0)
            away = np.where(differing, np.abs(probabilities - 0.5), -1)
            explained = int(away.argmax())
            positive = bool(outcome.predicted[position][explained])
        else:
            positive = True
            explained = int(outcome.predicted[position])
            own = [] if outcome.rows.outside[position] else [outcome.rows.label_of(position, outcome.labels)]
            given = [outcome.labels[explained]]
        entry = {
            "own": ", ".join(own) or ("none of the classes" if outcome.rows.outside[position] else "no label"),
            "given": ", ".join(given) or "no label",
            "label": outcome.labels[explained],
            "positive": positive,
            "probability": float(probabilities[explained]),
            "text": escape(text) if text.strip() else Markup("<i>(an empty text)</i>"),
            "why": None,
        }
        if explains and text.strip():
            why = outcome.model.explain(text, None if outcome.model.levels else outcome.labels[explained])
            # Both are escaped where they are made.
            entry["text"], entry["why"] = Markup(coloured(why)), Markup(ngrams(why, 6))
        shown.append(entry)
    return shown
