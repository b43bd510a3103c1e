"""Labels of several columns: the targets of each head of a model.

Shapes: `N` rows, `B` rows of a batch, `H` columns, `C` labels of all columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .labels import Targets
from .numbers import NumberTargets


@dataclass(frozen=True)
class HeadTargets:
    """The label ids, or numbers, of N rows in each of H columns: it has the methods of `labels.Targets`.

    Args:
        targets: Label ids, or numbers, by column.
        missing: Masks [N] of rows without a label, by column.
        sizes: Number of labels by column.
    """

    targets: Mapping[str, Targets | NumberTargets]
    missing: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.missing.values())))

    def batch(self, rows: np.ndarray, num_labels: int) -> Any:
        """Return the labels of rows [B] as a dict of columns: ids [B], zeros and ones [B, its labels], or numbers [B].

        A row without a label has the id -1, or NaN; the id of a label that train lacks is the number of labels.
        """
        found = {}
        for name, targets in self.targets.items():
            values = targets.batch(rows, self.sizes[name])
            if values.ndim == 2:
                values[self.missing[name][rows]] = np.nan
            found[name] = values
        return found

    def counts(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Count the occurrences of each label in `rows`: [C] int64."""
        return np.concatenate([own.counts(rows, self.sizes[name]) for name, own in self.targets.items()])

    def known(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the mask [B] of rows with a label in some column that is among the column's labels."""
        return np.any([self.known_in(name, rows) for name in self.targets], axis=0)

    def known_in(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Return the mask [B] of rows with a label in a column that is among the column's labels."""
        return self.targets[name].known(rows, self.sizes[name]) & ~self.missing[name][rows]

    def strata(self, rows: np.ndarray, num_labels: int) -> np.ndarray:
        """Return the class that a stratified split balances, [B]: that of the first column."""
        first = next(iter(self.targets))
        return self.targets[first].strata(rows, self.sizes[first])
