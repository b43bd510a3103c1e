"""Which column holds the text and which the label: as named by the user, or found."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from .errors import DataError, listed, nearest
from .labels import is_text
from .names import LABEL_NAMES, TEXT_NAMES, by_name

_HEADER = " (the first line of a csv file names the columns)"


def find_text_column(table: pa.Table, wanted: str | None, where: str) -> str:
    """The column of the texts: `wanted`, else a usual name, else the one column that reads like
    text. table: some rows of the data. where: how to call the data in an error."""
    names = table.column_names
    if wanted is not None:
        _must_exist(wanted, names, "text", where)
        check_text(wanted, table.schema.field(wanted).type, where)
        return wanted
    found = by_name(TEXT_NAMES, names)
    texts = [name for name in found if _may_be_text(table.schema.field(name).type)]
    if texts:
        return texts[0]
    others = [name for name in names if is_text(table.schema.field(name).type) and not by_name(LABEL_NAMES, [name])]
    if not others and found:
        check_text(found[0], table.schema.field(found[0]).type, where)
    others.sort(key=lambda name: -_mean_length(table, name))
    if len(others) == 1:
        return others[0]
    if len(others) > 1 and _mean_length(table, others[0]) >= 2 * _mean_length(table, others[1]):
        return others[0]
    raise DataError(
        f"{where} has the columns {listed(names) or '(none)'}, of which "
        f"{'none is known' if not others else 'several could be'} to hold the texts; expected a "
        f"column such as 'text'; name it with text_column{_HEADER}"
    )


def find_label_column(table: pa.Table, wanted: str | None, text_column: str, where: str) -> str:
    """The column of the labels: `wanted`, else a usual name (`labels` before `label` where it
    holds lists, else after), else the one column beside the text's."""
    names = [name for name in table.column_names if name != text_column]
    if wanted is not None:
        _must_exist(wanted, table.column_names, "label", where)
        if wanted == text_column:
            raise DataError(
                f"{wanted!r} is both the text and the label column of {where}; expected two "
                "columns; name the other with text_column or label_column"
            )
        return wanted
    found = by_name(LABEL_NAMES, names)
    both = [name.lower() for name in found[:2]] == ["labels", "label"]
    if both and not pa.types.is_nested(table.schema.field(found[0]).type):
        found = found[1:]
    if found:
        return found[0]
    if len(names) == 1:
        return names[0]
    raise DataError(
        f"{where} has the columns {listed(table.column_names)}, of which none is known to hold the "
        f"labels; expected a column such as 'label'; name it with label_column{_HEADER}"
    )


def check_text(name: str, kind: pa.DataType, where: str) -> None:
    """Raises DataError where a column's arrow type is not that of strings."""
    if _may_be_text(kind):
        return
    held = "numbers" if pa.types.is_primitive(kind) else "lists or records"
    if pa.types.is_boolean(kind) or pa.types.is_temporal(kind):
        held = "values"
    raise DataError(
        f"the column {name!r} of {where} holds {held} ({kind}); expected texts; name the column "
        "of the texts with text_column"
    )


def _may_be_text(kind: pa.DataType) -> bool:
    return is_text(kind) or bool(pa.types.is_null(kind))


def _must_exist(wanted: str, names: Sequence[str], role: str, where: str) -> None:
    if wanted not in names:
        raise DataError(
            f"{where} has no column {wanted!r}{nearest(wanted, names)}; its columns are "
            f"{listed(names) or '(none)'}; name one of these with {role}_column"
        )


def _mean_length(table: pa.Table, name: str) -> float:
    mean = pc.mean(pc.utf8_length(table.column(name).slice(0, 1_000).cast(pa.large_string())))
    return float(mean.as_py() or 0.0)
