"""Batches of texts of like length, shuffled by (seed, epoch) and assembled at once in numpy.

Shapes: N texts, B texts of a batch, T tokens, C labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from .collator import TextCollator
from .encoding import EncodedTexts

POOL_BATCHES = 50  # texts are sorted by length inside pools of this many batches


def group_by_length(lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """Group positions of texts of like length into batches; each position occurs once.

    Args:
        lengths: Tokens of each text, [N].
        batch_size: Texts in a batch.
        rng: Shuffles, sorts inside pools of POOL_BATCHES batches and shuffles the batches. None sorts by length over
            the whole, longest first (so that a lack of memory shows at once).
    """
    count = len(lengths)
    if rng is None:
        order = np.argsort(-lengths, kind="stable")
    else:
        order = rng.permutation(count)
        pool = np.arange(count) // (POOL_BATCHES * batch_size)
        order = order[np.lexsort((lengths[order], pool))]
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    if rng is not None:
        batches = [batches[index] for index in rng.permutation(len(batches))]
    return batches


class Field(Protocol):
    """A named field of a batch: `labels.Targets`, `head_targets.HeadTargets` or a FieldArray."""

    def batch(self, rows: np.ndarray, num_labels: int) -> Any:
        """Return the values of rows [B]: an array whose first dimension is B, or one by head."""


class FieldArray:
    """An array with a value, or a row of values, for each text: real numbers in float32, others in int64."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values.astype(np.float32 if np.issubdtype(values.dtype, np.floating) else np.int64)

    def batch(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the values of rows [B]."""
        return self._values[rows]


class LengthBatchSampler(DistributedSampler[Any]):
    """Sampler of whole batches of positions; the order of an epoch depends on (seed, epoch) only.

    A DistributedSampler, so that Lightning keeps it and calls `set_epoch`. Without Lightning the epochs count
    themselves. In a distributed run the processes share each batch of `batch_size` times their number: they take the
    steps of one process with that batch size, each text once. The last batch of an epoch may leave a process without a
    text.

    Args:
        lengths: Tokens of each text, [N].
        batch_size: Texts in a batch of each process.
        shuffle: Shuffle the texts and the batches.
        sort: Group texts of like length; False keeps their order.
        seed: Seed of the order.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        batch_size: int,
        *,
        shuffle: bool = False,
        sort: bool = True,
        seed: int = 0,
    ) -> None:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        super().__init__(
            range(-(-len(lengths) // batch_size)),  # type: ignore[arg-type]
            num_replicas=None if distributed else 1,
            rank=None if distributed else 0,
            shuffle=shuffle,
            seed=seed,
        )
        self.lengths, self.batch_size, self.sort = lengths, batch_size, sort

    def __len__(self) -> int:
        return -(-len(self.lengths) // (self.batch_size * self.num_replicas))

    def __iter__(self) -> Iterator[np.ndarray]:
        batches = self.batches(self.epoch)
        self.epoch += 1  # where nobody calls set_epoch, the next pass is the next epoch
        for batch in batches:
            yield batch[self.rank :: self.num_replicas]

    def batches(self, epoch: int) -> list[np.ndarray]:
        """Return the batches of one epoch, over all processes."""
        size = self.batch_size * self.num_replicas
        if not self.sort:
            rows = np.arange(len(self.lengths))
            return [rows[i : i + size] for i in range(0, len(rows), size)]
        rng = np.random.default_rng([self.seed, epoch]) if self.shuffle else None
        return group_by_length(self.lengths, size, rng)


class BatchDataset(Dataset[dict[str, Any]]):
    """Batches as items: item `positions` is the batch of those texts, assembled at once.

    Args:
        encoded: Token ids of the texts.
        rows: Numbers [N] of the texts (and of their fields) that this data set has, in their order.
        fields: Further fields of a batch, by name: `labels` and so on.
        num_labels: Number of classes.
        collator: Pads.
    """

    def __init__(
        self,
        encoded: EncodedTexts,
        rows: np.ndarray,
        fields: Mapping[str, Field],
        num_labels: int,
        collator: TextCollator,
    ) -> None:
        self.encoded, self.rows, self.fields = encoded, rows, dict(fields)
        self.num_labels, self.collator = num_labels, collator
        self.lengths = encoded.lengths[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: np.ndarray) -> dict[str, Any]:
        rows = self.rows[positions]
        batch: dict[str, Any] = self.collator.flat_or_padded(*self.encoded.gather(rows))
        for name, field in self.fields.items():
            values = field.batch(rows, self.num_labels)
            batch[name] = (
                {head: torch.from_numpy(own) for head, own in values.items()}
                if isinstance(values, dict)
                else torch.from_numpy(values)
            )
        return batch


class ResumableLoader(DataLoader[dict[str, Tensor]]):
    """A DataLoader that resumes within an epoch, at the position of a checkpoint (Lightning uses both methods)."""

    _done = _skip = 0

    def __init__(self, *args: Any, **settings: Any) -> None:
        # Of its own: a pass over the data must not move the random numbers of dropout, which a resumed run repeats.
        settings.setdefault("generator", torch.Generator())
        super().__init__(*args, **settings)

    def __iter__(self) -> Any:
        skip, self._skip = self._skip, 0
        self._done = skip
        for batch in islice(super().__iter__(), skip, None):
            self._done += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches of this epoch that were yielded."""
        return {"batches": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next epoch after that many batches; after all of them, at its beginning."""
        self._skip = state["batches"] % len(self)


def length_loader(
    dataset: BatchDataset,
    batch_size: int,
    *,
    shuffle: bool = False,
    sort: bool = True,
    seed: int = 0,
    num_workers: int = 0,
) -> DataLoader[dict[str, Tensor]]:
    """Return a DataLoader whose batches come whole from `dataset`; sort=False keeps the order of rows."""
    sampler = LengthBatchSampler(dataset.lengths, batch_size, shuffle=shuffle, sort=sort, seed=seed)
    return ResumableLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
