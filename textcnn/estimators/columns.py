"""Several targets a text, as scikit-learn's multioutput estimators take them: a head of one model for each column of y.

Shapes: `N` texts, `H` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.class_codes import class_codes, learn_classes
from ..data.head_targets import HeadTargets
from ..data.labels import Targets
from ..data.numbers import NumberTargets
from ..errors import listed, nearest
from ..settings.label_columns import read_ordinal_columns


@dataclass(frozen=True)
class TargetColumns:
    """Columns of y.

    Args:
        names: H names, those of the heads.
        classes: Classes of each column; None where all are numbers.
        ordinal: Columns of ordered levels, as `ordinal_columns` of TextDataModule names them.
    """

    names: list[str]
    classes: list[NDArray[Any]] | None = None
    ordinal: Sequence[str] = ()

    @property
    def data_options(self) -> dict[str, Any]:
        """Return the arguments of TextDataModule that name the columns."""
        return {
            "label_columns": self.names,
            **({} if self.classes else {"regression_columns": self.names}),
            **({"ordinal_columns": list(self.ordinal)} if self.ordinal else {}),
        }

    def rows(self, texts: list[str], targets: NDArray[Any]) -> Any:
        """Return a Dataset of texts and their targets [N, H], class ids or numbers."""
        from datasets import Dataset

        values = dict(zip(self.names, targets.T, strict=True))
        if self.classes is None:
            return Dataset.from_dict({"text": texts, **{name: own.tolist() for name, own in values.items()}})
        named = {
            name: [str(classes[code]) for code in own.tolist()]
            for (name, own), classes in zip(values.items(), self.classes, strict=True)
        }
        return Dataset.from_dict({"text": texts, **named})

    def targets_of(self, targets: NDArray[Any], heads: Sequence[dict[str, Any]]) -> HeadTargets:
        """Return targets [N, H] as training has them, whose label ids are those of the heads."""
        found: dict[str, Targets | NumberTargets] = {}
        for number, head in enumerate(heads):
            own = targets[:, number]
            if self.classes is None:
                found[head["name"]] = NumberTargets(own)
            else:
                ids = [head["labels"].index(str(name)) if str(name) in head["labels"] else -1
                       for name in self.classes[number]]  # fmt: skip
                found[head["name"]] = Targets(np.array(ids)[own])
        missing = {name: np.zeros(len(targets), dtype=bool) for name in found}
        return HeadTargets(found, missing, {head["name"]: len(head["labels"]) for head in heads})

    def probabilities(self, found: dict[str, NDArray[Any]], deciders: Any) -> list[NDArray[np.float32]]:
        """Return the probabilities of each column in the order of its classes; 0 for one that was held out."""
        assert self.classes is not None
        parts = []
        for name, classes in zip(self.names, self.classes, strict=True):
            labels = deciders[name].labels
            part = np.zeros((len(found[name]), len(classes)), np.float32)
            for column, one in enumerate(classes):
                if str(one) in labels:
                    part[:, column] = found[name][:, labels.index(str(one))]
            parts.append(part)
        return parts


def head_of(columns: TargetColumns | None, column: str | None) -> dict[str, str]:
    """Return the argument that names the head of a column to a model with several.

    Raises:
        ValueError: y had no such column.
    """
    if columns is None:
        if column is not None:
            raise ValueError(f"column: got {column!r}, and y had one column; expected none; leave it out")
        return {}
    if column is None or column not in columns.names:
        hint = "" if column is None else nearest(str(column), columns.names)
        raise ValueError(f"column: got {column!r}; expected one of {listed(columns.names)}{hint}")
    return {"head": column}


def column_names(y: Any, count: int) -> list[str]:
    """Return the names of the columns of y: those of a DataFrame, or y0, y1 and so on.

    Raises:
        ValueError: two columns have one name, or one is called "text".
    """
    names = [str(name) for name in getattr(y, "columns", [f"y{number}" for number in range(count)])]
    if len(set(names)) != count or "text" in names:
        raise ValueError(f"y: got the columns {', '.join(names)}; expected distinct names, and none called 'text'")
    return names


def learn_columns(y: Any, values: NDArray[Any], ordinal: bool | Sequence[str] = False) -> TargetColumns:
    """Return the columns of classes [N, H].

    Args:
        y: As `fit` takes it.
        values: Classes [N, H].
        ordinal: True where each column has ordered levels, or the columns that have, as `ordinal_columns` names them.

    Raises:
        ValueError: a column has one class only, or no classes, or levels are of no column.
    """
    names, classes = column_names(y, values.shape[1]), []
    ordered = (names if ordinal else []) if isinstance(ordinal, bool) else list(ordinal)
    levels = read_ordinal_columns(ordered, names)
    for name, column in zip(names, values.T, strict=True):
        try:
            classes.append(learn_classes(np.array(column.tolist()), name in levels))
        except ValueError as error:
            raise ValueError(f"the column {name!r} of {error}") from None
    return TargetColumns(names, classes, ordered)


def codes_of_columns(values: NDArray[Any], columns: TargetColumns) -> NDArray[np.int64]:
    """Return the class ids [N, H] of classes [N, H].

    Raises:
        ValueError: a label is no class of its column, or there are more or fewer columns.
    """
    assert columns.classes is not None
    if values.ndim != 2 or values.shape[1] != len(columns.names):
        raise ValueError(f"y: got labels of shape {values.shape}; expected {len(columns.names)} columns of classes")
    parts = [
        class_codes(np.array(own.tolist()), classes) for own, classes in zip(values.T, columns.classes, strict=True)
    ]
    return np.stack(parts, axis=1)
