"""Limits on the cost of a model: bytes on a server's disk, and texts per second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..data import TextDataModule
from ..distillation.students.sizes import Budget, StudentSize, read_budget
from ..distillation.students.speed import random_student, sample, texts_per_second
from ..settings import TuneSettings
from ..tokenization import tokenizer_json


@dataclass(frozen=True)
class Limits:
    """Limits of a search.

    Args:
        bytes: Most bytes of tables in 8 bits, tokenizer and settings; None for any number.
        texts_per_second: Least texts a second on one core; None for any number.
    """

    bytes: float | None = None
    texts_per_second: float | None = None

    def __bool__(self) -> bool:
        return self.bytes is not None or self.texts_per_second is not None

    def exceeded(self, data: TextDataModule, settings: dict[str, Any], texts: list[str]) -> str:
        """Return why a model would exceed a limit, or "". Its tokenizer is trained for that, the network is not.

        Args:
            data: Data module with the tokenizer of the model.
            settings: Settings of the network.
            texts: Texts like those to be answered.
        """
        vocabulary = tokenizer_json(data.tokenizer)
        filters = settings.get("num_filters", 100)
        size = StudentSize(
            tuple(settings.get("kernel_sizes", (3, 4, 5))),
            filters if isinstance(filters, int) else tuple(filters),
            data.vocab_size,
            settings.get("num_members", 1),
        )
        if self.bytes is not None:
            taken = size.bytes(data.labels, len(vocabulary.encode()))
            if taken > self.bytes:
                return f"{taken / 1e6:.2f} MB"
        if self.texts_per_second is not None:
            several = data.problem_type.startswith("multi")
            speed = texts_per_second(random_student(size, vocabulary, data.labels, several, {}), sample(texts))
            if speed < self.texts_per_second:
                return f"{speed:,.0f} texts/s"
        return ""


def read_limits(settings: TuneSettings) -> Limits:
    """Return the limits of a search.

    Raises:
        ValueError: budget is no size, or min_speed no speed.
    """
    found: dict[str, Any] = {}
    for name, field, example in (("budget", "bytes", "3MB"), ("min_speed", "texts_per_second", "400k texts/s")):
        written = getattr(settings, name)
        if written is None:
            continue
        budget = read_budget(written)
        if not isinstance(budget, Budget) or getattr(budget, field) is None or found.get(field):
            raise ValueError(f"{name}: got {written!r}; expected a limit such as {example}; give one")
        found |= {
            key: getattr(budget, key) for key in ("bytes", "texts_per_second") if getattr(budget, key) is not None
        }
    return Limits(**found)
