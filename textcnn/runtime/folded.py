"""FoldedTextCNN: a trained TextCNN as look-up tables, answered without torch.

Shapes: `N` texts, `F` filters of all widths, `P` values that the head reads, `C` classes, `V` table rows, `R` values in
a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .capabilities import demand, obstacle
from .checks import read_utf8
from .classifier import TextClassifier
from .decisions import Array, check_fired, count_fired
from .factors import table_of_factors
from .folded_file import FoldedFile, settings_of_tables
from .tables import Tables
from .text_batches import BATCH_CHARACTERS, check_column, check_threads, text_batches
from .tokenizer import CompiledTokenizer, ReferenceTokenizer, compile_tokenizer

if TYPE_CHECKING:
    from .certify import Guarantees
    from .explain import Explanation, Winners


TABLES = FoldedFile(
    "textcnn-folded-2", settings_of_tables, ("tokenizer.json",), "delete it, and textcnn.load folds the model again"
)


class FoldedTextCNN(TextClassifier):
    """Labels and probabilities of texts from a folded model; made by `load` or by `textcnn.folding.fold.fold`.

    Many threads may use one object at once, and it survives a fork.

    Args:
        config: The artifact's config.json.
        tensors: Content of folded.safetensors: table [V, R], row_of_id, scale [F], bias [F], head_weight [C, P],
            head_bias [C] and, with a pooled norm, norm_weight [F] and norm_bias [F]; in place of the table may be the
            vectors and filters that `factors` makes it of; with a bag, those of `bag.bag_of_ids`.
        tokenizer: Text of a tokenizer.json; None for a model that is only given token ids.
        metadata: Measurements of folding.
        threads: Threads that work on the texts of one call.

    Example:
        >>> model = FoldedTextCNN.load("runs/spam", threads=2)
        >>> model.predict(["free entry, call now"])
        array(['spam'], dtype='<U4')
    """

    from_tables = True

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        tokenizer: str | None,
        metadata: Mapping[str, str] | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(config)
        self.metadata = dict(metadata or {})
        self.tokenizer_json = tokenizer
        self._tensors = dict(tensors)
        if "table" not in tensors:
            self._tensors["table"] = (
                table_of_factors(config, tensors) if config["kernel_sizes"] else _table_without_columns(tensors)
            )
        self.tables = self._open_tables()
        self._threads = check_threads(threads)
        self._tokenizer = None if tokenizer is None else compile_tokenizer(tokenizer)
        if self._tokenizer is not None and self._tokenizer.vocab_size > len(tensors["row_of_id"]):
            raise ValueError(
                f"tokenizer: got {self._tokenizer.vocab_size} tokens; expected at most the model's "
                f"{len(tensors['row_of_id'])}; use the tokenizer.json that was saved with the model"
            )

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities of the model; a pooled norm hides the contribution of each window."""
        able = {name for name in ("explain", "inspect", "certify") if obstacle(self.config, name) is None}
        if self.regression:
            return frozenset(able | {"regress"})
        fires = not self.config.get("pooled_norm") and self.config.get("kernel_sizes") != []
        return frozenset(able - ({"certify"} if self.is_int8 else set()) | ({"fired"} if fires else set()))

    @property
    def precision(self) -> str:
        """Type of the tables: float32 or int8."""
        return str(self._tensors["table"].dtype)

    @classmethod
    def load(cls, directory: str | Path, threads: int = 1) -> FoldedTextCNN:
        """Open a folded artifact; its tables are mapped into memory, or made of factors.

        Raises:
            FileNotFoundError: a file of the artifact is missing.
            ValueError: a file is broken, or they do not belong together.
        """
        config, tensors, metadata = TABLES.read(Path(directory))
        tokenizer = read_utf8(Path(directory) / "tokenizer.json")
        from .pooled import folded_class

        return folded_class(config)(config, tensors, tokenizer, metadata, threads)

    def save(self, directory: str | Path) -> Path:
        """Write folded.safetensors into a directory, with config.json and tokenizer.json where it has none.

        Raises:
            ValueError: the model has no tokenizer, so that what is written could not be loaded.
        """
        if self.tokenizer_json is None:
            raise ValueError("save: got a model without a tokenizer; expected one; give it to fold(model, tokenizer)")
        made = {"table"} if "vectors" in self._tensors or not self.config["kernel_sizes"] else set()
        stored = {name: tensor for name, tensor in self._tensors.items() if name not in made}
        directory = Path(directory)
        TABLES.write(directory, self.config, stored, self.metadata, {"tokenizer.json": self.tokenizer_json})
        return directory

    @property
    def is_int8(self) -> bool:
        """True if the tables are int8: answers then differ from the model's by the error in `metadata`."""
        return self.tables.is_int8

    @property
    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The tensors of folded.safetensors, with the table where the file has its factors."""
        return MappingProxyType(self._tensors)

    @property
    def table_shape(self) -> tuple[int, int]:
        """Rows of the table, tokens and the zero vector, and values in a row."""
        rows, columns = self.tables.table.shape
        return rows, columns

    @property
    def threads(self) -> int:
        """Threads that work on the texts of one call; may be set at any time."""
        return self._threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self._threads = check_threads(threads)

    def logits(self, texts: Iterable[str]) -> Array:
        """Return the logits of any iterable of strings, divided by the temperature: [N, C] float32.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
            ValueError: a text holds half of a surrogate pair, which no tokenizer can read.
        """
        if isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], str):
            # One text needs none of the machinery below, which would take longer than the text itself.
            return self.of_levels(self._logits(texts))
        parts = [self._logits(batch) for batch in text_batches(texts, self.threads)]
        if len(parts) == 1:
            return self.of_levels(parts[0])
        return self.of_levels(np.concatenate(parts) if parts else np.zeros((0, self.num_logits), dtype=np.float32))

    def _label_ids(self, texts: Iterable[str]) -> NDArray[np.int64]:
        if isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], str) and self.levels is None:
            tokenizer = self.tokenizer
            if isinstance(tokenizer, CompiledTokenizer) and len(texts[0]) < BATCH_CHARACTERS:
                # Without an array on the way: making a few would take longer than the text itself.
                return np.array((self.tables.label_of_text(tokenizer, texts[0]),))
        return super()._label_ids(texts)

    def logits_and_fired(self, texts: Iterable[str]) -> tuple[Array, NDArray[np.int64]]:
        """Return the logits [N, C], divided by the temperature, and how many filters fired in each text [N].

        Raises:
            ValueError: the model normalises its pooled features.
        """
        parts = [self._logits_and_fired(batch) for batch in text_batches(texts, self.threads)]
        if not parts:
            return self.of_levels(np.zeros((0, self.num_logits), dtype=np.float32)), np.zeros(0, dtype=np.int64)
        logits, fired = zip(*parts, strict=True)
        return self.of_levels(np.concatenate(logits)), np.concatenate(fired)

    def features(self, texts: Iterable[str]) -> Array:
        """Return the pooled features, the input of the head: [N, P] float32."""
        parts = []
        for batch in text_batches(texts, self.threads):
            parts.append(np.empty((len(batch), self.tables.pooled), dtype=np.float32))
            self._logits(batch, parts[-1])
        return np.concatenate(parts) if parts else np.zeros((0, self.tables.pooled), dtype=np.float32)

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the token ids of texts and their offsets: text n is ids[offsets[n]:offsets[n + 1]].

        Raises:
            ValueError: the model was folded without a tokenizer.
        """
        ids, offsets = self.tokenizer.encode_batch(texts, self.threads)
        return ids, offsets

    @property
    def tokenizer(self) -> ReferenceTokenizer:
        """The tokenizer of the artifact.

        Raises:
            ValueError: the model was folded without one.
        """
        if self._tokenizer is None:
            raise ValueError("texts: this model was folded without a tokenizer; give one to fold(model, tokenizer)")
        return self._tokenizer

    @property
    def tokens_of(self) -> str | None:
        """Text of tokenizer.json; None where abstention counts filters, which token ids alone do not give."""
        return None if self.abstention is not None and self.abstention.score == "fired" else self.tokenizer_json

    def features_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the pooled features of token ids: text n is ids[offsets[n]:offsets[n + 1]]; -> [N, P] float32."""
        return self.tables.features(ids, offsets, self.threads)

    def logits_of_ids(self, ids: NDArray[np.int32], offsets: NDArray[np.int64]) -> Array:
        """Return the logits of token ids: text n is ids[offsets[n]:offsets[n + 1]]; -> [N, C] float32."""
        return self.of_levels(self.tables.logits(ids, offsets, self.threads))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return start and end of each token of a text, in characters; a special token has none: (0, 0)."""
        return self.tokenizer.spans(text)

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        from .explain import explain_ids

        return explain_ids(
            self.tables, *self.encode(texts), texts, self.spans, self.labels, classes, self.multi_label, self.threads,
            self.regression,
        )  # fmt: skip

    def winners(self, texts: Iterable[str]) -> Iterator[Winners]:
        """Yield the window that wins each filter in each text, for batches of texts in their order."""
        from .explain import find_winners

        for batch in text_batches(texts):
            yield find_winners(self.tables, *self.encode(batch), self.threads)

    def certify(self, texts: Iterable[str], replaced: int = 1) -> Guarantees:
        """Bound the margins of texts under any replacement of at most `replaced` tokens.

        Example:
            >>> model.certify(["a lovely film"], replaced=1).certified
            array([ True])

        Raises:
            ValueError: k is less than 1, the tables are int8, or the model normalises its pooled features.
        """
        from .certify import guarantee

        if self.regression or self.levels is not None:
            demand(self.config, "certify")
        check_column(texts)
        thresholds = [self.thresholds.get(name, 0.5) for name in self.labels] if self.multi_label else None
        return guarantee(self.tables, *self.encode(list(texts)), replaced, thresholds, self.threads)

    def replace(self, **tensors: NDArray[Any]) -> FoldedTextCNN:
        """Return the model with other tensors: `head_weight` for instance; names are those of `tensors`."""
        return type(self)(self.config, {**self._tensors, **tensors}, self.tokenizer_json, self.metadata, self.threads)

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (self.config, self._tensors, self.tokenizer_json, self.metadata, self.threads)
        return type(self), arguments

    def of_head(self, config: dict[str, Any], columns: slice) -> FoldedTextCNN:
        """Return one head of a model with several as a folded model of its own, which shares the table."""
        tensors = dict(self._tensors)
        for name in ("head_weight", "head_bias", "bag_output", "bag_scale"):
            # The columns of a bag are logits, unless it has a matrix that makes logits of them.
            if name in tensors and not (name == "bag_scale" and "bag_output" in tensors):
                tensors[name] = np.ascontiguousarray(tensors[name][columns])
        if "bag_table" in tensors and "bag_output" not in tensors:
            tensors["bag_table"] = np.ascontiguousarray(tensors["bag_table"][:, columns])
        return type(self)(config, tensors, self.tokenizer_json, self.metadata, self.threads)

    def _open_tables(self) -> Tables:
        return Tables(self.config, self._tensors, self.num_logits)

    def _logits(self, texts: list[str], features: Array | None = None) -> Array:
        tokenizer = self.tokenizer
        if isinstance(tokenizer, CompiledTokenizer):
            return self.tables.logits_of_texts(tokenizer, texts, self.threads, features)
        return self.tables.logits(*tokenizer.encode_batch(texts), self.threads, features)

    def _logits_and_fired(self, texts: list[str]) -> tuple[Array, NDArray[np.int64]]:
        check_fired(self.config)
        features = np.empty((len(texts), self.tables.pooled), dtype=np.float32)
        logits = self._logits(texts, features)
        return logits, count_fired(features, self.config.get("activation", "relu"))


def _table_without_columns(tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the table [rows, 0] of a model without convolutions, whose rows only tell tokens from padding."""
    if "bag_table" not in tensors:
        raise ValueError("bag_table: got none, and no table; expected one of them; fold the model again")
    return np.zeros((int(tensors["row_of_id"].max(initial=-1)) + 2, 0), dtype=tensors["bag_table"].dtype)
