"""`compare`: textcnn beside other classifiers on a user's own data."""

from __future__ import annotations

import gc
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.errors import DataError
from ..data.headed import refuse_label_columns
from ..data.numbers import refuse_numbers
from ..runtime.storage import write_text
from ..settings import CompareSettings, takes
from ..settings.durations import read_seconds
from .advice import advise, percent, readable_seconds
from .candidates import OURS, Candidate, find_candidates
from .cells import Cell, CellStore, compute
from .page import write_page, write_picture
from .peers import Resources
from .splits import Splits, few_labels, find_data_sets, read_splits
from .summary import Figures, summarize

RESULTS, PAGE, PICTURE, CELLS = "comparison.json", "comparison.html", "comparison.svg", "cells"


@dataclass
class Comparison:
    """Results of a comparison.

    Args:
        figures: Means, spreads, ranks and differences.
        advice: One sentence for each number of labels.
        titles: Name in tables by candidate.
        ours: Candidates that are textcnn.
        data_sets: Facts read from each data set.
        missing: Reason by title of each classifier that could not take part.
        failed: Reason of each fit that failed.
        unfinished: Fits that the time limit left out.
        page: HTML page that was written.
    """

    figures: Figures
    advice: dict[str, str]
    titles: dict[str, str]
    ours: list[str]
    data_sets: list[dict[str, Any]]
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unfinished: int = 0
    page: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        names = ("advice", "titles", "ours", "data_sets", "missing", "failed", "unfinished")
        page = None if self.page is None else str(self.page)
        return {**{name: getattr(self, name) for name in names}, "page": page, **self.figures.to_dict()}


