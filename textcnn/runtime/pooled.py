"""Folded models whose filters have more than one feature, from the same tables.

Shapes: `N` texts, `T` token ids of all texts, `F` filters of all widths, `P` features of a filter, `C` classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .capabilities import demand
from .classifier import TextClassifier
from .decisions import Array, count_fired
from .folded import FoldedTextCNN
from .segments import with_segments
from .tables import Tables, check_ids
from .text_batches import text_batches

if TYPE_CHECKING:
    from .certify import Guarantees
    from .explain import Explanation, Winners


class _SeveralFeatures(FoldedTextCNN):
    """A folded model whose filters have several features each, which windows and bounds do not cover."""

    def winners(self, texts: Iterable[str]) -> Iterator[Winners]:
        """Refuse: the core finds windows for one feature per filter only.

        Raises:
            ValueError: always.
        """
        demand(self.config, "inspect")
        raise NotImplementedError

    def certify(self, texts: Iterable[str], replaced: int = 1) -> Guarantees:
        """Refuse: the bounds hold for one feature per filter only.

        Raises:
            ValueError: always.
        """
        demand(self.config, "certify")
        raise NotImplementedError


class ComposedTextCNN(_SeveralFeatures):
    """A folded model whose logits are made of the features of several calls of the compiled core.

    A subclass makes the features, [N, P F], and names the parts of an explanation.
    """

    def _open_tables(self) -> Tables:
        raise NotImplementedError

    def features_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the features of token ids: text n is ids[offsets[n]:offsets[n + 1]]; -> [N, P F] float32."""
        raise NotImplementedError

    @cached_property
    def head(self) -> tuple[Array, Array]:
        """Weights [C, P F] and biases [C] of the head, divided by the temperature."""
        temperature = np.float32(self.temperature)
        weight, bias = self._tensors["head_weight"], self._tensors["head_bias"]
        return np.asarray(weight / temperature, np.float32), np.asarray(bias / temperature, np.float32)

    def logits_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the logits of token ids: text n is ids[offsets[n]:offsets[n + 1]]; -> [N, C] float32."""
        weight, bias = self.head
        return self.of_levels(np.asarray(self.features_of_ids(ids, offsets) @ weight.T + bias, dtype=np.float32))

    def features(self, texts: Iterable[str]) -> Array:
        """Return the features that the head reads: [N, P F] float32."""
        parts = [self.features_of_ids(*self.encode(batch)) for batch in text_batches(texts, self.threads)]
        return np.concatenate(parts) if parts else np.zeros((0, self.head[0].shape[1]), dtype=np.float32)

    def _label_ids(self, texts: Iterable[str]) -> NDArray[np.int64]:
        return TextClassifier._label_ids(self, texts)

    def _logits(self, texts: list[str], features: Array | None = None) -> Array:
        ids, offsets = self.tokenizer.encode_batch(texts, self.threads)
        weight, bias = self.head
        found = self.features_of_ids(ids, offsets)
        if features is not None:
            features[:] = found
        return np.asarray(found @ weight.T + bias, dtype=np.float32)

    def _logits_and_fired(self, texts: list[str]) -> tuple[Array, NDArray[np.int64]]:
        features = np.empty((len(texts), self.head[0].shape[1]), dtype=np.float32)
        logits = self._logits(texts, features)
        return logits, count_fired(features, self.config.get("activation", "relu"))


class SegmentsTextCNN(ComposedTextCNN):
    """A folded model with the pooling segments: each text is looked up twice, whole and part by part."""

    def _open_tables(self) -> Tables:
        features, pooled = len(self._tensors["bias"]), self._tensors["head_weight"].shape
        expected = (self.num_logits, features * (1 + int(self.config["pooling_segments"])))
        if pooled != expected:
            raise ValueError(
                f"head_weight: got {pooled}; expected {expected}, as config.json says; fold the model again"
            )
        # The core's own head is that of the whole text's maxima; it is not asked for logits.
        first = {**self._tensors, "head_weight": np.ascontiguousarray(self._tensors["head_weight"][:, :features])}
        return Tables(self.config, first, self.num_logits)

    def features_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        ids, offsets = check_ids(ids, offsets)
        maxima = self.tables.features(*self.texts_and_parts(ids, offsets), self.threads)
        texts = len(offsets) - 1
        return np.concatenate([maxima[:texts], maxima[texts:].reshape(texts, -1)], axis=1)

    def texts_and_parts(
        self, ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the ids and offsets that the core pools: those of the texts, and of their parts after them."""
        self.tables.check_vocabulary(ids)
        is_token = self.tables.row_of_id[ids] >= 0
        return with_segments(ids, offsets, is_token, int(self.config["pooling_segments"]))

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        from .explain.pooled import explain_pooled

        return explain_pooled(self, *self.encode(texts), texts, classes)


class MeansTextCNN(_SeveralFeatures):
    """A folded model with the pooling max_mean: the compiled core also adds up the activations of all windows."""

    @property
    def head(self) -> tuple[Array, Array]:
        """Weights [C, 2 F] and biases [C] of the head, divided by the temperature."""
        return self.tables.head_weight, self.tables.head_bias

    def texts_and_parts(
        self, ids: NDArray[np.int32], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the ids and offsets that the core pools: those of the texts."""
        return ids, offsets

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        from .explain.pooled import explain_pooled

        return explain_pooled(self, *self.encode(texts), texts, classes)


def folded_class(config: dict[str, Any]) -> type[FoldedTextCNN]:
    """Return the class that answers from the tables of a model."""
    if config.get("num_experts", 1) > 1:
        from .experts import ExpertsTextCNN

        return ExpertsTextCNN
    return {"segments": SegmentsTextCNN, "max_mean": MeansTextCNN}.get(config.get("pooling", "max"), FoldedTextCNN)
