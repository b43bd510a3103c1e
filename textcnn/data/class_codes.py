"""Labels as scikit-learn has them, as class ids: any values, or an indicator matrix.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SEVERAL = (list, tuple, set, np.ndarray)
_LISTS_OF_LABELS = (
    "y: got lists of labels; expected one label a text, zeros and ones [N, C], or columns of classes [N, H]; "
    "for several labels a text use sklearn.preprocessing.MultiLabelBinarizer"
)


def read_classes(y: Any, count: int) -> NDArray[Any]:
    """Return labels as an array [N], zeros and ones [N, C], or columns of classes [N, H].

    Args:
        y: A list, array or Series of labels, an indicator matrix, or a table of labels.
        count: N.

    Raises:
        ValueError: there are not N labels, one is missing, or a text has a list of labels.
    """
    if y is None:
        raise ValueError("y: got None; this estimator requires y to be passed, but the target y is None")
    from pandas import isna

    # Of a list numpy would make text of a missing label, and refuse uneven lists in its own words.
    values = np.asarray(y, dtype=None if hasattr(y, "__array__") else object)
    if values.ndim == 2 and values.shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning

        warnings.warn("A column-vector y was passed when a 1d array was expected", DataConversionWarning, 4)
        values = values[:, 0]
    if values.ndim > 2:
        raise ValueError(
            f"y: got an array of shape {values.shape}; expected labels [N], zeros and ones [N, C], or columns of "
            "classes [N, H]"
        )
    if len(values) != count:
        raise ValueError(f"y: got {len(values)} labels for {count} texts; expected one each")
    missing = isna(values)
    if missing.any():
        first = np.argwhere(missing)[0]
        raise ValueError(
            f"y: got {values[tuple(first)]} at position {first[0]}; expected a label for every text, not None or "
            "NaN; drop the texts without one"
        )
    several = values.ndim == 2
    if values.dtype == object and not several and any(isinstance(label, _SEVERAL) for label in values):
        raise ValueError(_LISTS_OF_LABELS)
    if several and not is_indicator(values):
        # Of columns of several types numpy would make text.
        return np.asarray(y, dtype=object)
    values = np.asarray(y) if several else np.asarray(y).ravel()
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise ValueError("y: got infinity; expected classes or an indicator matrix")
    return values


def is_indicator(values: NDArray[Any]) -> bool:
    """Return True for zeros and ones [N, C], which are several labels a text, and not columns of classes."""
    return values.ndim == 2 and all(value in (0, 1) for value in np.unique(np.array(values.tolist())))


def learn_classes(values: NDArray[Any], ordered: bool = False) -> NDArray[Any]:
    """Return the classes of labels [N], sorted, or the numbers of the columns of an indicator matrix [N, C].

    Args:
        values: As `read_classes` returns them.
        ordered: The labels are levels, which may be fractions such as 2.5.

    Raises:
        ValueError: there is one class only, or the values are no classes.
    """
    from sklearn.utils.multiclass import type_of_target

    kind = type_of_target(values, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError(_LISTS_OF_LABELS)
    if kind not in ("binary", "multiclass", "multilabel-indicator", *(("continuous",) if ordered else ())):
        raise ValueError(f"y: got {kind} values; Unknown label type: expected classes or an indicator matrix")
    classes = np.arange(values.shape[1]) if values.ndim == 2 else np.unique(values)
    if len(classes) < 2:
        raise ValueError(f"y: got one class only, {classes.tolist()[0]!r}; expected at least two classes")
    return classes


def class_codes(values: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the class ids [N] of labels, or zeros and ones [N, C].

    Raises:
        ValueError: a label is no class.
    """
    if values.ndim == 2:
        return values.astype(np.int64)
    codes = np.searchsorted(classes, values)
    if (classes[np.minimum(codes, len(classes) - 1)] != values).any():
        raise ValueError("eval_set: got a label that y lacks; expected labels of y")
    return codes


def labelled_rows(texts: list[str], codes: NDArray[Any], names: list[str]) -> Any:
    """Return a Dataset with the columns `text` and `labels` of texts and their class ids, or zeros and ones."""
    from datasets import Dataset, Features, List, Value

    if codes.ndim == 1:
        return Dataset.from_dict({"text": texts, "labels": [names[i] for i in codes.tolist()]})
    labels = [[names[c] for c in np.flatnonzero(row).tolist()] for row in codes]
    features = Features({"text": Value("string"), "labels": List(Value("string"))})
    return Dataset.from_dict({"text": texts, "labels": labels}, features=features)
