"""Several converted fastText models of one dictionary as one table, whose rows are read once for all of them.

Shapes: `N` texts, `R` rows, `C` classes of one model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bag import Bag
from .decisions import Array
from .digests import digest_of
from .fasttext import FoldedFastText

# What decides which rows a text reads.
_SETTINGS = ("word_ngrams", "buckets", "min_n", "max_n", "skipped_prefix")


def dictionary_of(model: FoldedFastText) -> str | None:
    """Return a digest of what decides the rows of a text; None for a model whose table cannot stand beside others.

    These are models of hierarchical softmax, whose scores are not logits, and those whose table is kept as two factors.
    """
    if model.tree is not None or model.bag.output is not None:
        return None
    settings = {name: model.settings[name] for name in _SETTINGS}
    settings |= {"labels": sorted(model.tokens_of_labels), "precision": model.precision}
    total = digest_of(json.dumps(settings, sort_keys=True).encode())
    # fastText sorts words by their number, and leaves the order of equal numbers to chance.
    total = digest_of(b"\0".join(sorted(_words(model))), total)
    return f"{digest_of(model.tensors['buckets'], total) if 'buckets' in model.tensors else total:016x}"


def _words(model: FoldedFastText) -> list[bytes]:
    return [model.words[row] for row in range(len(model.words))]


def _table(model: FoldedFastText, words: list[bytes]) -> NDArray[Any]:
    """Return the table of a model with the rows of its words in the order of `words`."""
    own = _words(model)
    if own == words:
        return model.bag.table
    row_of = {word: row for row, word in enumerate(own)}
    rows = np.array([row_of[word] for word in words], dtype=np.int64)
    return np.concatenate([model.bag.table[rows], model.bag.table[len(words) :]])


class FastTextColumns:
    """The tables of several models side by side: a row has the values of all of them.

    Args:
        models: Models of one `dictionary_of`.

    Example:
        >>> FastTextColumns([quality, topic]).logits(["free entry, call now"])  # one array for each model
    """

    def __init__(self, models: Sequence[FoldedFastText]) -> None:
        self.models = list(models)
        first = self.models[0].bag
        words = _words(self.models[0])
        table = np.concatenate([_table(model, words) for model in self.models], axis=1)
        scales = [model.bag.scale for model in self.models if model.bag.scale is not None]
        self._bag = Bag(
            table, table.shape[1], first.first_bucket_row, first.buckets, first.ngrams, first.pooling,
            np.concatenate(scales) if scales else None, None, first.row_of_bucket,
        )  # fmt: skip
        self._ends = np.cumsum([len(model.labels) for model in self.models])

    def logits(self, texts: list[str]) -> list[Array]:
        """Return the logits [N, C] of each model, divided by its temperature.

        Raises:
            ValueError: A text holds half of a surrogate pair.
        """
        scores, _ = self.models[0].words.scores(self._bag, texts, self.models[0].threads)
        parts = np.split(scores, self._ends[:-1], axis=1)
        return [
            np.ascontiguousarray(part / np.float32(model.temperature))
            for model, part in zip(self.models, parts, strict=True)
        ]
