"""Figures of a comparison: means and spreads over seeds, ranks, and differences that are more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from .cells import Cell

LEVEL = 0.95
COSTS = ("train_seconds", "size", "texts_per_second", "first_label", "memory")
MEASURES = ("accuracy", "macro_f1", "calibration_error", *COSTS)


@dataclass(frozen=True)
class Row:
    """One classifier on one data set.

    Args:
        data: Name of the data set.
        candidate: Name of the classifier.
        per_class: Labelled texts of each class, or None for all.
        seeds: Number of fits.
        means: Mean of each measure over the fits; None where it has none.
        spread: Standard deviation of accuracy and macro_f1 over the fits.
        rank: Rank by accuracy on this data set, 1 for the best; equals share a mean rank.
        behind: Accuracy of the best classifier minus this one's.
        interval: 95 % interval of `behind`, by a paired bootstrap of the test texts.
        level: The interval holds 0: the difference may be chance.
    """

    data: str
    candidate: str
    per_class: int | None
    seeds: int
    means: dict[str, float | None]
    spread: dict[str, float]
    rank: float = 0.0
    behind: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    level: bool = True


@dataclass(frozen=True)
class Overall:
    """One classifier over all data sets with the same number of labels.

    Args:
        candidate: Name of the classifier.
        per_class: Labelled texts of each class, or None for all.
        data_sets: Number of data sets that it was fitted on.
        accuracy, macro_f1, calibration_error: Means over data sets.
        rank: Mean rank by accuracy.
        macro_f1_rank: Mean rank by macro-F1.
        texts_per_second, size, memory, train_seconds, first_label: Geometric means over data sets.
        wins, draws, losses: Data sets on which textcnn's default is better than this classifier, level with it, or
            worse, by the paired bootstrap.
        behind: Mean accuracy of the best classifier minus this one's.
        interval: 95 % interval of `behind`.
        level: The interval holds 0.
    """

    candidate: str
    per_class: int | None
    data_sets: int
    accuracy: float
    macro_f1: float
    calibration_error: float | None
    rank: float
    macro_f1_rank: float
    texts_per_second: float
    size: float
    memory: float
    train_seconds: float
    first_label: float
    wins: int = 0
    draws: int = 0
    losses: int = 0
    behind: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    level: bool = True


@dataclass
class Figures:
    """Everything that tables and page show."""

    rows: list[Row] = field(default_factory=list)
    overall: list[Overall] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"rows": [asdict(row) for row in self.rows], "overall": [asdict(one) for one in self.overall]}

    def groups(self) -> list[int | None]:
        """Return the numbers of labels a class, all first."""
        return list(dict.fromkeys(row.per_class for row in self.rows))

    def of(self, per_class: int | None) -> list[Row]:
        """Return the rows with a number of labels a class."""
        return [row for row in self.rows if row.per_class == per_class]


def summarize(cells: Sequence[Cell], ours: str, resamples: int = 1000) -> Figures:
    """Return the figures of cells.

    Args:
        cells: All cells, in the order of the tables.
        ours: Candidate that the others win or lose against.
        resamples: Bootstrap resamples.
    """
    figures = Figures()
    for per_class in sorted({cell.per_class for cell in cells}, key=lambda few: (few is not None, few or 0)):
        some = [cell for cell in cells if cell.per_class == per_class]
        rows: list[Row] = []
        hits: dict[tuple[str, str], NDArray[np.float64]] = {}
        for data in dict.fromkeys(cell.data for cell in some):
            here = [cell for cell in some if cell.data == data]
            own = [_row(group) for group in _by_candidate(here)]
            hits |= {(data, group[0].candidate): mean_hits(group) for group in _by_candidate(here)}
            rows += _ranked(own, {row.candidate: hits[data, row.candidate] for row in own}, resamples)
        figures.rows += rows
        figures.overall += _overall(rows, hits, ours, resamples)
    return figures


def mean_hits(cells: Sequence[Cell]) -> NDArray[np.float64]:
    """Return the share of the fits that label each test text rightly, [N]."""
    return np.mean([cell.hits for cell in cells], axis=0, dtype=np.float64)


def paired_interval(
    better: Sequence[NDArray[np.float64]], worse: Sequence[NDArray[np.float64]], resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the mean over data sets of the difference in accuracy.

    The same texts are drawn for both classifiers, with replacement, from each data set.

    Args:
        better, worse: Share of the fits that label each test text rightly, one array [N] for each data set.
        resamples: Resamples.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    means = np.zeros(resamples)
    for one, other in zip(better, worse, strict=True):
        # The differences have few values, so that drawing how often each occurs is drawing the texts.
        values, number = np.unique(np.round(one - other, 9), return_counts=True)
        drawn = rng.multinomial(len(one), number / len(one), size=resamples)
        means += drawn @ values / len(one) / len(better)
    outside = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, [outside, 100 - outside])
    return float(low), float(high)


def _by_candidate(cells: Sequence[Cell]) -> list[list[Cell]]:
    return [[cell for cell in cells if cell.candidate == name] for name in dict.fromkeys(c.candidate for c in cells)]


def _row(cells: Sequence[Cell]) -> Row:
    means: dict[str, float | None] = {}
    for name in MEASURES:
        values = [getattr(cell, name) for cell in cells]
        means[name] = None if any(value is None for value in values) else fmean(values)
    spread = {
        name: stdev([getattr(cell, name) for cell in cells]) if len(cells) > 1 else 0.0
        for name in ("accuracy", "macro_f1")
    }
    return Row(cells[0].data, cells[0].candidate, cells[0].per_class, len(cells), means, spread)


def _ranked(rows: list[Row], hits: dict[str, NDArray[np.float64]], resamples: int) -> list[Row]:
    accuracies = np.array([row.means["accuracy"] for row in rows], dtype=np.float64)
    best = hits[rows[int(accuracies.argmax())].candidate]
    ranks = rankdata(-np.round(accuracies, 9))
    ranked = []
    for row, rank, accuracy in zip(rows, ranks, accuracies, strict=True):
        low, high = paired_interval([best], [hits[row.candidate]], resamples)
        ranked.append(
            Row(**{**vars(row), "rank": float(rank), "behind": float(accuracies.max() - accuracy),
                   "interval": (low, high), "level": low <= 0}),
        )  # fmt: skip
    return ranked


def _overall(
    rows: list[Row], hits: dict[tuple[str, str], NDArray[np.float64]], ours: str, resamples: int
) -> list[Overall]:
    data_sets = list(dict.fromkeys(row.data for row in rows))
    by_place = {(row.data, row.candidate): row for row in rows}
    f1_ranks: dict[tuple[str, str], float] = {}
    for data in data_sets:
        here = [row for row in rows if row.data == data]
        ranks = rankdata([-round(row.means["macro_f1"] or 0.0, 9) for row in here])
        f1_ranks |= {(data, row.candidate): float(rank) for row, rank in zip(here, ranks, strict=True)}
    found = []
    for candidate in dict.fromkeys(row.candidate for row in rows):
        own = [row for row in rows if row.candidate == candidate]
        compared: dict[str, Any] = {"wins": 0, "draws": 0, "losses": 0}
        for row in own:
            if candidate != ours and (row.data, ours) in by_place:
                low, high = paired_interval([hits[row.data, ours]], [hits[row.data, candidate]], resamples)
                compared["wins" if low > 0 else "losses" if high < 0 else "draws"] += 1
        costs: dict[str, Any] = {name: _geometric(own, name) for name in COSTS}
        errors = [row.means["calibration_error"] for row in own]
        found.append(
            Overall(
                candidate, own[0].per_class, len(own),
                accuracy=_mean(own, "accuracy"), macro_f1=_mean(own, "macro_f1"),
                calibration_error=None if None in errors else fmean([error or 0.0 for error in errors]),
                rank=fmean(row.rank for row in own),
                macro_f1_rank=fmean(f1_ranks[row.data, candidate] for row in own),
                **costs,
                **compared,
            )
        )  # fmt: skip
    # Those that were fitted on every data set can be the best of all.
    complete = [one for one in found if one.data_sets == len(data_sets)] or found
    best = max(complete, key=lambda one: one.accuracy)
    finished = []
    for one in found:
        shared = [data for data in data_sets if (data, one.candidate) in hits and (data, best.candidate) in hits]
        low, high = paired_interval(
            [hits[data, best.candidate] for data in shared], [hits[data, one.candidate] for data in shared], resamples
        )
        behind = fmean(float(hits[data, best.candidate].mean() - hits[data, one.candidate].mean()) for data in shared)
        finished.append(Overall(**{**vars(one), "behind": behind, "interval": (low, high), "level": low <= 0}))
    return finished


def _mean(rows: Sequence[Row], name: str) -> float:
    return fmean(row.means[name] or 0.0 for row in rows)


def _geometric(rows: Sequence[Row], name: str) -> float:
    return float(np.exp(fmean(float(np.log(max(row.means[name] or 0.0, 1e-9))) for row in rows)))