@takes(CompareSettings)
def compare(settings: CompareSettings) -> Comparison:
    """Fit textcnn and other classifiers on the same splits and compare accuracy, calibration, speed, size and memory.

    The results are in `output`: comparison.html, comparison.svg, comparison.json and a file for each fit. A fit whose
    file is there is not done again. `textcnn.CompareSettings` documents the settings.

    Example:
        >>> textcnn.compare("reviews.csv", peers=["tfidf_logistic", "fasttext"]).advice["all labels"]
        'Use textcnn: ...'

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The data cannot be learnt from, nothing could be fitted, or a setting cannot be used.
    """
    refuse_numbers(settings.problem_type, "compare")
    refuse_label_columns(settings.label_columns, "compare")
    output = Path(settings.output)
    if output.is_file():
        raise ValueError(f"output: got the file {output}; expected a directory; give another name")
    resources = Resources(
        encoder=None if settings.encoder is None else str(settings.encoder),
        static_model=None if settings.static_model is None else str(settings.static_model),
        transformer=None if settings.transformer is None else str(settings.transformer),
        fasttext_seconds=settings.fasttext_seconds,
        scratch=output / "scratch",
    )
    candidates, missing = find_candidates(settings, resources)
    for title, reason in missing.items():
        note(f"left out: {title} ({reason})")
    titles = {candidate.name: candidate.title for candidate in candidates}
    names = set(settings.redo)
    if unknown := names - set(titles):
        raise ValueError(f"redo: got {', '.join(sorted(unknown))}; expected names among {', '.join(titles)}")
    store = CellStore(output / CELLS, None if settings.force else names)
    run = _Run(settings, store, candidates)
    try:
        cells = run.cells()
    finally:
        shutil.rmtree(resources.scratch, ignore_errors=True)
    if not cells:
        raise ValueError(f"nothing could be fitted: {'; '.join(run.failed.values()) or 'the time limit was too short'}")
    # Cells come data set by data set; tables show candidates in one order.
    position = {candidate.name: number for number, candidate in enumerate(candidates)}
    cells.sort(key=lambda cell: position[cell.candidate])
    cells.sort(key=lambda cell: list(run.data_sets).index(cell.data))
    ours = [candidate.name for candidate in candidates if candidate.ours]
    figures = summarize(cells, OURS if OURS in ours else ours[0], settings.resamples)
    found = Comparison(
        figures, _advice(figures, titles), titles, ours, list(run.data_sets.values()), missing, run.failed,
        run.unfinished,
    )  # fmt: skip
    found.page = write_page(output / PAGE, found)
    write_picture(output / PICTURE, found)
    write_text(output / RESULTS, json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n")
    return found


class _Run:
    """Fits of a comparison, including finished ones."""

    def __init__(self, settings: CompareSettings, store: CellStore, candidates: list[Candidate]) -> None:
        self.settings, self.store, self.candidates = settings, store, candidates
        self.data_sets: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}
        self.unfinished = 0
        limit = settings.time_limit
        self._end = None if limit is None else time.monotonic() + read_seconds("time_limit", limit)

    def cells(self) -> list[Cell]:
        """Return all cells, the first seed of each data set first, so that an interrupted run has a table."""
        found = []
        several = find_data_sets(self.settings.data)
        for name, data in several.items():
            try:
                splits = read_splits(name, data, self.settings, self.settings.limit)
            except DataError as error:
                if len(several) == 1:
                    raise
                self._fail(name, error)
                continue
            self.data_sets[name] = _description(splits)
            note(_line_of(splits))
            for candidate, drawn, seed, per_class in self._plan(splits):
                path = self.store.path(drawn, candidate, seed, per_class)
                cell = self.store.get(path, candidate)
                if cell is None:
                    if self._end is not None and time.monotonic() > self._end:
                        self.unfinished += 1
                        continue
                    cell = self._compute(path, drawn, candidate, seed, per_class)
                if cell is not None:
                    found.append(cell)
        if self.unfinished:
            note(f"the time limit left out {self.unfinished} fits; run the command again to go on")
        return found

    def _plan(self, splits: Splits) -> Iterator[tuple[Candidate, Splits, int, int | None]]:
        for few in self.settings.per_class:
            for seed in range(self.settings.seeds):
                drawn = few_labels(splits, few, seed) if few else splits
                for candidate in self.candidates:
                    if not few and (candidate.peer.few_labels_only or (seed and not candidate.peer.seeded)):
                        continue
                    yield candidate, drawn, seed, few or None

    def _compute(
        self, path: Path, splits: Splits, candidate: Candidate, seed: int, per_class: int | None
    ) -> Cell | None:
        place = f"{splits.name}  {candidate.title}{f'  {per_class} per class' if per_class else ''}  seed {seed}"
        try:
            cell = compute(splits, candidate, seed, per_class)
        except (ValueError, RuntimeError, OSError, MemoryError, ImportError) as error:
            # One classifier that this data is too much for is no reason to lose the others.
            self._fail(place, error)
            return None
        finally:
            gc.collect()
        self.store.put(path, cell)
        note(f"{place}: accuracy {percent(cell.accuracy)}, trained in {readable_seconds(cell.train_seconds)}")
        return cell

    def _fail(self, place: str, error: Exception) -> None:
        self.failed[place] = " ".join(str(error).split())[:300] or type(error).__name__
        note(f"{place}: failed: {self.failed[place]}")


def note(line: str) -> None:
    """Print a line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)


def _advice(figures: Figures, titles: dict[str, str]) -> dict[str, str]:
    from .table import labels_text

    return {
        labels_text(few): advise([one for one in figures.overall if one.per_class == few], titles)
        for few in figures.groups()
    }


def _description(splits: Splits) -> dict[str, Any]:
    return {
        "name": splits.name, "classes": len(splits.labels), "train": len(splits.train),
        "validation": 0 if splits.validation is None else len(splits.validation), "test": len(splits.test),
        "multi_label": splits.multi_label, "note": splits.note,
    }  # fmt: skip


def _line_of(splits: Splits) -> str:
    facts = _description(splits)
    rows = ", ".join(f"{role} {facts[role]:,}" for role in ("train", "validation", "test"))
    return f"{splits.name}: {facts['classes']} classes; {rows}" + (f" ({splits.note})" if splits.note else "")
