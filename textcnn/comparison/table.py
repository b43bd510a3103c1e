"""Tables of a comparison in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .advice import readable_bytes, readable_seconds
from .summary import Figures, Overall, Row

if TYPE_CHECKING:
    from rich.table import Table

MARK = "="


def tables(figures: Figures, titles: Mapping[str, str], ours: Sequence[str]) -> list[Table]:
    """Return the tables: figures of each classifier, and where there are several data sets, accuracy on each.

    Args:
        figures: The figures.
        titles: Name in tables by candidate.
        ours: Candidates that are textcnn.
    """
    found = []
    for per_class in figures.groups():
        rows, overall = figures.of(per_class), [one for one in figures.overall if one.per_class == per_class]
        data_sets = list(dict.fromkeys(row.data for row in rows))
        if len(data_sets) == 1:
            found.append(_one_data_set(rows, titles, ours, _headline(data_sets[0], per_class)))
        else:
            found += [
                _accuracies(rows, data_sets, overall, titles, ours, _headline("accuracy in %", per_class)),
                _averages(overall, titles, ours, _headline(f"averages over {len(data_sets)} data sets", per_class)),
            ]
    return found


def labels_text(per_class: int | None) -> str:
    """Return the number of labels in words."""
    return "all labels" if per_class is None else f"{per_class} labels of each class"


def _headline(what: str, per_class: int | None) -> str:
    return f"{what}, {labels_text(per_class)}"


def _table(headline: str, columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=headline, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=bool(position))
    return table


def _one_data_set(rows: Sequence[Row], titles: Mapping[str, str], ours: Sequence[str], headline: str) -> Table:
    table = _table(
        headline,
        ("classifier", "accuracy", "macro-F1", "ECE", "training", "texts/s", "size", "memory", "first label"),
    )
    for row in sorted(rows, key=lambda row: -(row.means["accuracy"] or 0.0)):
        means, error = row.means, row.means["calibration_error"]
        accuracy = _spread(row, "accuracy")
        table.add_row(
            titles[row.candidate],
            f"[bold]{accuracy}[/bold] {MARK}" if row.level else f"{accuracy}  ",
            _spread(row, "macro_f1"),
            "–" if error is None else f"{100 * error:.1f}",
            readable_seconds(means["train_seconds"] or 0),
            f"{means['texts_per_second'] or 0:,.0f}",
            readable_bytes(means["size"] or 0),
            readable_bytes(means["memory"] or 0),
            readable_seconds(means["first_label"] or 0),
            style="cyan" if row.candidate in ours else "",
        )
    return table


def _accuracies(
    rows: Sequence[Row], data_sets: Sequence[str], overall: Sequence[Overall], titles: Mapping[str, str],
    ours: Sequence[str], headline: str,
) -> Table:  # fmt: skip
    by_place = {(row.data, row.candidate): row for row in rows}
    order = [one.candidate for one in sorted(overall, key=lambda one: one.rank)]
    # Data sets in rows: there may be many, and the terminal is 80 columns wide.
    table = _table(
        headline, ["data set", *(titles[name].replace(" + ", " +\n").replace(", ", ",\n") for name in order)]
    )
    for data in data_sets:
        cells = []
        for name in order:
            row = by_place.get((data, name))
            value = "" if row is None else f"{100 * (row.means['accuracy'] or 0):.1f}"
            cells.append(f"[bold]{value}[/bold] {MARK}" if row is not None and row.level else f"{value}  ")
        table.add_row(data, *cells)
    return table


def _averages(overall: Sequence[Overall], titles: Mapping[str, str], ours: Sequence[str], headline: str) -> Table:
    table = _table(
        headline,
        ("classifier", "rank", "F1 rank", "accuracy", "macro-F1", "ECE", "win/level/loss", "training", "texts/s",
         "size", "memory", "first label"),
    )  # fmt: skip
    for one in sorted(overall, key=lambda one: one.rank):
        table.add_row(
            titles[one.candidate],
            f"{one.rank:.2f}",
            f"{one.macro_f1_rank:.2f}",
            f"[bold]{100 * one.accuracy:.1f}[/bold] {MARK}" if one.level else f"{100 * one.accuracy:.1f}  ",
            f"{100 * one.macro_f1:.1f}",
            "–" if one.calibration_error is None else f"{100 * one.calibration_error:.1f}",
            f"{one.wins}/{one.draws}/{one.losses}" if one.wins + one.draws + one.losses else "",
            readable_seconds(one.train_seconds),
            f"{one.texts_per_second:,.0f}",
            readable_bytes(one.size),
            readable_bytes(one.memory),
            readable_seconds(one.first_label),
            style="cyan" if one.candidate in ours else "",
        )
    return table


def _spread(row: Row, name: str) -> str:
    mean = f"{100 * (row.means[name] or 0):.1f}"
    return f"{mean} ± {100 * row.spread[name]:.1f}" if row.seeds > 1 else mean
