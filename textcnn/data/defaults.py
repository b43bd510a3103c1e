"""The settings that the number of training rows decides, where none were given.

With few rows, batches of 64 for ten epochs are few steps: they are smaller then, and there are more epochs. A
validation split of a few rows cannot choose an epoch: nothing is held out then, and the last weights, whose learning
rate has fallen to 0, are kept.
"""

from __future__ import annotations

BATCH_SIZES = ((4096, 64), (2048, 32), (512, 16), (0, 8))
HELD_OUT, FEWEST_HELD_OUT = 0.1, 10
EPOCHS, MOST_EPOCHS, STEPS = 10, 80, 1000


def batch_size_for(rows: int) -> int:
    """Return the size of a training batch.

    Example:
        >>> [batch_size_for(rows) for rows in (100, 1000, 3000, 100_000)]
        [8, 16, 32, 64]
    """
    return next(size for least, size in BATCH_SIZES if rows >= least)


def validation_fraction_for(rows: int) -> float:
    """Return the fraction of the training rows to hold out: none where it would be fewer than 10.

    Example:
        >>> validation_fraction_for(99), validation_fraction_for(100)
        (0.0, 0.1)
    """
    return HELD_OUT if rows * HELD_OUT >= FEWEST_HELD_OUT else 0.0


def epochs_for(rows: int, batch_size: int) -> int:
    """Return the number of epochs: 10, or as many as make 1,000 steps, at most 80.

    Example:
        >>> epochs_for(48, 8), epochs_for(616, 16), epochs_for(36_000, 64)
        (80, 26, 10)
    """
    steps = -(-rows // batch_size)
    return min(max(EPOCHS, -(-STEPS // steps)), MOST_EPOCHS)
