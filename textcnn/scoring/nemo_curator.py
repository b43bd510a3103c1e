"""A filter of the shape of NeMo Curator's `DocumentFilter` (https://github.com/NVIDIA-NeMo/Curator).

NeMo Curator is not needed; where it is installed, the class is a `DocumentFilter` of its own.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from .corpus import LabelFilter

_HOMES = ("nemo_curator.stages.text.filters.doc_filter", "nemo_curator.filters.doc_filter")


def _base() -> type[Any]:
    for home in _HOMES:
        try:
            base: type[Any] = importlib.import_module(home).DocumentFilter
        except ModuleNotFoundError:
            continue
        return base
    return object


class LabelDocumentFilter(_base()):  # type: ignore[misc]
    """Filter for documents whose probability of a label is at least a threshold.

    Args:
        model: The artifact.
        label: The label that documents shall have.
        threshold: Least probability of it.

    Example:
        >>> keep = LabelDocumentFilter("runs/docs", "networking", 0.9)
        >>> pipeline.add_stage(ScoreFilter(keep, text_field="text", score_field="networking"))

    Raises:
        ValueError: There is no such label, or the threshold is no probability.
    """

    def __init__(self, model: str | Path, label: str, threshold: float = 0.5) -> None:
        super().__init__()
        self._filter = LabelFilter(model, label, threshold)
        self._name = f"textcnn_{label}"

    @property
    def name(self) -> str:
        """Name of the filter."""
        return self._name

    def score_document(self, text: str) -> float:
        """Return the probability of the label; 0 where there is no text."""
        return self._filter.probability([text])[0] or 0.0

    def keep_document(self, scores: float) -> bool:
        """Return True where the probability reaches the threshold."""
        return scores >= self._filter.threshold
