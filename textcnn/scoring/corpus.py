"""LabelFilter: keeps the texts of a corpus that have a label, in `datasets` and in pipelines such as datatrove's.

The pipeline step has the shape of datatrove's (https://github.com/huggingface/datatrove), which is not needed for it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..artifact import check_artifact
from ..data.errors import listed, nearest
from ..data.io.formats import valid_unicode
from ..loading import load_classifier
from ..runtime.classifier import TextClassifier
from .parts import check_mode, parts_of
from .scorer import model_digest, open_once

LabelThreshold = tuple[str, float]

# Documents that are labelled together; no more are held at a time.
_AT_ONCE = 512


class LabelFilter:
    """Filter for texts whose probability of a label is at least a threshold.

    It is pickled as the name of its model, so that every process opens the tables itself, and maps the same memory.

    One of `label`, `keep_labels` and `remove_labels` says what is kept; without any of them all texts are, with the
    probability of each label beside them.

    Args:
        directory: The artifact.
        label: The label that texts shall have.
        threshold: Least probability of it.
        keep_labels: Pairs (label, threshold), or one: a text is kept that reaches at least one of them.
        remove_labels: Pairs (label, threshold), or one: a text is kept that reaches none of them.
        filter_mode: The unit that is kept or dropped: DOCUMENT, PARAGRAPH or SENTENCE. Of a document whose parts are
            filtered the kept ones are left; without any it is dropped.
        save_labels_in_metadata: Write probabilities into the metadata of documents: that of `label`, or those of all
            labels; the mean over the parts.
        text_column: The column of the texts, in `datasets`.
        threads: Threads that each process works with.
        head: Head whose labels these are, of a model with several.
        exclusion_writer: Takes the documents that `run` drops: a context manager with `write(document, rank)`.

    Example:
        >>> only = LabelFilter("runs/docs", "networking", threshold=0.9)
        >>> dataset.filter(only.keep, batched=True, num_proc=2)
        >>> LocalPipelineExecutor([JsonlReader("crawl"), only, JsonlWriter("kept")], tasks=8).run()  # datatrove
        >>> LabelFilter("runs/docs", keep_labels=[("networking", 0.9), ("files", 0.8)], filter_mode="PARAGRAPH")

    Raises:
        ValueError: there is no such label, or the threshold is no probability.
        FileNotFoundError: there is no such directory.
    """

    def __init__(
        self,
        directory: str | Path,
        label: str | None = None,
        threshold: float = 0.5,
        *,
        keep_labels: LabelThreshold | Sequence[LabelThreshold] | None = None,
        remove_labels: LabelThreshold | Sequence[LabelThreshold] | None = None,
        filter_mode: str = "DOCUMENT",
        save_labels_in_metadata: bool = True,
        text_column: str = "text",
        threads: int = 1,
        exclusion_writer: Any = None,
        head: str | None = None,
    ) -> None:
        given = {"label": label, "keep_labels": keep_labels, "remove_labels": remove_labels}
        named = [name for name, value in given.items() if value]
        if len(named) > 1:
            raise ValueError(f"got {' and '.join(named)}; expected one of them; use a filter for each")
        self.directory, self.head = str(Path(directory).absolute()), head
        self.label = label
        self.threshold = _checked("threshold", threshold)
        self.keep_labels = [(label, self.threshold)] if label is not None else _pairs("keep_labels", keep_labels)
        self.remove_labels = _pairs("remove_labels", remove_labels)
        self.filter_mode = check_mode(filter_mode)
        self.save_labels_in_metadata = save_labels_in_metadata
        self.text_column = text_column
        self.threads = threads
        self.exclusion_writer = exclusion_writer
        # Opened at once: a mistake shows here and not in a worker, and the tables are made before workers share them.
        self._opened: TextClassifier | None = load_classifier(check_artifact(directory), threads, head)
        self._opened.demand_labels("filter")
        labels = self._opened.labels
        for name, _ in [*self.keep_labels, *self.remove_labels]:
            if name not in labels:
                raise ValueError(
                    f"{named[0]}: got {name!r}; expected one of {listed(labels)}{nearest(str(name), labels)}"
                )
        # `datasets` knows a function by its pickled content: another model in the same directory is another function.
        self.model_digest = model_digest(directory)

    @property
    def column(self) -> str:
        """Name of the column of the probability: probability_<label>, as in `textcnn score`."""
        return f"probability_{self.label}"

    def probability(self, texts: Sequence[str | None]) -> list[float | None]:
        """Return the probability of the label for each text, None where there is no text.

        Raises:
            ValueError: the filter has several labels.
        """
        if self.label is None:
            raise ValueError("probability: got a filter of several labels; expected one of a single label")
        return [None if row is None else row[self.label] for row in self._scores(texts)]

    def probabilities(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Add the column probability_<label>, or one for each label.

        For `dataset.map(only.probabilities, batched=True)`.
        """
        texts = self._texts(batch)
        is_row = texts is None or isinstance(texts, str)
        scores = self._scores([texts] if is_row else texts)
        columns = {
            f"probability_{label}": [None if row is None else row[label] for row in scores]
            for label in self._noted_labels
        }
        return {name: values[0] for name, values in columns.items()} if is_row else columns

    def keep(self, batch: Mapping[str, Any]) -> Any:
        """Return True for each row to keep; a row without a text is dropped.

        For `dataset.filter(only.keep, batched=True)`.

        A row is kept or dropped as a whole, whatever `filter_mode` is.
        """
        texts = self._texts(batch)
        if texts is None or isinstance(texts, str):
            return self._is_kept(self._scores([texts])[0])
        return [self._is_kept(scores) for scores in self._scores(texts)]

    def run(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Filter documents with a `text` and a dict `metadata`: yield those to keep, with probabilities in `metadata`.

        Args:
            data: The documents of this rank, in any number.
            rank, world_size: Number of this worker and number of workers; passed on to the exclusion writer.
        """
        documents = iter(data or ())
        with self.exclusion_writer or contextlib.nullcontext() as writer:
            while batch := list(islice(documents, _AT_ONCE)):
                for document, is_kept in zip(batch, self._filter(batch), strict=True):
                    if is_kept:
                        yield document
                    elif writer is not None:
                        writer.write(document, rank)

    def __call__(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Call `run`, as pipelines do with their steps."""
        return self.run(data, rank, world_size)

    def _filter(self, documents: list[Any]) -> list[bool]:
        """Write probabilities into documents, leave their kept parts, and return which of them are kept."""
        parts = [[None] if one.text is None else parts_of(one.text, self.filter_mode) for one in documents]
        scores = iter(self._scores([part for own in parts for part in own]))
        kept = []
        for document, own in zip(documents, parts, strict=True):
            found = list(islice(scores, len(own)))
            present = [row for row in found if row is not None]
            if self.save_labels_in_metadata:
                for label in self._noted_labels:
                    mean = sum(row[label] for row in present) / len(present) if present else None
                    document.metadata[f"probability_{label}"] = mean
            left = [part for part, row in zip(own, found, strict=True) if self._is_kept(row)]
            if self.filter_mode == "DOCUMENT":
                kept.append(bool(left))
                continue
            text = "".join(part for part in left if part is not None)
            kept.append(bool(text.strip()))
            if kept[-1]:  # a document that is dropped goes to the exclusion writer as it was
                document.text = text
        return kept

    @property
    def _noted_labels(self) -> list[str]:
        return [self.label] if self.label is not None else self._classifier.labels

    @property
    def _classifier(self) -> TextClassifier:
        if self._opened is None:
            opened = open_once(self.directory, self.threads)
            self._opened = opened if self.head is None else opened.heads[self.head]
        return self._opened

    def _scores(self, texts: Sequence[str | None]) -> list[dict[str, float] | None]:
        """Return the probabilities of each text by label, None where there is no text."""
        classifier = self._classifier
        there = [i for i, text in enumerate(texts) if text is not None]
        # What is no Unicode in a crawled text is read as U+FFFD.
        readable = [valid_unicode(str(texts[i])) for i in there]
        scores: list[dict[str, float] | None] = [None] * len(texts)
        for i, values in zip(there, classifier.predict_proba(readable).tolist(), strict=True):
            scores[i] = dict(zip(classifier.labels, values, strict=True))
        return scores

    def __repr__(self) -> str:
        name = repr(Path(self.directory).name)
        if self.label is not None:
            return f"LabelFilter({name}, {self.label!r}, {self.threshold})"
        return f"LabelFilter({name}, keep_labels={self.keep_labels}, remove_labels={self.remove_labels})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _is_kept(self, scores: Mapping[str, float] | None) -> bool:
        if scores is None:
            return False
        if self.keep_labels:
            return any(scores[label] >= threshold for label, threshold in self.keep_labels)
        return not any(scores[label] >= threshold for label, threshold in self.remove_labels)

    def _texts(self, batch: Mapping[str, Any]) -> Any:
        if self.text_column not in batch:
            names = list(batch)
            raise ValueError(
                f"got rows with the columns {listed(names)}; expected {self.text_column!r}"
                f"{nearest(self.text_column, names)}; name the column of the texts with text_column"
            )
        texts = batch[self.text_column]
        return texts if texts is None or isinstance(texts, str) else list(texts)


def _pairs(name: str, value: Any) -> list[LabelThreshold]:
    """Return pairs (label, threshold), of which one may be given alone."""
    pairs = [value] if isinstance(value, tuple | list) and value and isinstance(value[0], str) else list(value or ())
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"{name}: got {pair!r}; expected pairs of a label and a threshold, such as ('good', 0.9)")
        _checked(f"{name}: {pair[0]}", pair[1])
    return [(label, float(threshold)) for label, threshold in pairs]


def _checked(name: str, threshold: Any) -> float:
    if not isinstance(threshold, int | float) or math.isnan(threshold) or not 0 <= threshold <= 1:
        raise ValueError(f"{name}: got {threshold!r}; expected a probability, from 0 to 1")
    return float(threshold)
