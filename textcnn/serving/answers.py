"""Answers of a classifier as JSON holds them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers
from ..runtime.heads import HeadAnswers, Heads


def replies(
    model: str,
    classifier: TextClassifier | Heads,
    answers: Answers | HeadAnswers,
    counts: Sequence[int],
    *options: Any,
) -> list[dict[str, Any]]:
    """Return the reply to each of several requests, whose texts were answered together.

    Args:
        model: Name of the model.
        classifier: What answered.
        answers: Its answers to the texts of all requests, by head where it has heads.
        counts: Texts of each request.
        options: Further arguments of `as_json`.
    """
    parts = [slice(end - count, end) for count, end in zip(counts, accumulate(counts), strict=True)]
    if isinstance(answers, dict):
        assert isinstance(classifier, Heads)
        deciders = classifier.deciders
        by_head = {name: as_json(deciders[name], own, *options) for name, own in answers.items()}
        return [
            {
                "model": model,
                "heads": {
                    name: {"labels": deciders[name].labels, "answers": rows[part]} for name, rows in by_head.items()
                },
            }
            for part in parts
        ]
    assert isinstance(classifier, TextClassifier)
    rows = as_json(classifier, answers, *options)
    return [{"model": model, "labels": classifier.labels, "answers": rows[part]} for part in parts]


def as_json(
    classifier: TextClassifier, answers: Answers, top_k: int = 0, probabilities: bool = True, abstain: bool = True
) -> list[dict[str, Any]]:
    """Return an object for each text.

    Those of a regression, which a head may be, have `prediction`, None for several numbers, and `predictions`, all of
    its numbers.

    Args:
        classifier: What answered.
        answers: Its answers.
        top_k: Most probable labels to add, as `top`.
        probabilities: Give the probability of every class, in the order of the labels.
        abstain: Leave a text without a label where the model is not sure enough.
    """
    if classifier.regression:
        several = answers.probabilities.tolist()
        return [{"prediction": own[0] if len(own) == 1 else None, "predictions": own} for own in several]
    certain = Answers(answers.probabilities)
    columns = classifier.columns(certain, every_class=False)
    labels = columns["predicted_label"]
    given = [list(several) for several in labels] if classifier.multi_label else [[label] for label in labels]
    confidence: list[float | None] = [None] * len(given)
    abstained = [False] * len(given)
    if answers.confidence is not None:
        confidence = answers.confidence.tolist()
        if abstain and classifier.abstention is not None:
            abstained = (~(answers.confidence >= classifier.abstention.threshold)).tolist()
    every_class = answers.probabilities.tolist() if probabilities else [None] * len(given)
    # Lists, because elements of arrays are made one by one; all fields at once, because a dictionary grows slowly.
    rows: list[dict[str, Any]] = [
        {
            "label": None if left_out or not names else names[0],
            "labels": [] if left_out else names,
            "probability": probability,
            "confidence": sure,
            "abstained": left_out,
            "probabilities": values,
        }
        for names, probability, sure, left_out, values in zip(
            given, columns["probability"], confidence, abstained, every_class, strict=True
        )
    ]
    # Those of ordered levels, and of the levels of labels that are paths.
    further = [name for name in columns if name not in ("predicted_label", "probability")]
    for name in further:
        for row, value in zip(rows, columns[name], strict=True):
            row[name] = value
    if not probabilities:
        for row in rows:
            del row["probabilities"]
    if top_k:
        order = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :top_k]
        for row, best, values in zip(rows, order.tolist(), answers.probabilities, strict=True):
            row["top"] = [{"label": classifier.labels[i], "probability": float(values[i])} for i in best]
    return rows
