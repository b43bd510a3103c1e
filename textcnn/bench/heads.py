"""Cost of further heads: a model with eight heads on one table against the same model with one."""

from __future__ import annotations

import numpy as np

from ..runtime.folded import FoldedTextCNN
from ..runtime.heads import HeadsClassifier
from .figures import Figures

HEADS = 8


def measure_heads(figures: Figures, folded: FoldedTextCNN, texts: list[str]) -> None:
    """Add the time of eight heads over that of one, texts to labels of every head: heads_cost, or heads_cost_int8.

    Args:
        figures: Figures to add it to.
        folded: Model with one head, on one thread.
        texts: Texts to label.
    """
    several = with_copies(folded, HEADS)
    figures.ratio(
        "heads_cost_int8" if folded.is_int8 else "heads_cost",
        f"text to label, {folded.precision}, one core: time of {HEADS} heads of {len(folded.labels)} labels over one",
        lambda: folded.predict(texts), lambda: several.predict(texts), len(texts), rounds=9,
    )  # fmt: skip


def with_copies(folded: FoldedTextCNN, count: int) -> HeadsClassifier:
    """Return a model with so many heads, each of which answers as the model does."""
    kind = f"{'multi' if folded.multi_label else 'single'}_label_classification"
    heads = [{"name": f"head {number}", "problem_type": kind, "labels": folded.labels} for number in range(count)]
    names = [f"{head['name']}: {label}" for head in heads for label in folded.labels]
    config = {**folded.config, "heads": heads, "problem_type": None, "id2label": dict(enumerate(names))}
    tensors = dict(folded.tensors)
    # A bag with a matrix of its own has the logits in that, any other in its columns.
    columns = "bag_output" if "bag_output" in tensors else "bag_table"
    for name in ("head_weight", "head_bias", columns, *(["bag_scale"] if columns == "bag_table" else [])):
        if name in tensors:
            axis = 1 if name == "bag_table" else 0
            tensors[name] = np.ascontiguousarray(np.concatenate([tensors[name]] * count, axis=axis))
    return HeadsClassifier(type(folded)(config, tensors, folded.tokenizer_json, folded.metadata, folded.threads))
