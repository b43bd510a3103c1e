"""FoldedFastText: a fastText model as one table, answered without fastText and without torch.

fastText averages the vectors of words and hashed n-grams and multiplies the mean by an output matrix. Both are linear,
so that the product of input and output matrix is a table of one row for each word and n-gram and one column for each
class: a look-up adds a few numbers where fastText adds whole vectors (Joulin et al. 2016, https://arxiv.org/abs/1607.01759).

Shapes: `N` texts, `C` classes, `R` rows, `D` vector size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .bag import Bag
from .classifier import TextClassifier
from .decisions import Array
from .fasttext_words import FastTextWords
from .folded_file import FoldedFile
from .hierarchy import LabelTree
from .text_batches import check_threads, text_batches
from .tokenizer import Utf8Texts

if TYPE_CHECKING:
    from .explain import Explanation

# What a table depends on; the rest of config.json may change.
_SETTINGS = ("loss", "word_ngrams", "buckets", "min_n", "max_n", "skipped_prefix", "label_prefix")


def _settings_of_tables(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of config.json that a table depends on, and that part as it is."""
    if "fasttext" not in config:
        return dict(config)
    settings = config["fasttext"]
    if not isinstance(settings, Mapping):
        raise ValueError(
            f"config.json: fasttext: got {settings!r:.60}; expected settings by name; convert the model again"
        )
    return {**{name: settings.get(name) for name in _SETTINGS}, "classes": len(config["id2label"])}


TABLES = FoldedFile("textcnn-fasttext-1", _settings_of_tables, (), "convert the model again")


class FoldedFastText(TextClassifier):
    """Labels and probabilities of texts from a converted model; made by `load` or by `textcnn.convert`.

    Many threads may use one object at once, and it survives a fork.

    Args:
        config: The artifact's config.json, with the settings of the words under `fasttext`.
        tensors: Content of folded.safetensors: table [R, C] or [R, D] with output [C, D], float32 or, with scale, int8;
            word_bytes, word_ends and word_counts; label_counts; buckets, the sorted buckets that have a row, where some
            have none; tree [C - 1, 2] of hierarchical softmax.
        metadata: Measurements of the conversion.
        threads: Threads that work on the texts of one call.

    Example:
        >>> model = FoldedFastText.load("runs/filter", threads=2)
        >>> model.predict(["free entry, call now"])
        array(['spam'], dtype='<U4')
    """

    from_tables = True

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        metadata: Mapping[str, str] | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(config)
        self.config = dict(config)
        self.metadata = dict(metadata or {})
        self._tensors = dict(tensors)
        self._threads = check_threads(threads)
        self.settings: dict[str, Any] = dict(config["fasttext"])
        self.words = FastTextWords(self.settings, tensors, [name.encode() for name in self.tokens_of_labels])
        self.tree = LabelTree(tensors["tree"]) if self.settings["loss"] == "hs" else None
        columns = len(self.labels) if self.tree is None else max(1, len(self.labels) - 1)
        if self.tree is not None and self.tree.labels != len(self.labels):
            raise ValueError(
                f"tree: got {self.tree.labels} labels; expected {len(self.labels)}; convert the model again"
            )
        buckets, ngrams = int(self.settings["buckets"]), int(self.settings["word_ngrams"])
        uses_buckets = ngrams > 1 or int(self.settings["max_n"]) > 0
        self.bag = Bag(
            tensors["table"], columns, len(self.words), buckets if uses_buckets else 0, ngrams, "mean",
            tensors.get("scale"), tensors.get("output"), _rows_of_buckets(tensors, len(self.words), buckets),
            # A tree's scores are no logits: what is divided by the temperature are the log-probabilities.
            1.0 if self.tree is not None else self.temperature,
        )  # fmt: skip

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities of the model: it has no windows to certify and no filters to inspect."""
        return frozenset({"explain"})

    @property
    def tokens_of_labels(self) -> list[str]:
        """The labels as texts of fastText hold them, with their prefix."""
        return [str(self.settings["label_prefix"]) + label for label in self.labels]

    @property
    def precision(self) -> str:
        """Type of the table: float32 or int8."""
        return str(self._tensors["table"].dtype)

    @property
    def is_int8(self) -> bool:
        """True if the table is int8: answers then differ from the model's by the error in `metadata`."""
        return self._tensors["table"].dtype == np.int8

    @property
    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The tensors of folded.safetensors."""
        return MappingProxyType(self._tensors)

    @property
    def threads(self) -> int:
        """Threads that work on the texts of one call; may be set at any time."""
        return self._threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self._threads = check_threads(threads)

    @classmethod
    def load(cls, directory: str | Path, threads: int = 1) -> FoldedFastText:
        """Open a converted model; its table is mapped into memory.

        Raises:
            FileNotFoundError: A file of the artifact is missing.
            ValueError: A file is broken, or they do not belong together.
        """
        config, tensors, metadata = TABLES.read(Path(directory))
        return cls(config, tensors, metadata, threads)

    def save(self, directory: str | Path) -> Path:
        """Write folded.safetensors into a directory, with config.json where it has none."""
        directory = Path(directory)
        TABLES.write(directory, self.config, self._tensors, self.metadata, {})
        return directory

    def logits(self, texts: Iterable[str]) -> Array:
        """Return the logits of any iterable of strings, divided by the temperature: [N, C] float32.

        Those of hierarchical softmax are the logarithms of the probabilities.

        Raises:
            TypeError: `texts` is one string or a table, or holds something that is no string.
            ValueError: A text holds half of a surrogate pair.
        """
        parts = [self._logits(batch) for batch in text_batches(texts, self.threads)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)), dtype=np.float32)

    def scores(self, texts: list[str] | Utf8Texts) -> tuple[Array, NDArray[np.int64]]:
        """Return the logits [N, C], or the scores of a tree [N, C - 1], and the number of rows of each text [N]."""
        return self.words.scores(self.bag, texts, self.threads)

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        from .explain.shares import explain_shares

        return [explain_shares(self, text, None if classes is None else classes[n]) for n, text in enumerate(texts)]

    def _label_ids(self, texts: Iterable[str]) -> NDArray[np.int64]:
        if self.tree is None and isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], str):
            # Without an array on the way: making a few would take longer than the text itself.
            return np.array((self.words.label_of_text(self.bag, texts[0]),))
        return super()._label_ids(texts)

    def _logits(self, texts: list[str]) -> Array:
        scores, _ = self.scores(texts)
        if self.tree is None:
            return scores
        return np.asarray(self.tree.log_probabilities(scores) / np.float32(self.temperature), dtype=np.float32)

    def _logits_and_fired(self, texts: list[str]) -> tuple[Array, NDArray[np.int64]]:
        raise ValueError(
            "score 'fired': got a fastText model, which has no filters; expected a convolution; use the score "
            "'probability' or 'energy'"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return FoldedFastText, (self.config, self._tensors, self.metadata, self.threads)


def _rows_of_buckets(tensors: Mapping[str, NDArray[Any]], words: int, buckets: int) -> NDArray[np.int32] | None:
    """Row of each bucket, -1 for none; None where each bucket has one."""
    if "buckets" not in tensors:
        return None
    kept = tensors["buckets"]
    if kept.ndim != 1 or kept.dtype != np.int32 or (len(kept) and not 0 <= kept.min() <= kept.max() < buckets):
        raise ValueError(f"buckets: got numbers beyond {buckets:,}; convert the model again")
    rows = np.full(buckets, -1, dtype=np.int32)
    rows[kept] = words + np.arange(len(kept), dtype=np.int32)
    return rows
