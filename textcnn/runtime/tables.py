"""The folded tables of a model with a name for each part, and the calls of the compiled core on them.

Shapes: `N` texts, `T` token ids of all texts, `F` filters of all widths, `P` values that the head reads, `C` classes,
`V` vocabulary, `R` values in a table row.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.library import TablesSpec, address, check, contiguous, last_error, library
from .bag import Bag, BagFeatures, bag_of_ids, hashes_of_ids
from .layout import ACTIVATIONS, PADDINGS, Layout
from .tokenizer import CompiledTokenizer, Utf8Texts

Floats = NDArray[np.float32]


class Tables:
    """The look-up tables of one model, checked and opened.

    Args:
        config: The model's config.json.
        tensors: table [rows, R] float32 or int8, row_of_id [V], scale [F], bias [F], head_weight [C, P], head_bias [C]
            and, with a pooled norm, norm_weight [F] and norm_bias [F]; with a bag, those of `bag_of_ids`.
        classes: C.

    Attributes:
        layout: Columns and features of each width.
        stride, dilation, padding, activation: As in config.json.
        means: True where the head also reads the mean of each filter's activation over all windows.
        table, row_of_id, scale, bias: As given.
        head_weight, head_bias: As given, divided by the temperature.
        hole: Row of the zero vector, the last.
        bag: Bag whose logits are added to those of the convolutions, or None.

    Raises:
        ValueError: a tensor is missing, has another shape, or holds a number that the tables cannot have.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], classes: int) -> None:
        self.stride, self.dilation = int(config.get("stride", 1)), int(config.get("dilation", 1))
        self.padding, self.activation = str(config.get("padding", "wide")), str(config.get("activation", "relu"))
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation: got {self.activation!r}; expected one of {', '.join(ACTIVATIONS)}")
        if self.padding not in PADDINGS:
            raise ValueError(f"padding: got {self.padding!r}; expected one of {', '.join(PADDINGS)}")
        temperature = float(config.get("temperature", 1.0))
        if not 0 < temperature < np.inf:
            raise ValueError(f"temperature: got {temperature}; expected a positive number; calibrate the model again")
        if tensors["table"].dtype.name not in ("int8", "float32"):
            raise ValueError(f"table: got {tensors['table'].dtype}; expected int8 or float32; fold the model again")
        self.layout = Layout.of(config, tensors["table"].dtype)
        self.normalizes = bool(config.get("pooled_norm"))
        self.means = config.get("pooling", "max") == "max_mean"
        _check_shapes(config, tensors, self.layout, classes)
        self.table: NDArray[Any] = contiguous(tensors["table"], tensors["table"].dtype)
        self.row_of_id: NDArray[np.int32] = _of_type(tensors, "row_of_id", np.int32)
        self.scale: Floats = _of_type(tensors, "scale", np.float32)
        self.bias: Floats = _of_type(tensors, "bias", np.float32)
        # The temperature is folded in here and not in the file: calibration may change it afterwards.
        self.head_weight: Floats = contiguous(_of_type(tensors, "head_weight", np.float32) / temperature, np.float32)
        self.head_bias: Floats = contiguous(_of_type(tensors, "head_bias", np.float32) / temperature, np.float32)
        norm = [
            _of_type(tensors, name, np.float32) if self.normalizes else None for name in ("norm_weight", "norm_bias")
        ]
        self.bag: Bag | None = bag_of_ids(config, tensors, classes)
        widths = contiguous([own.width for own in self.layout.widths], np.int64)
        filters = contiguous([own.filters for own in self.layout.widths], np.int64)
        spec = TablesSpec(
            vocab_size=len(self.row_of_id),
            rows=len(self.table),
            columns=self.layout.columns,
            table=address(self.table),
            row_of_id=address(self.row_of_id),
            kernel_sizes=address(widths),
            num_filters=address(filters),
            scale=address(self.scale),
            bias=address(self.bias),
            norm_weight=address(norm[0]),
            norm_bias=address(norm[1]),
            head_weight=address(self.head_weight),
            head_bias=address(self.head_bias),
            norm_epsilon=float(config.get("layer_norm_eps", 1e-5)),
            widths=len(widths),
            features=self.layout.features,
            classes=classes,
            stride=self.stride,
            dilation=self.dilation,
            is_int8=self.is_int8,
            padding=PADDINGS.index(self.padding),
            activation=ACTIVATIONS.index(self.activation),
            means=self.means,
            bag=None if self.bag is None else self.bag.handle,
        )
        core = library()
        self.handle = core.textcnn_tables_open(ctypes.byref(spec))
        if not self.handle:
            raise last_error()
        self._norm = norm  # the core reads it as long as it is open
        weakref.finalize(self, core.textcnn_tables_close, self.handle)
        self._label_of_text = core.textcnn_label_of_text
        self._arguments = (dict(config), dict(tensors), classes)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy opens tables of its own: the handle belongs to one process.
        return Tables, self._arguments

    @property
    def is_int8(self) -> bool:
        """True where the tables are in 8 bits."""
        return bool(self.table.dtype == np.int8)

    @property
    def hole(self) -> int:
        """Row of the zero vector."""
        return len(self.table) - 1

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.head_bias)

    @property
    def pooled(self) -> int:
        """P, values that the head reads: F maxima and, with the pooling max_mean, as many means after them."""
        return self.layout.features * (1 + self.means)

    def check_vocabulary(self, ids: NDArray[np.int32]) -> None:
        """Raise ValueError where an id is not in the vocabulary."""
        wrong = ids[(ids < 0) | (ids >= len(self.row_of_id))]
        if len(wrong):
            raise ValueError(
                f"ids: got token id {wrong[0]}; expected 0 to {len(self.row_of_id) - 1}; use the tokenizer that was "
                "saved with the model"
            )

    def logits(
        self, ids: NDArray[np.int32], offsets: NDArray[np.int64], threads: int = 1, features: Floats | None = None
    ) -> Floats:
        """Return the logits [N, C] of token ids [T]: text n is ids[offsets[n]:offsets[n + 1]].

        Args:
            ids, offsets: Of the texts.
            threads: Threads that share the texts.
            features: [N, P], to be filled with the pooled features; None where only the logits are wanted.

        Raises:
            ValueError: an id is not in the vocabulary, or the offsets do not belong to the ids.
        """
        ids, offsets = check_ids(ids, offsets)
        logits = np.empty((len(offsets) - 1, self.classes), dtype=np.float32)
        code = library().textcnn_logits_of_ids(
            self.handle, address(ids), address(offsets), len(offsets) - 1, threads, address(features, np.float32),
            address(logits),
        )  # fmt: skip
        check(code)
        return logits

    def logits_of_texts(
        self, tokenizer: CompiledTokenizer, texts: Sequence[str], threads: int = 1, features: Floats | None = None
    ) -> Floats:
        """Return the logits [N, C] of texts, tokenized and answered in one call; arguments as of `logits`.

        Raises:
            ValueError: a text holds half of a surrogate pair, or the tokenizer has more tokens than the tables.
        """
        logits = np.empty((len(texts), self.classes), dtype=np.float32)
        if not len(texts):
            return logits
        encoded = Utf8Texts.of(texts)
        code = library().textcnn_logits_of_texts(
            self.handle, tokenizer.handle, encoded.address, address(encoded.ends), len(texts), threads,
            address(features, np.float32), address(logits),
        )  # fmt: skip
        check(code)
        return logits

    def label_of_text(self, tokenizer: CompiledTokenizer, text: str) -> int:
        """Return the class with the largest logit of one text.

        Raises:
            ValueError: the text holds half of a surrogate pair, or the tokenizer has more tokens than the tables.
        """
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = Utf8Texts.of([text]).data  # type: ignore[assignment]
        return check(self._label_of_text(self.handle, tokenizer.handle, data, len(data)))

    def bag_features(self, ids: NDArray[np.int32]) -> tuple[BagFeatures, NDArray[np.float64]]:
        """Return the features that the bag has of one text's token ids [T], and what each adds to the logits: [G, C].

        Raises:
            ValueError: the model has no bag.
        """
        if self.bag is None:
            raise ValueError("bag_features: got a model without a bag; expected bag 'sum', 'mean' or 'sqrtn'")
        rows = self.row_of_id[ids]
        # Padding inside a text stands between two parts of it that make no n-gram together.
        cuts = np.flatnonzero(rows < 0)
        parts = []
        for begin, end in pairwise([-1, *cuts.tolist(), len(ids)]):
            found = self.bag.features(rows[begin + 1 : end], hashes_of_ids(ids[begin + 1 : end]))
            parts.append((found.rows, found.firsts + begin + 1, found.lengths))
        features = BagFeatures(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        return features, self.bag.values(features.rows) / self.bag.divisor(len(features.rows))

    def features(self, ids: NDArray[np.int32], offsets: NDArray[np.int64], threads: int = 1) -> Floats:
        """Return the pooled features [N, P] of token ids."""
        features = np.empty((len(offsets) - 1, self.pooled), dtype=np.float32)
        self.logits(ids, offsets, threads, features)
        return features


def check_ids(ids: Any, offsets: Any) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return token ids and offsets as the core reads them.

    Raises:
        ValueError: the offsets reach beyond the ids.
    """
    ids, offsets = contiguous(ids, np.int32), contiguous(offsets, np.int64)
    if not len(offsets) or offsets[-1] != len(ids):
        raise ValueError(
            f"offsets: got {offsets[-1:].tolist()} at the end; expected {len(ids)}, the number of ids, after "
            "one begin for each text"
        )
    return ids, offsets


def _of_type(tensors: Mapping[str, NDArray[Any]], name: str, dtype: Any) -> NDArray[Any]:
    """Return a tensor as the core reads it; another type is a damaged file."""
    tensor = tensors[name]
    if tensor.dtype != dtype:
        raise ValueError(f"{name}: got {tensor.dtype}; expected {np.dtype(dtype)}; fold the model again")
    return contiguous(tensor, dtype)


def _check_shapes(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], layout: Layout, classes: int) -> None:
    features = layout.features
    expected = {
        "table": (len(tensors["table"]), layout.columns),
        "row_of_id": (int(config["vocab_size"]),),
        "scale": (features,),
        "bias": (features,),
        "head_weight": (classes, features * (1 + (config.get("pooling", "max") == "max_mean"))),
        "head_bias": (classes,),
    }
    if config.get("pooled_norm"):
        expected |= {"norm_weight": (features,), "norm_bias": (features,)}
    for name, shape in expected.items():
        got = tensors[name].shape if name in tensors else None
        if got != shape:
            raise ValueError(f"{name}: got {got}; expected {shape}, as config.json says; fold the model again")
