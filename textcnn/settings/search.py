"""Search space of the settings that matter: axes that `textcnn tune` and scikit-learn's searches draw from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Axis:
    """Values of one setting.

    Args:
        low, high: Bounds of a number.
        log: Draw the logarithm evenly.
        step: Distance of two values, or None for any value.
        choices: The values themselves, in place of bounds.
    """

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()


# Few axes: with thirty fits, a search over twenty settings is a guess.
AXES: Mapping[str, Axis] = {
    "learning_rate": Axis(3e-4, 4e-3, log=True),
    "batch_size": Axis(choices=(16, 32, 64, 128)),
    "kernel_sizes": Axis(choices=((1, 2, 3), (2, 3, 4), (3, 4, 5), (1, 2, 3, 5))),
    "num_filters": Axis(choices=(50, 100, 200)),
    "dropout": Axis(0.2, 0.7, step=0.1),
    "embedding_dropout": Axis(0.0, 0.4, step=0.1),
    "label_smoothing": Axis(choices=(0.0, 0.05, 0.1)),
}
WITHOUT_VECTORS: Mapping[str, Axis] = {
    "naive_bayes": Axis(choices=(0.0, 0.5)),
    "tokenizer": Axis(choices=("wordpiece", "word")),
}
WITH_VECTORS: Mapping[str, Axis] = {"embedding_learning_rate": Axis(1e-4, 4e-3, log=True)}
# Under a budget, size is what there is to choose.
WITHIN_BUDGET: Mapping[str, Axis] = {
    "kernel_sizes": Axis(choices=((2,), (2, 3), (1, 2, 3), (3, 4, 5))),
    "num_filters": Axis(choices=(16, 32, 48, 64, 100)),
    "vocab_size": Axis(choices=(1_000, 2_000, 4_000, 8_000, 16_000, 30_000)),
}


def search_space(vectors: bool = False, budget: bool = False, batch_size: int | None = None) -> dict[str, Axis]:
    """Return the axes of a search.

    Args:
        vectors: Tokens start with initial vectors.
        budget: The model may take a limited size or time.
        batch_size: Default of the data, which the search is to have as well. Default: not known.

    Example:
        >>> search_space(batch_size=8)["batch_size"].choices
        (8, 16, 32, 64, 128)
    """
    space = {**AXES, **(WITH_VECTORS if vectors else WITHOUT_VECTORS), **(WITHIN_BUDGET if budget else {})}
    if batch_size is not None:
        space["batch_size"] = Axis(choices=tuple(sorted({*AXES["batch_size"].choices, batch_size})))
    return space
