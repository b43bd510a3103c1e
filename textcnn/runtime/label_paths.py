"""Labels that are paths, such as science/physics, and the probabilities of their levels.

The labels of the model stay its classes. The probability of a parent is the sum of those of its labels, so that it is
never less probable than one of them.

Shapes: `N` texts, `C` labels, `G` labels of a level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class LabelPaths:
    """The levels of labels that are paths, from 1, the coarsest, to `depth`, that of whole labels.

    A label with fewer parts than a level has is itself at that level.

    Args:
        labels: C labels.
        separator: Separator of the parts of a label.

    Example:
        >>> paths = LabelPaths(["art", "science/maths", "science/physics"], "/")
        >>> paths.labels(1), paths.depth
        (['art', 'science'], 2)
        >>> paths.probabilities(np.array([[0.4, 0.35, 0.25]]), 1).round(2).tolist()
        [[0.4, 0.6]]
    """

    def __init__(self, labels: Sequence[str], separator: str) -> None:
        self.separator = separator
        parts = [label.split(separator) for label in labels]
        self.depth = max(map(len, parts))
        self._labels: list[list[str]] = []
        self._groups: list[NDArray[np.int64]] = []
        for level in range(1, self.depth + 1):
            names = [separator.join(own[:level]) for own in parts]
            distinct = list(dict.fromkeys(names))
            self._labels.append(distinct)
            self._groups.append(np.array([distinct.index(name) for name in names]))

    @classmethod
    def of(cls, config: Mapping[str, Any], labels: Sequence[str]) -> LabelPaths | None:
        """Return the paths of a config.json, or None where its labels are no paths."""
        separator = config.get("label_separator")
        return cls(labels, str(separator)) if separator else None

    def labels(self, level: int) -> list[str]:
        """Return the labels of a level, in the order of their first labels in the model.

        Raises:
            ValueError: there is no such level.
        """
        return self._labels[self._checked(level)]

    def groups(self, level: int) -> NDArray[np.int64]:
        """Return the number of each label in those of a level: [C]."""
        return self._groups[self._checked(level)]

    def probabilities(self, probabilities: NDArray[Any], level: int) -> NDArray[Any]:
        """Return the probabilities of the labels of a level: [N, C] -> [N, G]."""
        found = np.zeros((len(probabilities), len(self.labels(level))), dtype=probabilities.dtype)
        np.add.at(found.T, self.groups(level), probabilities.T)
        return found

    def deepest(self, probabilities: NDArray[Any], threshold: float) -> list[str | None]:
        """Return the most probable label of the deepest level where it reaches a threshold; None where none does.

        Args:
            probabilities: Probabilities [N, C].
            threshold: Least probability. Above 0.5, the answers of all levels lie on one path.

        Raises:
            ValueError: the threshold is no probability.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold: got {threshold}; expected a probability, from 0 to 1")
        answers: list[str | None] = [None] * len(probabilities)
        for level in range(1, self.depth + 1):
            of_level, names = self.probabilities(probabilities, level), self.labels(level)
            for n in np.flatnonzero(of_level.max(axis=1, initial=0) >= threshold).tolist():
                answers[n] = names[int(of_level[n].argmax())]
        return answers

    def columns(self, probabilities: NDArray[Any]) -> dict[str, list[Any]]:
        """Return the label and the probability of each level above the last, as columns of N values."""
        columns: dict[str, list[Any]] = {}
        for level in range(1, self.depth):
            of_level, names = self.probabilities(probabilities, level), np.array(self.labels(level))
            columns[f"label_level_{level}"] = names[of_level.argmax(axis=1)].tolist()
            columns[f"probability_level_{level}"] = of_level.max(axis=1, initial=0).tolist()
        return columns

    def _checked(self, level: int) -> int:
        if not 1 <= level <= self.depth:
            raise ValueError(f"level: got {level}; expected a number from 1 to {self.depth}")
        return level - 1
