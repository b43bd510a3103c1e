"""ExpertsTextCNN: a folded mixture of experts, of whose tables only the chosen banks' are read.

Shapes: `N` texts, `T` token ids of all texts, `F` filters of a bank, `X` banks, `V` table rows of a bank, `C` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .decisions import Array, softmax
from .pooled import ComposedTextCNN
from .tables import Tables, check_ids

if TYPE_CHECKING:
    from .explain import Explanation


class ExpertsTextCNN(ComposedTextCNN):
    """A folded model with num_experts.

    Its tensors are those of the banks one after the other: table [X V, R], scale and bias [X F], head_weight [C, X F];
    and the router's: router_weight [V, X], a row for each row of a bank's table, and router_bias [X].
    """

    def _open_tables(self) -> Tables:
        banks, tensors = int(self.config["num_experts"]), self._tensors
        rows, filters = len(tensors["table"]) // banks, len(tensors["bias"]) // banks
        for name, expected in (
            ("router_weight", (rows, banks)),
            ("router_bias", (banks,)),
            ("head_weight", (self.num_logits, banks * filters)),
            ("table", (banks * rows, tensors["table"].shape[1])),
        ):
            shape = tensors[name].shape if name in tensors else None
            if shape != expected:
                raise ValueError(f"{name}: got {shape}; expected {expected}, as config.json says; fold the model again")
        self.banks = []
        for bank in range(banks):
            own = slice(bank * filters, (bank + 1) * filters)
            parts: dict[str, NDArray[Any]] = {
                "table": tensors["table"][bank * rows : (bank + 1) * rows],
                "row_of_id": tensors["row_of_id"],
                "scale": tensors["scale"][own],
                "bias": tensors["bias"][own],
                "head_weight": np.ascontiguousarray(tensors["head_weight"][:, own]),
                "head_bias": tensors["head_bias"],
            }
            self.banks.append(Tables(self.config, parts, self.num_logits))
        return self.banks[0]

    def route(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the gates [N, X] of token ids: the probability of each bank that is chosen, 0 of the others."""
        self.tables.check_vocabulary(ids)
        rows = self.tables.row_of_id[ids]
        is_token = rows >= 0
        # Sums from one text's begin to its end, of what was added up so far: exact to rounding in float64.
        seen = np.concatenate([[0], np.cumsum(is_token)])[offsets]
        terms = self._tensors["router_weight"][rows[is_token]].astype(np.float64)
        sums = np.concatenate([np.zeros((1, terms.shape[1])), np.cumsum(terms, axis=0)])[seen]
        means = np.diff(sums, axis=0) / np.maximum(np.diff(seen), 1)[:, None]
        probabilities = softmax((means + self._tensors["router_bias"]).astype(np.float32))
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : int(self.config["experts_per_text"])]
        gates = np.zeros_like(probabilities)
        np.put_along_axis(gates, order, np.take_along_axis(probabilities, order, axis=1), axis=1)
        return gates

    def features_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the gated features [N, X F] of token ids, 0 of the banks that are not chosen."""
        ids, offsets = check_ids(ids, offsets)
        gates = self.route(ids, offsets)
        filters = self.tables.layout.features
        features = np.zeros((len(gates), len(self.banks) * filters), dtype=np.float32)
        for bank, tables in enumerate(self.banks):
            rows = np.flatnonzero(gates[:, bank])
            if len(rows):
                own = tables.features(*chosen_texts(ids, offsets, rows), self.threads)
                features[rows, bank * filters : (bank + 1) * filters] = own * gates[rows, bank, None]
        return features

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        from .explain.experts import explain_experts

        return explain_experts(self, *self.encode(texts), texts, classes)


def chosen_texts(
    ids: NDArray[np.int32], offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return ids and offsets of some of the texts."""
    parts = [ids[offsets[row] : offsets[row + 1]] for row in rows]
    lengths = np.diff(offsets)[rows]
    return np.concatenate([ids[:0], *parts]), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
