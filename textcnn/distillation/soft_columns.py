"""Probabilities or logits that stand in columns of the data, as an LLM or an earlier job wrote them: a teacher without
a model.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.errors import listed, one_line
from ..data.replaced import ReplacedTrainData
from .teachers import check_probabilities, to_logits


def read_soft_columns(
    data: ReplacedTrainData, columns: Sequence[str] | None, labels: Sequence[str], multi_label: bool
) -> np.ndarray:
    """Return the teacher's logits of the train rows, read from columns: [N, C].

    Args:
        data: The labelled set.
        columns: Names of the columns, one a label; None: probability_<label>. Columns of other names may hold logits:
            they do where a value is negative.
        labels: Names of the classes.
        multi_label: True if a text can have several labels.

    Raises:
        ValueError: there are not as many columns as labels, or their values are neither probabilities nor logits.
        DataError: there is no such column.
    """
    wanted = list(columns) if columns is not None else [f"probability_{label}" for label in labels]
    if len(wanted) != len(labels):
        raise ValueError(f"soft_columns: got {len(wanted)}; expected {len(labels)}, one a label: {listed(labels)}")
    table = data.train_columns(wanted)
    values = np.stack([_numbers(table[name], name) for name in wanted], axis=1)
    named_so = any(name.startswith("probability") for name in wanted)
    if not named_so and np.isfinite(values).all() and (values < 0).any():
        return values.astype(np.float32)
    where = f"columns {listed(wanted)}"
    rows = data.train_rows().tolist()
    return to_logits(check_probabilities(values, len(labels), multi_label, where, rows), multi_label)


def _numbers(column: np.ndarray, name: str) -> np.ndarray:
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name}: {one_line(error)}; expected probabilities or logits; mend it") from error
