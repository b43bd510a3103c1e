"""Explanations of a mixture of experts: the n-grams of the chosen banks, exact given the route.

Shapes: `N` texts, `F` filters of a bank, `X` banks, `C` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..decisions import sigmoid, softmax
from ..tables import check_ids
from .explanation import Explanation, WinningWindows
from .pooled import SumOfParts, numbered
from .winners import find_winners

if TYPE_CHECKING:
    from ..experts import ExpertsTextCNN


def explain_experts(
    model: ExpertsTextCNN,
    ids: NDArray[np.int32],
    offsets: NDArray[np.int64],
    texts: Sequence[str],
    classes: Sequence[int] | None,
) -> list[Explanation]:
    """Explain one logit of each text: those of the classes [N] or, for None, the largest."""
    ids, offsets = check_ids(ids, offsets)
    gates, filters = model.route(ids, offsets), model.tables.layout.features
    weight, bias = (values.astype(np.float64) for values in model.head)
    logits = model.features_of_ids(ids, offsets).astype(np.float64) @ weight.T + bias
    probabilities = (sigmoid if model.multi_label else softmax)(logits)
    explanations = []
    for n, text in enumerate(texts):
        c = int(logits[n].argmax()) if classes is None else classes[n]
        own, length = ids[offsets[n] : offsets[n + 1]], int(offsets[n + 1] - offsets[n])
        made = SumOfParts(text, own, list(model.spans(text)), c, model.logits_of_ids)
        route = [(int(bank), float(gates[n, bank])) for bank in np.argsort(-gates[n], kind="stable") if gates[n, bank]]
        for bank, gate in route:
            winners = find_winners(model.banks[bank], own, np.array([0, length]))
            gated = np.ascontiguousarray(weight[c, bank * filters : (bank + 1) * filters] * gate)
            windows = WinningWindows(winners, 0, text, c, gated, model.spans)
            made.parts.append(numbered(windows.contributions, bank * filters))
        probability = None if model.regression else float(probabilities[n, c])
        explanations.append(
            Explanation(
                text, model.labels[c], float(logits[n, c]), probability, float(bias[c]),
                model.tables.is_int8, made, route=tuple(route),
            )
        )  # fmt: skip
    return explanations
