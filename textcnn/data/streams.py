"""Splits too large for memory: read, tokenised and shuffled as they are used.

Texts are mixed inside a buffer of BUFFER_ROWS, so a stream whose rows are sorted by class should be
shuffled where it is stored. Equal texts are kept apart from the held-out ones by their hash.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import compress, islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from torch import Tensor
from torch.utils.data import DataLoader

from ..settings import DataSettings
from .batches import BatchDataset, length_loader
from .collator import TextCollator
from .defaults import BATCH_SIZES, EPOCHS, HELD_OUT
from .encoding import EncodedTexts, encode_chunk, encode_texts, encoder
from .errors import DataError, one_line
from .examples import Columns, Examples, find_columns, read_examples, refuse_incomplete
from .io.sources import Source
from .io.tables import with_numbers
from .labels import Targets, choose_labels, encode_labels
from .stream_batches import Piece, StreamBatches, StreamLoader

if TYPE_CHECKING:
    from datasets import IterableDataset
    from transformers import PreTrainedTokenizerFast

CHUNK_ROWS = 1_000
TOKENIZER_TEXTS = 50_000  # a tokenizer is trained on the first so many
HELD_OUT_ROWS = 10_000  # at most, where the stream has no validation split


class StreamedData:
    """The train, validation and test splits of a source of streams, and loaders over them."""

    def __init__(self, source: Source, options: DataSettings) -> None:
        if options.num_folds is not None:
            raise DataError("a stream cannot be divided into folds; set streaming to false")
        self.options, self.description = options, source.description
        self.notes: list[str] = []
        self.streams = {"train": self._stream(source, options.train_split)}
        for role, wanted in (
            ("validation", options.validation_split),
            ("test", options.test_split),
        ):
            name = source.find(role, wanted, taken=options.train_split)
            if name is not None:
                self.streams[role] = self._stream(source, name)
        head = next(self._tables("train"), None)
        if head is None:
            raise DataError(f"{self._where('train')} is empty; expected at least one row")
        self.columns: Columns = self._find_columns(head)
        self._leave_out_unlabelled()
        first = next(self._examples("train"))
        self.multi_label = first.raw.multi_label
        self.seen: dict[str, list[int]] = {}
        self._counts: np.ndarray | None = None
        self._held_hashes: set[bytes] = set()
        self.labels: list[str] = []
        self.batch_size = options.batch_size or BATCH_SIZES[0][1]
        self.epochs = EPOCHS
        if options.labels is None and first.raw.names is None:
            self._read_through()
        self.labels = self.labels or choose_labels(None, first.raw.names, options.labels)
        if "validation" not in self.streams and options.validation_fraction != 0:
            self._held = self._hold_out()

    def _stream(self, source: Source, name: str) -> IterableDataset:
        split = source.load(name)
        if hasattr(split, "num_rows") and len(split) == 0:
            raise DataError(f"the {name} split of {source.description} is empty; expected rows")
        return split.to_iterable_dataset() if hasattr(split, "to_iterable_dataset") else split

    def _where(self, role: str) -> str:
        return f"the {role} split of {self.description}"

    def _find_columns(self, head: pa.Table) -> Columns:
        head, options = with_numbers(head), self.options  # a csv stream has only strings
        return find_columns(head, options.text_column, options.label_column, self._where("train"))

    def _leave_out_unlabelled(self) -> None:
        """Forget a test or validation split that nobody named and whose first rows lack labels."""
        named = {"validation": self.options.validation_split, "test": self.options.test_split}
        for role in [role for role in self.streams if named.get(role, role) is None]:
            head = next(self._tables(role), None)
            label = self.columns.label
            if head is None or label not in head.column_names:
                reason = f"no column {label!r}"
            elif next(self._examples(role)).raw.missing.all():
                reason = "no labels"
            else:
                continue
            del self.streams[role]
            self.notes.append(f"the {role} split has {reason} and is left out")

    def _tables(self, role: str, shards: np.ndarray | None = None) -> Iterator[pa.Table]:
        """Chunks of rows; with `shards` (all their numbers), the shards in that order."""
        stream = self.streams[role]
        parts = [stream]
        if shards is not None and len(shards) > 1:
            parts = [stream.shard(num_shards=len(shards), index=int(index)) for index in shards]
        for part in parts:
            for chunk in part.iter(batch_size=CHUNK_ROWS):
                try:
                    yield pa.table({name: pa.array(values) for name, values in chunk.items()})
                except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                    raise DataError(
                        f"{self._where(role)} has values of more than one type in a column "
                        f"({one_line(error)}); expected one type a column; correct the data"
                    ) from None

    def _examples(self, role: str, shards: np.ndarray | None = None) -> Iterator[Examples]:
        features, where = self.streams[role].features, self._where(role)
        for table in self._tables(role, shards):
            if not {self.columns.text, self.columns.label} <= set(table.column_names):
                find_columns(table, self.columns.text, self.columns.label, where)
            examples = read_examples(table, self.columns, features, where)
            if self.options.strict:
                refuse_incomplete(examples, where)
            yield examples

    def _read_through(self) -> None:
        """One pass over the train labels: their set, their counts, the incomplete rows."""
        counts: Counter[str] = Counter()
        rows = without_text = without_label = 0
        for examples in self._examples("train"):
            raw = examples.raw
            values, targets = raw.values, Targets(raw.codes, raw.offsets)
            if self.labels:
                values, targets = self.labels, self._targets("train", examples)
            for value, count in zip(values, targets.counts(examples.rows, len(values)), strict=True):
                counts[value] += int(count)
            rows += len(examples.rows)
            without_text += examples.without_text
            without_label += examples.without_label
        present = [value for value, count in counts.items() if count]
        self.labels = self.labels or choose_labels(present, None, None)
        self._counts = np.array([counts[label] for label in self.labels])
        self.notes.append(f"one pass over the stream counted {rows:,} train rows and their labels")
        if without_text or without_label:
            self.notes.append(
                f"dropped from train: {without_text:,} rows without a text, {without_label:,} without a label"
            )

    @property
    def class_counts(self) -> np.ndarray:
        """[C] how often each label occurs in train; costs a pass where none was made."""
        if self._counts is None:
            self._read_through()
        assert self._counts is not None
        return self._counts

    def _targets(self, role: str, examples: Examples) -> Targets:
        given = self.options.labels is not None
        others: list[str] | None = None if role == "train" or self.options.strict else []
        if examples.raw.multi_label != self.multi_label:
            raise DataError(f"{self._where(role)} has both single labels and lists; give all the same kind")
        return encode_labels(examples.raw, self.labels, role, given, others, examples.rows)

    def _texts(
        self, role: str, shards: np.ndarray | None = None, part: int = 0, parts: int = 1
    ) -> Iterator[tuple[list[str], Targets]]:
        """Yield texts and label ids of the usable rows; train has none of the rows held out."""
        for number, examples in enumerate(self._examples(role, shards)):
            if number % parts != part:
                continue
            rows = examples.rows
            texts = examples.texts.take(pa.array(rows)).to_pylist()
            if role == "train" and self._held_hashes:
                kept = [self._hash(text) not in self._held_hashes for text in texts]
                rows = rows[np.array(kept, dtype=bool)]
                texts = list(compress(texts, kept))
            yield texts, self._targets(role, examples).take(rows)

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.options.seed} {text}".encode(), digest_size=8).digest()

    def _hold_out(self) -> tuple[pa.ChunkedArray, Targets]:
        """Validation rows from the head of the stream: those whose text has a small hash."""
        limit = int((self.options.validation_fraction or HELD_OUT) * 2**32).to_bytes(4, "big")
        held: list[str] = []
        targets = []
        hashes: set[bytes] = set()
        for texts, chunk in self._texts("train"):
            small = [self._hash(text) < limit for text in texts]
            held += compress(texts, small)
            targets.append(chunk.take(np.flatnonzero(small)))
            if len(held) >= HELD_OUT_ROWS:
                break
        if not held:
            raise DataError(
                f"no validation split can be held out of {self._where('train')}: it is too short; "
                "name a validation_split, raise validation_fraction, or set it to 0"
            )
        hashes.update(map(self._hash, held))
        self._held_hashes = hashes
        self.notes.append(f"validation: {len(held):,} of the first rows of train, held out by a hash of the text")
        return pa.chunked_array([pa.array(held, pa.large_string())]), Targets.join(targets)

    def validation_rows(self, limit: int) -> tuple[list[str], np.ndarray]:
        """Return texts and targets of the first `limit` validation rows; none without a split."""
        texts: list[str] = []
        parts: list[np.ndarray] = []
        for some, targets in self._validation_texts():
            known = np.flatnonzero(targets.known(np.arange(len(some)), len(self.labels)))[: limit - len(texts)]
            texts += [some[i] for i in known]
            parts.append(targets.batch(known, len(self.labels)))
            if len(texts) >= limit:
                break
        return texts, np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _validation_texts(self) -> Iterator[tuple[list[str], Targets]]:
        if "validation" in self.streams:
            yield from self._texts("validation")
        elif self._held_hashes:
            texts, targets = self._held
            yield texts.to_pylist(), targets

    def train_texts(self) -> Iterator[str]:
        """Yield the first TOKENIZER_TEXTS texts of train."""
        texts = (text for texts, _ in self._texts("train") for text in texts)
        return islice(texts, TOKENIZER_TEXTS)

    def _pieces(
        self,
        role: str,
        tokenizer: PreTrainedTokenizerFast,
        rng: np.random.Generator | None,
        part: int,
        parts: int,
    ) -> Iterator[Piece]:
        shards = rng.permutation(self.streams[role].num_shards) if rng is not None else None
        seen = self.seen[role] = [0, 0]
        encode = encoder(tokenizer)
        for texts, targets in self._texts(role, shards, part, parts):
            encoded = EncodedTexts.of(*encode_chunk(texts, encode, self.options.max_length))
            seen[0] += len(texts)
            seen[1] += int(encoded.cut.sum())
            yield encoded, targets

    def loader(
        self, role: str, tokenizer: PreTrainedTokenizerFast, collator: TextCollator
    ) -> DataLoader[dict[str, Tensor]] | None:
        """Return batches of a split, or None where there is no such split."""
        options, train = self.options, role == "train"
        if role not in self.streams and (role != "validation" or not self._held_hashes):
            return None
        if role not in self.streams:
            texts, targets = self._held
            encoded = encode_texts(texts, tokenizer, options.max_length)
            rows = np.arange(len(encoded))
            dataset = BatchDataset(encoded, rows, {"labels": targets}, len(self.labels), collator)
            return length_loader(dataset, options.eval_batch_size)
        return StreamLoader(
            StreamBatches(
                partial(self._pieces, role, tokenizer),
                len(self.labels),
                self.batch_size if train else options.eval_batch_size,
                collator,
                shuffle=train,
                seed=options.seed,
                multi_label=self.multi_label,
            ),
            num_workers=options.num_workers,
        )

    def report(self, tokenizer: PreTrainedTokenizerFast) -> list[str]:
        """Return lines about columns, rows, dropped rows and cut texts, as far as they are known."""
        kind = "labels, several a text" if self.multi_label else "labels"
        lines = [
            f"data: {self.description}, streamed, texts from {self.columns.text!r}, labels from "
            f"{self.columns.label!r} ({len(self.labels)} {kind})",
            *self.notes,
        ]
        if self.options.max_length is not None:
            lines.append(f"texts are cut to max_length {self.options.max_length} tokens")
            for role, (rows, cut) in self.seen.items():
                lines.append(f"cut: {cut:,} of the {rows:,} {role} texts read in the last pass")
        return lines
