"""How large a student is: presets, and the largest network whose int8 tables fit a budget."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


@dataclass(frozen=True)
class StudentSize:
    """Widths and filters of a student, and the most tokens it knows."""

    kernel_sizes: tuple[int, ...]
    num_filters: int
    vocab_size: int

    @property
    def bytes(self) -> int:
        """Size of the int8 tables, with what goes beside them."""
        features = self.num_filters * len(self.kernel_sizes)
        row = sum(self.kernel_sizes) * max(self.num_filters, 16 if self.num_filters <= 16 else 32)
        # A row a token and one of zeros; a row number a token; scale, bias and head (of 20 classes) a feature.
        return (self.vocab_size + 1) * row + 4 * self.vocab_size + features * 4 * 22 + 4096

    def architecture(self) -> dict[str, Any]:
        """As arguments of Architecture."""
        return {"kernel_sizes": list(self.kernel_sizes), "num_filters": self.num_filters}


PRESETS = {
    "tiny": StudentSize((2, 3), 32, 8_000),
    "small": StudentSize((3, 4), 64, 16_000),
    "base": StudentSize((3, 4, 5), 100, 30_000),
}
# Tried from the largest; more filters before more tokens, since rare tokens are split into frequent ones.
_WIDTHS = ((3, 4, 5), (3, 4), (2, 3), (2,))
_FILTERS = (200, 100, 64, 48, 32, 16)
_VOCABULARIES = (30_000, 20_000, 12_000, 8_000, 5_000, 3_000, 2_000, 1_000)


def student_size(budget: str | None) -> StudentSize:
    """The student of a budget: tiny, small, base, or the largest whose int8 tables take at most, say, "1MB".

    Example:
        >>> student_size("3MB")
        StudentSize(kernel_sizes=(3, 4, 5), num_filters=48, vocab_size=5000)

    Raises:
        ValueError: the budget is neither, or smaller than any student.
    """
    if budget is None:
        return PRESETS["base"]
    if budget in PRESETS:
        return PRESETS[budget]
    found = re.fullmatch(r"\s*([\d.]+)\s*([a-z]*)\s*", budget.lower())
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"budget: got {budget!r}; expected {', '.join(PRESETS)} or a size such as 1MB or 500kB")
    limit = float(found[1]) * _UNITS[found[2]]
    candidates = [StudentSize(w, f, v) for w in _WIDTHS for f in _FILTERS for v in _VOCABULARIES]
    fitting = [size for size in candidates if size.bytes <= limit]
    if not fitting:
        smallest = min(candidates, key=lambda size: size.bytes)
        raise ValueError(f"budget: got {budget}; the smallest student takes {smallest.bytes / 1e3:.0f} kB; give that")
    # Balanced: the one whose worst part, filters or tokens, is best.
    return max(
        fitting,
        key=lambda size: (
            min(size.num_filters * len(size.kernel_sizes) / 300, size.vocab_size / 30_000),
            size.bytes,
        ),
    )
