"""The columns of texts and labels: as named by the user, as a model was trained, or found.

One rule for every verb, over the first rows of the data. Needs the standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import DataError, listed, nearest
from .names import LABEL_NAMES, TEXT_NAMES, by_name

HEAD_ROWS = 1_000  # rows that decide
_HEADER = " (the first line of a csv file names the columns)"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")

Head = Mapping[str, Sequence[Any]]


def head_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the columns of some rows, of which each may lack some."""
    rows = list(rows)
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}


def find_text_column(head: Head, wanted: str | None, where: str, trained_on: str | None = None) -> str:
    """Return the name of the column of the texts.

    It is the one wanted; else the one a model was trained on, if the data has it; else one with a usual name; else the
    only one that holds text, or the one whose texts are at least twice as long as those of any other.

    Args:
        head: The first rows, by column.
        wanted: Name given by the user.
        where: Name of the data, for messages.
        trained_on: Name of the column of a model's training texts.

    Raises:
        DataError: there is no such column, it holds no text, or none can be chosen.
    """
    names = list(head)
    wanted = wanted if wanted is not None or trained_on not in names else trained_on
    if wanted is not None:
        _must_exist(wanted, names, "text", where)
        check_text(wanted, head[wanted], where)
        return wanted
    known = by_name(TEXT_NAMES, names)
    texts = [name for name in known if holds(head[name]) in ("text", "nothing")]
    if texts:
        return texts[0]
    labels = by_name(LABEL_NAMES, names)
    others = [name for name in names if name not in labels and holds(head[name]) == "text"]
    if len(names) > 1:
        others = [name for name in others if not _all_numbers(head[name])] or others
    if not others and known:
        check_text(known[0], head[known[0]], where)
    length = {name: _mean_length(head[name]) for name in others}
    others.sort(key=lambda name: -length[name])
    if len(others) == 1 or (len(others) > 1 and length[others[0]] >= 2 * length[others[1]]):
        return others[0]
    if len(names) == 1 and holds(head[names[0]]) == "nothing":
        return names[0]
    raise DataError(
        f"{where} has the columns {listed(names) or '(none)'}, of which "
        f"{'none is known' if not others else 'several could be'} to hold the texts; expected a "
        f"column such as 'text'; name it with text_column{_HEADER}"
    )


def find_label_column(
    head: Head, wanted: str | None, text_column: str, where: str, trained_on: str | None = None
) -> str:
    """Return the name of the column of the labels.

    It is the one wanted; else the one a model was trained on, if the data has it; else one with a usual name (`labels`
    before `label` where it holds lists, else after); else the only column beside that of the texts.

    Args:
        head: The first rows, by column.
        wanted: Name given by the user.
        text_column: Name of the column of the texts.
        where: Name of the data, for messages.
        trained_on: Name of the column of a model's training labels.

    Raises:
        DataError: there is no such column, it is that of the texts, or none can be chosen.
    """
    names = [name for name in head if name != text_column]
    if wanted is not None:
        _must_exist(wanted, list(head), "label", where)
        if wanted == text_column:
            raise DataError(
                f"{wanted!r} is both the text and the label column of {where}; expected two "
                "columns; name the other with text_column or label_column"
            )
        return wanted
    if trained_on in names:
        return trained_on
    found = by_name(LABEL_NAMES, names)
    both = [name.lower() for name in found[:2]] == ["labels", "label"]
    if both and holds(head[found[0]]) != "lists or records":
        found = found[1:]
    if found:
        return found[0]
    if len(names) == 1:
        return names[0]
    raise DataError(
        f"{where} has the columns {listed(list(head))}, of which none is known to hold the "
        f"labels; expected a column such as 'label'; name it with label_column{_HEADER}"
    )


def check_text(name: str, values: Iterable[Any], where: str) -> None:
    """Raise DataError if a column holds anything but strings."""
    values = list(values)
    held = holds(values)
    if held not in ("text", "nothing"):
        row, value = next((i, v) for i, v in enumerate(values, 1) if v is not None and not isinstance(v, str))
        raise DataError(
            f"the column {name!r} of {where} holds {held} ({value!r:.40} in row {row:,}); expected texts; name the "
            "column of the texts with text_column"
        )


def holds(values: Iterable[Any]) -> str:
    """Return the kind of the values of a column: text, numbers, lists or records, values, or nothing."""
    present = [value for value in values if value is not None]
    if not present:
        return "nothing"
    if all(isinstance(value, str) for value in present):
        return "text"
    other = next(value for value in present if not isinstance(value, str))
    if isinstance(other, list | tuple | dict) or hasattr(other, "tolist"):
        return "lists or records"
    return "numbers" if isinstance(other, int | float) and not isinstance(other, bool) else "values"


def _all_numbers(values: Iterable[str | None]) -> bool:
    return all(_NUMBER.fullmatch(value) for value in values if value is not None)


def _must_exist(wanted: str, names: Sequence[str], role: str, where: str) -> None:
    if wanted not in names:
        raise DataError(
            f"{where} has no column {wanted!r}{nearest(wanted, names)}; its columns are "
            f"{listed(names) or '(none)'}; name one of these with {role}_column"
        )


def _mean_length(values: Iterable[str | None]) -> float:
    lengths = [len(value) for value in values if value is not None]
    return sum(lengths) / max(1, len(lengths))
