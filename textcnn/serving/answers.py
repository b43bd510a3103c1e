"""Answers of a classifier as JSON holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers


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
    order = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :top_k] if top_k else None
    every_class = answers.probabilities.tolist() if probabilities else []
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
            row["probabilities"] = every_class[n]
        if order is not None:
            values = answers.probabilities[n]
            row["top"] = [{"label": classifier.labels[i], "probability": float(values[i])} for i in order[n]]
        rows.append(row)
    return rows
