"""FoldedTextCNN: a trained TextCNN as look-up tables, answered without torch.

Shapes: `N` texts, `F` filters of all widths, `C` classes, `V` table rows, `R` values in a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .classifier import TextClassifier
from .decisions import Array, count_fired
from .factors import table_of_factors
from .layout import Layout
from .operands import check_shapes, kernel_operands
from .startup import collection_paused
from .storage import FOLDED_FILE, read_tensors, write_tensors, write_text
from .text_batches import BATCH_CHARACTERS, text_batches
from .threads import ThreadPool

if TYPE_CHECKING:
    from .explain import Explanation

FORMAT = "textcnn-folded-2"
# What a folded model does not depend on may change in config.json without folding again.
_FOLDED_KEYS = (
    "vocab_size", "pad_token_id", "kernel_sizes", "num_filters", "stride", "dilation", "padding", "activation",
    "pooled_norm", "layer_norm_eps",
)  # fmt: skip


def _folded_from(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of config.json a folded table depends on."""
    # Files of before there were members have one.
    return {**{key: config.get(key) for key in _FOLDED_KEYS}, "num_members": config.get("num_members", 1)}


class FoldedTextCNN(TextClassifier):
    """Labels and probabilities of texts from a folded model; made by `load` or by `textcnn.fold.fold`.

    Many threads may use one object at once, and it survives a fork.

    Args:
        config: The artifact's config.json.
        tensors: What folded.safetensors holds: table [V, R], row_of_id, scale [F], bias [F], head_weight [C, F],
            head_bias [C] and, with a pooled norm, norm_weight [F] and norm_bias [F]; in place of the table may be the
            vectors and filters that `factors` makes it of.
        tokenizer: Text of a tokenizer.json; None for a model that is only given token ids.
        metadata: What folding measured.
        threads: Threads that work on the texts of one call.

    Example:
        >>> model = FoldedTextCNN.load("runs/spam", threads=2)
        >>> model.predict(["free entry, call now"])
        array(['spam'], dtype='<U4')
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        tokenizer: str | None,
        metadata: Mapping[str, str] | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(config)
        self.config = dict(config)
        self.metadata = dict(metadata or {})
        self.tokenizer_json = tokenizer
        self._tensors = dict(tensors)
        if "table" not in tensors:
            self._tensors["table"] = table_of_factors(config, tensors)
        self._layout = Layout.of(config, self._tensors["table"].dtype)
        check_shapes(config, self._tensors, self._layout, len(self.labels))
        with collection_paused():
            # Imported now and not with the module: numba takes a while to import.
            from .kernels import classify

            self._kernel = classify
            self._operands = kernel_operands(config, self._tensors, self._layout)
            self._pool = ThreadPool(threads)
            self._tokenizer: Any = None
            if tokenizer is not None:
                from .tokenizer import compile_tokenizer

                self._tokenizer = compile_tokenizer(tokenizer)
        if self._tokenizer is not None and self._tokenizer.vocab_size > len(tensors["row_of_id"]):
            raise ValueError(
                f"tokenizer: got {self._tokenizer.vocab_size} tokens; expected at most the model's "
                f"{len(tensors['row_of_id'])}; use the tokenizer.json that was saved with the model"
            )

    @property
    def precision(self) -> str:
        """Type of the tables: float32 or int8."""
        return str(self._tensors["table"].dtype)

    @classmethod
    def load(cls, directory: str | Path, threads: int = 1) -> FoldedTextCNN:
        """Opens an artifact that has been folded; its tables are mapped into memory, or made of factors.

        Raises:
            FileNotFoundError: a file of the artifact is missing.
            ValueError: a file is broken, or they do not belong together.
        """
        directory = Path(directory)
        for name in ("config.json", "tokenizer.json", FOLDED_FILE):
            if not (directory / name).is_file():
                hint = f"; textcnn.load({str(directory)!r}) makes it" if name == FOLDED_FILE else ""
                raise FileNotFoundError(f"{directory} has no {name}; expected a folded textcnn artifact{hint}")
        try:
            config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{directory / 'config.json'} is no JSON ({error}); copy it again") from error
        tensors, metadata = read_tensors(directory / FOLDED_FILE)
        if metadata.get("format") != FORMAT:
            raise ValueError(
                f"{directory / FOLDED_FILE}: got format {metadata.get('format')!r}; expected {FORMAT!r}; "
                "delete it, and textcnn.load folds the model again"
            )
        if _folded_from(json.loads(metadata["config"])) != _folded_from(config):
            raise ValueError(
                f"{directory / FOLDED_FILE} was folded from another model than config.json describes; "
                "delete it, and textcnn.load folds the model again"
            )
        tokenizer = (directory / "tokenizer.json").read_text(encoding="utf-8")
        return cls(config, tensors, tokenizer, metadata, threads)

    def save(self, directory: str | Path) -> Path:
        """Writes folded.safetensors into a directory, with config.json and tokenizer.json where it has none.

        Raises:
            ValueError: the model has no tokenizer, so that what is written could not be loaded.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        if self.tokenizer_json is None:
            raise ValueError("save: got a model without a tokenizer; expected one; give it to fold(model, tokenizer)")
        metadata = {**self.metadata, "format": FORMAT, "config": json.dumps(_folded_from(self.config))}
        made = {"table"} if "vectors" in self._tensors else set()
        stored = {name: tensor for name, tensor in self._tensors.items() if name not in made}
        write_tensors(directory / FOLDED_FILE, stored, metadata)
        if not (directory / "config.json").exists():
            write_text(directory / "config.json", json.dumps(self.config, indent=2, sort_keys=True) + "\n")
        if not (directory / "tokenizer.json").exists():
            write_text(directory / "tokenizer.json", self.tokenizer_json)
        return directory

    @property
    def is_int8(self) -> bool:
        """Whether the tables are int8: answers then differ from the model's by the error in `metadata`."""
        return self._tensors["table"].dtype == np.int8

    @property
    def table_shape(self) -> tuple[int, int]:
        """Rows of the table, tokens and the zero vector, and values in a row."""
        rows, columns = self._tensors["table"].shape
        return rows, columns

    @property
    def threads(self) -> int:
        """Threads that work on the texts of one call; may be set at any time."""
        return self._pool.threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self._pool = ThreadPool(threads)

    def logits(self, texts: Iterable[str]) -> Array:
        """Logits of any iterable of strings, divided by the temperature: [N, C] float32.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
            ValueError: a text holds half of a surrogate pair, which no tokenizer can read.
        """
        if isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], str):
            # One text needs none of the machinery below, which would take longer than the text itself.
            return self._logits(texts)
        parts = list(self._pool.map(self._logits, text_batches(texts)))
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)), dtype=np.float32)

    def logits_and_fired(self, texts: Iterable[str]) -> tuple[Array, NDArray[np.int64]]:
        """Logits [N, C], divided by the temperature, and how many filters fired in each text [N].

        Raises:
            ValueError: the model normalises its pooled features.
        """
        parts = list(self._pool.map(self._logits_and_fired, text_batches(texts)))
        if not parts:
            return np.zeros((0, len(self.labels)), dtype=np.float32), np.zeros(0, dtype=np.int64)
        logits, fired = zip(*parts, strict=True)
        return np.concatenate(logits), np.concatenate(fired)

    def features(self, texts: Iterable[str]) -> Array:
        """Pooled features, what the head reads: [N, F] float32."""
        parts = [self.features_of_ids(*self.encode(batch)) for batch in text_batches(texts)]
        return np.concatenate(parts) if parts else np.zeros((0, self._layout.features), dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Token ids of texts, and where each begins and ends: text n is ids[offsets[n]:offsets[n + 1]].

        Raises:
            ValueError: the model was folded without a tokenizer.
        """
        if self._tokenizer is None:
            raise ValueError("texts: this model was folded without a tokenizer; give one to fold(model, tokenizer)")
        ids, offsets = self._tokenizer.encode_batch(texts)
        return ids, offsets

    def features_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Pooled features of token ids: text n is ids[offsets[n]:offsets[n + 1]]; -> [N, F] float32."""
        features = np.empty((len(offsets) - 1, self._layout.features), dtype=np.float32)
        self._classify(ids, offsets, features)
        return features

    def logits_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Logits of token ids: text n is ids[offsets[n]:offsets[n + 1]]; -> [N, C] float32."""
        return self._classify(ids, offsets, np.empty((1, self._layout.features), dtype=np.float32))

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """The n-grams of a text that made a logit, and how much of it each made.

        Args:
            text: One text.
            label: The label to explain; None is the one with the largest logit.

        Example:
            >>> why = model.explain("free entry, call now")
            >>> why.contributions[0].text, round(why.contributions[0].weight, 2)
            ('call now', 1.73)

        Raises:
            ValueError: there is no such label, or the model normalises its pooled features.
        """
        from .explain import explain

        if not isinstance(text, str):
            raise TypeError(f"text: got {text!r} ({type(text).__name__}); expected one string")
        return explain(self, text, label)

    def explain_batch(self, texts: Iterable[str], label: str | None = None) -> list[Explanation]:
        """The same for many texts, found together; each explains `label`, or its own label where that is None."""
        from .explain import explain_batch

        return explain_batch(self, [text for batch in text_batches(texts) for text in batch], label)

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (self.config, self._tensors, self.tokenizer_json, self.metadata, self.threads)
        return FoldedTextCNN, arguments

    def _logits(self, texts: list[str]) -> Array:
        if len(texts) == 1 and len(texts[0]) > BATCH_CHARACTERS:
            return self._logits_of_long_text(texts[0])
        return self.logits_of_ids(*self.encode(texts))

    def _logits_and_fired(self, texts: list[str]) -> tuple[Array, NDArray[np.int64]]:
        if self.config.get("pooled_norm"):
            raise ValueError(
                "score 'fired': this model normalises its pooled features, which hides which filters fired; expected "
                "pooled_norm False; use the score 'probability' or 'energy'"
            )
        ids, offsets = self.encode(texts)
        features = np.empty((len(texts), self._layout.features), dtype=np.float32)
        logits = self._classify(ids, offsets, features)
        return logits, count_fired(features, self.config.get("activation", "relu"))

    def _logits_of_long_text(self, text: str) -> Array:
        """Logits [1, C] of a text that is tokenized and pooled piece by piece, in constant memory."""
        from . import kernels

        row_of_id, table, plan, dilation, stride, *_ = self._operands
        hole = (len(table) - 1) * table.strides[0]
        state = kernels.new_state(plan, dilation, table)
        kernels.begin_text(state, plan, hole)
        if self._tokenizer is None:
            self.encode([text])
        for ids in self._tokenizer.encode_pieces(text, BATCH_CHARACTERS):
            kernels.push_tokens(ids, 0, len(ids), row_of_id, table, state, plan, dilation, stride, hole)
        kernels.end_text(table, state, plan, dilation, stride, hole)
        _, _, _, _, _, scale, bias, activation, norm_weight, norm_bias, epsilon, head_weight, head_bias = self._operands
        _, _, found, maxima, _ = state
        features = np.empty((1, self._layout.features), dtype=np.float32)
        kernels.finish_features(
            found, maxima, plan, scale, bias, activation, norm_weight, norm_bias, epsilon, features, 0
        )  # fmt: skip
        logits = np.empty((1, len(self.labels)), dtype=np.float32)
        kernels.apply_head(features, 0, head_weight, head_bias, logits, 0)
        return logits

    def _classify(self, ids: NDArray[np.int32], offsets: NDArray[np.int64], features: Array) -> Array:
        logits = np.empty((len(offsets) - 1, len(self.labels)), dtype=np.float32)
        self._kernel(ids, offsets, *self._operands, features, logits)
        return logits
