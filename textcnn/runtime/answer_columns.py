"""Output columns of scored rows, from the answers of a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .decisions import Answers, probability_of_labels

if TYPE_CHECKING:
    from .classifier import TextClassifier


def answer_columns(
    classifier: TextClassifier, answers: Answers, joined: bool, every_class: bool
) -> dict[str, list[Any]]:
    """Return the output columns of answers; see `TextClassifier.columns`."""
    labels, probabilities = classifier.labels, answers.probabilities
    if classifier.regression:
        names = ["prediction"] if len(labels) == 1 else [f"prediction_{name}" for name in labels]
        return {name: probabilities[:, i].tolist() for i, name in enumerate(names)}
    decided = classifier.decide(answers)
    given = probability_of_labels(probabilities, classifier.thresholds_by_id, classifier.multi_label)
    columns: dict[str, list[Any]] = {
        "predicted_label": [";".join(row) for row in decided] if joined and classifier.multi_label else decided,
        "probability": given.tolist(),
    }
    if not classifier.multi_label:
        columns["predicted_label"] = decided.tolist()
    if classifier.levels is not None:
        columns["expected_level"] = classifier.levels.expected(probabilities).tolist()
    if classifier.paths is not None:
        columns |= classifier.paths.columns(probabilities)
    if every_class:
        for i, label in enumerate(labels):
            columns[f"probability_{label}"] = probabilities[:, i].tolist()
    return columns
