"""LabelFilter: keeps the texts of a corpus that have a label, in `datasets` and in pipelines such as datatrove's.

The pipeline step has the shape of datatrove's (https://github.com/huggingface/datatrove), which is not needed for it.
"""

from __future__ import annotations

import contextlib
import hashlib
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
from ..runtime.storage import FOLDED_FILE, ONNX_FILE

# Documents that are labelled together; no more are held at a time.
_AT_ONCE = 512


class LabelFilter:
    """Keeps texts whose probability of a label is at least a threshold.

    It is pickled as the name of its model, so that every process opens the tables itself, and maps the same memory.

    Args:
        directory: The artifact.
        label: The label that texts shall have.
        threshold: Least probability of it.
        text_column: The column of the texts, in `datasets`.
        threads: Threads that each process works with.
        exclusion_writer: Takes the documents that `run` drops: a context manager with `write(document, rank)`.

    Example:
        >>> only = LabelFilter("runs/docs", "networking", threshold=0.9)
        >>> dataset.filter(only.keep, batched=True, num_proc=2)
        >>> LocalPipelineExecutor([JsonlReader("crawl"), only, JsonlWriter("kept")], tasks=8).run()  # datatrove

    Raises:
        ValueError: there is no such label, or the threshold is no probability.
        FileNotFoundError: there is no such directory.
    """

    def __init__(
        self,
        directory: str | Path,
        label: str,
        threshold: float = 0.5,
        *,
        text_column: str = "text",
        threads: int = 1,
        exclusion_writer: Any = None,
    ) -> None:
        if not isinstance(threshold, int | float) or math.isnan(threshold) or not 0 <= threshold <= 1:
            raise ValueError(f"threshold: got {threshold!r}; expected a probability, from 0 to 1")
        self.directory = str(Path(directory).absolute())
        self.label = label
        self.threshold = float(threshold)
        self.text_column = text_column
        self.threads = threads
        self.exclusion_writer = exclusion_writer
        # Opened at once: a mistake shows here and not in a worker, and the tables are made before workers share them.
        self._opened: TextClassifier | None = load_classifier(check_artifact(directory), threads)
        if label not in self._opened.labels:
            labels = self._opened.labels
            raise ValueError(f"label: got {label!r}; expected one of {listed(labels)}{nearest(str(label), labels)}")
        # `datasets` knows a function by its pickled content: another model in the same directory is another function.
        self.model_digest = _digest(Path(directory))

    @property
    def column(self) -> str:
        """Name of the column of the probability: probability_<label>, as in `textcnn score`."""
        return f"probability_{self.label}"

    def probability(self, texts: Sequence[str | None]) -> list[float | None]:
        """Return the probability of the label for each text, None where there is no text."""
        if self._opened is None:
            self._opened = load_classifier(self.directory, self.threads)
        there = [i for i, text in enumerate(texts) if text is not None]
        # What is no Unicode in a crawled text is read as U+FFFD.
        readable = [valid_unicode(str(texts[i])) for i in there]
        found: list[float | None] = [None] * len(texts)
        values = self._opened.predict_proba(readable)[:, self._opened.labels.index(self.label)]
        for i, value in zip(there, values.tolist(), strict=True):
            found[i] = value
        return found

    def probabilities(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """For `dataset.map(only.probabilities, batched=True)`: a column probability_<label>."""
        texts = self._texts(batch)
        if texts is None or isinstance(texts, str):
            return {self.column: self.probability([texts])[0]}
        return {self.column: self.probability(texts)}

    def keep(self, batch: Mapping[str, Any]) -> Any:
        """For `dataset.filter(only.keep, batched=True)`: whether to keep each row. A row without a text is dropped."""
        texts = self._texts(batch)
        if texts is None or isinstance(texts, str):
            return self._is_kept(self.probability([texts])[0])
        return [self._is_kept(probability) for probability in self.probability(texts)]

    def run(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Documents with a `text` and a dict `metadata` in; those that are kept out, with their probability in it.

        Args:
            data: The documents of this rank, in any number.
            rank, world_size: Which worker of how many this is; given on to the exclusion writer.
        """
        documents = iter(data or ())
        with self.exclusion_writer or contextlib.nullcontext() as writer:
            while batch := list(islice(documents, _AT_ONCE)):
                for document, probability in zip(batch, self.probability([d.text for d in batch]), strict=True):
                    document.metadata[self.column] = probability
                    if self._is_kept(probability):
                        yield document
                    elif writer is not None:
                        writer.write(document, rank)

    def __call__(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Call `run`, as pipelines do with their steps."""
        return self.run(data, rank, world_size)

    def __repr__(self) -> str:
        return f"LabelFilter({Path(self.directory).name!r}, {self.label!r}, {self.threshold})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def _is_kept(self, probability: float | None) -> bool:
        return probability is not None and probability >= self.threshold

    def _texts(self, batch: Mapping[str, Any]) -> Any:
        if self.text_column not in batch:
            names = list(batch)
            raise ValueError(
                f"got rows with the columns {listed(names)}; expected {self.text_column!r}"
                f"{nearest(self.text_column, names)}; name the column of the texts with text_column"
            )
        texts = batch[self.text_column]
        return texts if texts is None or isinstance(texts, str) else list(texts)


def _digest(directory: Path) -> str:
    """Return a digest of the files that answers depend on."""
    digest = hashlib.blake2b(digest_size=16)
    files = [name for name in (FOLDED_FILE, ONNX_FILE) if (directory / name).is_file()] or ["model.safetensors"]
    for name in ("config.json", "tokenizer.json", files[0]):
        with (directory / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
