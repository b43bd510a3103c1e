"""Checks of the settings that name several label columns, and the kind of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import DataError, nearest

# The setting that names the columns of a problem type among several.
_SETTINGS = {"regression": "numbers in regression_columns", "ordinal": "ordered levels in ordinal_columns"}


def read_ordinal_columns(entries: Iterable[str], names: Sequence[str]) -> dict[str, list[str] | None]:
    """Return the levels of each column of ordered levels in their order, None where their numbers order them.

    Args:
        entries: Names of columns, or COLUMN:LEVEL,LEVEL,... from the lowest level to the highest.
        names: All label columns.

    Example:
        >>> read_ordinal_columns(["stars", "severity:low,middle,high"], ["stars", "severity", "topic"])
        {'stars': None, 'severity': ['low', 'middle', 'high']}

    Raises:
        DataError: there is no such column, a column is named twice, or its levels are fewer than two or not distinct.
    """
    found: dict[str, list[str] | None] = {}
    for entry in entries:
        name, levels = entry, None
        if entry not in names and ":" in entry:
            name, _, listed = entry.partition(":")
            levels = [level.strip() for level in listed.split(",")]
            if len(levels) < 2 or len(set(levels)) != len(levels) or not all(levels):
                raise DataError(
                    f"ordinal_columns: got {entry!r}; expected two or more different levels after the column, from the "
                    f"lowest to the highest, such as {name}:low,middle,high"
                )
        if name not in names:
            raise DataError(
                f"ordinal_columns: got {name!r}; expected some of label_columns, {', '.join(names)}"
                f"{nearest(name, names)}"
            )
        if name in found:
            raise DataError(f"ordinal_columns: got {name!r} twice; expected each column once; leave one out")
        found[name] = levels
    return found


def check_label_columns(
    names: list[str], others: Mapping[str, Any], numbers: list[str], levels: Mapping[str, list[str] | None]
) -> None:
    """Raise DataError where several label columns, and the kinds of some of them, cannot be taken together.

    Args:
        names: The label columns.
        others: Settings of one label column, by name.
        numbers: Columns of numbers.
        levels: Columns of ordered levels.
    """
    if len(names) < 2 or len(set(names)) != len(names):
        raise DataError(
            f"label_columns: got {', '.join(map(repr, names)) or 'none'}; expected two or more different columns; "
            "name one column with label_column"
        )
    for other, value in others.items():
        if value is not None:
            kind = _SETTINGS.get(value) if isinstance(value, str) else None
            named = f"; name columns of {kind}" if kind else ""
            raise DataError(
                f"{other}: got {value!r} with label_columns, whose tasks and labels are found from each column; "
                f"expected none; leave out {other}, or train a model of one column{named}"
            )
    for name in numbers:
        if name not in names:
            raise DataError(
                f"regression_columns: got {name!r}; expected some of label_columns, {', '.join(names)}"
                f"{nearest(name, names)}"
            )
        if name in levels:
            raise DataError(
                f"ordinal_columns: got {name!r}, which is in regression_columns, too; expected it in one of them, as "
                "levels are not predicted as numbers; leave it out of the other"
            )


def refuse_without_label_columns(numbers: Sequence[str] | None, levels: Sequence[str] | None) -> None:
    """Raise DataError where columns of numbers, or of levels, are named without label_columns."""
    for setting, names, kind, problem in (
        ("regression_columns", numbers, "numbers", "regression"),
        ("ordinal_columns", levels, "levels", "ordinal"),
    ):
        if names is not None:
            raise DataError(
                f"{setting}: got {', '.join(names)} without label_columns; expected some of its columns; for one "
                f"column of {kind}, set label_column and problem_type {problem}"
            )
