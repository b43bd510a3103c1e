"""Answers of a classifier whose labels have a structure: an order, or levels that their paths make.

Shapes: `N` texts, `G` labels of a level.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decisions import Array, Levels
from .label_paths import LabelPaths


class StructuredAnswers:
    """Methods of a TextClassifier for ordered levels (`levels`) and for labels that are paths (`paths`)."""

    levels: Levels | None
    paths: LabelPaths | None

    def predict_proba(self, texts: Iterable[str]) -> Array:
        """Return the probabilities of all labels."""
        raise NotImplementedError

    def expected_level(self, texts: Iterable[str]) -> NDArray[np.float64]:
        """Return the expected value of the level of each text [N]: of numbers, or of places from 0.

        Raises:
            ValueError: the levels of the model have no order.
        """
        if self.levels is None:
            raise ValueError("expected_level: got labels without order; expected a model of problem_type ordinal")
        return self.levels.expected(self.predict_proba(texts))

    def predict_proba_at(self, texts: Iterable[str], level: int) -> NDArray[Any]:
        """Return the probabilities of the labels of a level, `paths.labels(level)`: [N, G].

        Args:
            texts: Any iterable of strings.
            level: Number of the level, from 1.

        Raises:
            ValueError: the labels of the model are no paths, or there is no such level.
        """
        return self._paths("predict_proba_at").probabilities(self.predict_proba(texts), level)

    def predict_deepest(self, texts: Iterable[str], threshold: float = 0.5) -> list[str | None]:
        """Return the label of the deepest level that reaches a probability, None where none does.

        Example:
            >>> model.predict_deepest(["a proof of the theorem", "an experiment"], threshold=0.8)
            ['science/maths', 'science']

        Raises:
            ValueError: the labels of the model are no paths, or the threshold is no probability.
        """
        return self._paths("predict_deepest").deepest(self.predict_proba(texts), threshold)

    def _paths(self, method: str) -> LabelPaths:
        if self.paths is None:
            raise ValueError(
                f"{method}: got a model whose labels are no paths; expected one that was trained with label_separator"
            )
        return self.paths
