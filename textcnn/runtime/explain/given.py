"""Classes whose logits are explained: those that `predict` gives, and the one score that ordered levels share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..decisions import decide
from ..text_batches import text_batches

if TYPE_CHECKING:
    from .explanation import Explanation


def classes_given(model: Any, texts: list[str]) -> tuple[list[int] | None, list[bool]]:
    """Return the class that `predict` gives each text, None where the largest logit decides, and if it gives none."""
    if not model.multi_label and not model.thresholds and model.abstention is None:
        return None, [False] * len(texts)
    answers = model.answer(texts)
    ids = decide(answers.probabilities, model.thresholds_by_id, model.multi_label)
    if model.multi_label:
        best = answers.probabilities.argmax(axis=1).tolist()
        classes = [int(row[0]) if len(row) else most for row, most in zip(ids, best, strict=True)]
        return classes, [not len(row) for row in ids]
    if model.abstention is None or answers.confidence is None:
        return ids.tolist(), [False] * len(texts)
    return ids.tolist(), (~(answers.confidence >= model.abstention.threshold)).tolist()


def explain_levels(model: Any, texts: Iterable[str], label: str | None) -> list[Explanation]:
    """Return the explanation of the score of each text, with the level that `predict` gives and its probability.

    Args:
        model: A TextClassifier of ordered levels.
        texts: The texts.
        label: None.

    Raises:
        ValueError: A label is given: levels have no score of their own.
    """
    if label is not None:
        raise ValueError(
            f"label: got {label!r} for a model of problem_type ordinal, whose levels share one score; expected none; "
            "leave it out"
        )
    explanations: list[Explanation] = []
    for batch in text_batches(texts):
        answers = model.answer(batch)
        certain, given = model.predict(batch, abstain=False), model.decide(answers)
        found = model._explain(batch, [0] * len(batch))
        for n, explanation in enumerate(found):
            explanation.label, explanation.abstained = str(certain[n]), given[n] is None
            explanation.probability = float(answers.probabilities[n, model.labels.index(explanation.label)])
        explanations += found
    return explanations
