"""Batches from a stream: a buffer is filled, mixed, grouped by length and half emptied.

Shapes: B texts of a batch, C labels. A piece is a run of tokenised texts with their label ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .batches import group_by_length
from .collator import TextCollator
from .encoding import EncodedTexts
from .labels import Targets

BUFFER_ROWS = 20_000

Piece = tuple[EncodedTexts, Targets]
Pieces = Callable[["np.random.Generator | None", int, int], Iterator[Piece]]


class StreamBatches(IterableDataset[dict[str, Tensor]]):
    """Whole batches of a stream, in constant memory.

    pieces(rng, part, parts) reads the stream: its share `part` of `parts`, and with an rng the
    files in a random order. current_epoch: tells the epoch; where it is None, or answers None, the
    passes are counted here. resumed: the epoch of the next pass, which goes before. The order of an
    epoch depends on (seed, epoch) only.
    """

    def __init__(
        self,
        pieces: Pieces,
        num_labels: int,
        batch_size: int,
        collator: TextCollator,
        *,
        shuffle: bool = False,
        seed: int = 0,
        multi_label: bool = False,
    ) -> None:
        super().__init__()
        self.multi_label = multi_label
        self.pieces, self.num_labels, self.batch_size = pieces, num_labels, batch_size
        self.collator, self.shuffle, self.seed = collator, shuffle, seed
        self.buffer_rows = max(BUFFER_ROWS, 2 * batch_size)
        self.current_epoch: Callable[[], int | None] | None = None
        self.epoch = 0
        self.resumed: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For a worker process, which has no trainer to ask: the epoch as it is now."""
        return {**self.__dict__, "current_epoch": None, "resumed": None, "epoch": self.next_epoch()}

    def next_epoch(self) -> int:
        """Return the epoch of the next pass."""
        if self.resumed is not None:
            return self.resumed
        told = self.current_epoch() if self.current_epoch is not None else None
        return self.epoch if told is None else told

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        epoch = self.next_epoch()
        self.epoch, self.resumed = epoch + 1, None
        return self._pass(epoch)

    def _pass(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        part, parts = _share()
        order = np.random.default_rng([self.seed, epoch]) if self.shuffle else None
        mix = np.random.default_rng([self.seed, epoch, part]) if self.shuffle else None
        buffer: list[Piece] = []
        held = 0
        for piece in self.pieces(order, part, parts):
            buffer.append(piece)
            held += len(piece[0])
            if held >= self.buffer_rows:
                whole = _join(buffer)
                # a random half leaves, so that rows far apart in the stream still meet
                rows = np.arange(held) if mix is None else mix.permutation(held)
                leaving = held if mix is None else held // 2
                leaving -= leaving % self.batch_size
                yield from self._batches(whole, rows[:leaving], mix)
                buffer, held = [_rows(whole, rows[leaving:])], held - leaving
        if held:
            yield from self._batches(_join(buffer), np.arange(held), mix)

    def empty(self) -> dict[str, Tensor]:
        """Return a batch without a text."""
        batch = self.collator.pad(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        shape, kind = ((0, self.num_labels), torch.float32) if self.multi_label else ((0,), torch.int64)
        batch["labels"] = torch.zeros(shape, dtype=kind)
        return batch

    def _batches(self, piece: Piece, rows: np.ndarray, rng: np.random.Generator | None) -> Iterator[dict[str, Tensor]]:
        encoded, targets = piece
        for positions in group_by_length(encoded.lengths[rows], self.batch_size, rng):
            chosen = rows[positions]
            batch = self.collator.flat_or_padded(*encoded.gather(chosen))
            batch["labels"] = torch.from_numpy(targets.batch(chosen, self.num_labels))
            yield batch


class StreamLoader(DataLoader[dict[str, Tensor]]):
    """A loader over StreamBatches, which resumes within an epoch. It has no length, and is true nevertheless."""

    _done = _skip = 0

    def __init__(self, dataset: StreamBatches, num_workers: int = 0, **settings: Any) -> None:
        settings.setdefault("pin_memory", torch.cuda.is_available())
        settings.setdefault("generator", torch.Generator())  # see ResumableLoader
        settings["batch_size"] = None
        super().__init__(dataset, num_workers=num_workers, **settings)

    def __iter__(self) -> Any:
        skip, self._skip = self._skip, 0
        self._done, epoch = skip, self.batches.next_epoch()
        # An epoch has one order, so that what was trained on is read again and left out.
        iterator = islice(super().__iter__(), skip, None)
        self.batches.epoch, self.batches.resumed = epoch + 1, None  # workers count in copies of their own
        for batch in iterator if _processes() == 1 else self._in_step(iterator):
            self._done += 1
            yield batch
        self._done = 0

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the number of its batches that were trained on; after all of them, the next and 0."""
        if self._done == 0:
            return {"epoch": self.batches.epoch, "batches": 0}
        # Lightning asks for one batch more than it trains on, to know which is the last.
        return {"epoch": self.batches.epoch - 1, "batches": self._done - 1}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next pass in that epoch after that many batches."""
        self.batches.resumed, self._skip = state["epoch"], state["batches"]

    def _in_step(self, iterator: Iterator[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        """Yield batches until no process has one; a process whose share has ended goes on with empty ones.

        Gradients are averaged at each step, so that a process that stops by itself would leave the others waiting.
        """
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        while True:
            batch = next(iterator, None)
            left = torch.tensor(int(batch is not None), device=device)
            torch.distributed.all_reduce(left, torch.distributed.ReduceOp.MAX)
            if not left.item():
                return
            yield self.batches.empty() if batch is None else batch

    @property
    def batches(self) -> StreamBatches:
        assert isinstance(self.dataset, StreamBatches)
        return self.dataset

    def __bool__(self) -> bool:
        return True


def _processes() -> int:
    """Return the number of processes of the distributed run."""
    is_distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if is_distributed else 1


def _share() -> tuple[int, int]:
    """Return this process's number and how many there are, of the distributed run and its workers."""
    worker = get_worker_info()
    part, parts = (worker.id, worker.num_workers) if worker is not None else (0, 1)
    if _processes() > 1:
        part += torch.distributed.get_rank() * parts
        parts *= _processes()
    return part, parts


def _join(pieces: list[Piece]) -> Piece:
    ids = np.concatenate([encoded.ids for encoded, _ in pieces])
    lengths = np.concatenate([encoded.lengths for encoded, _ in pieces])
    cut = np.concatenate([encoded.cut for encoded, _ in pieces])
    return EncodedTexts.of(ids, lengths, cut), Targets.join([targets for _, targets in pieces])


def _rows(piece: Piece, rows: np.ndarray) -> Piece:
    encoded, targets = piece
    ids, lengths = encoded.gather(rows)
    return EncodedTexts.of(ids, lengths, encoded.cut[rows]), targets.take(rows)
