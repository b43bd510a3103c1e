"""Answers of a classifier as JSON holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers
from ..runtime.heads import HeadAnswers, Heads


def part_of(answers: Answers | HeadAnswers, begin: int, end: int) -> Answers | HeadAnswers:
    """Return the answers to the texts from `begin` to `end`, of one task or by head."""
    if isinstance(answers, dict):
        return {head: _part(own, begin, end) for head, own in answers.items()}
    return _part(answers, begin, end)


def _part(answers: Answers, begin: int, end: int) -> Answers:
    confidence = answers.confidence
    return Answers(answers.probabilities[begin:end], None if confidence is None else confidence[begin:end])


def reply(model: str, classifier: TextClassifier | Heads, answers: Answers | HeadAnswers, *how: Any) -> dict[str, Any]:
    """Return the reply to a request: the labels and the answers of a model, or those of each of its heads.

    Args:
        model: Name of the model.
        classifier: What answered.
        answers: Its answers.
        how: Further arguments of `as_json`.
    """
    if isinstance(classifier, Heads):
        assert isinstance(answers, dict)
        heads = {
            name: {"labels": head.labels, "answers": as_json(head, answers[name], *how)}
            for name, head in classifier.deciders.items()
        }
        return {"model": model, "heads": heads}
    assert isinstance(answers, Answers)
    return {"model": model, "labels": classifier.labels, "answers": as_json(classifier, answers, *how)}


def as_json(
    classifier: TextClassifier, answers: Answers, top_k: int = 0, probabilities: bool = True, abstain: bool = True
) -> list[dict[str, Any]]:
    """Return an object for each text.

    Args:
        classifier: What answered.
        answers: Its answers.
        top_k: Most probable labels to add, as `top`.
        probabilities: Give the probability of every class, in the order of the labels.
        abstain: Leave a text without a label where the model is not sure enough.
    """
    certain = Answers(answers.probabilities)
    columns = classifier.columns(certain, every_class=False)
    confidence = answers.confidence
    abstention = classifier.abstention if abstain and confidence is not None else None
    order = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :top_k]
    rows: list[dict[str, Any]] = []
    for n, (labels, probability) in enumerate(zip(columns["predicted_label"], columns["probability"], strict=True)):
        given = list(labels) if classifier.multi_label else [labels]
        abstained = abstention is not None and not confidence[n] >= abstention.threshold  # type: ignore[index]
        row: dict[str, Any] = {
            "label": None if abstained or not given else given[0],
            "labels": [] if abstained else given,
            "probability": probability,
            "confidence": None if confidence is None else float(confidence[n]),
            "abstained": bool(abstained),
        }
        if probabilities:
            row["probabilities"] = answers.probabilities[n].tolist()
        if top_k:
            values = answers.probabilities[n]
            row["top"] = [{"label": classifier.labels[i], "probability": float(values[i])} for i in order[n]]
        rows.append(row)
    return rows
