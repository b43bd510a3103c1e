"""The study of a search: a journal in the output directory, which a search that was stopped goes on with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import optuna

from ..errors import one_line
from ..settings import ArchitectureSettings, DataSettings, OptimizationSettings, RunSettings, TuneSettings
from ..settings.search import Axis

JOURNAL = "study.journal"
# Epochs after which two thirds of the trials are stopped, then two thirds of the others.
PRUNER = {"min_resource": 2, "reduction_factor": 3}


def open_study(output: Path, settings: TuneSettings, space: Mapping[str, Axis]) -> optuna.Study:
    """Return the study of a directory, a new one or the one that was stopped.

    Raises:
        ValueError: The directory holds the search of other settings.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    output.mkdir(parents=True, exist_ok=True)
    journal = output / JOURNAL
    _remove_half_line(journal)
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))), study_name="textcnn", load_if_exists=True,
            direction="maximize", pruner=optuna.pruners.SuccessiveHalvingPruner(**PRUNER),
            sampler=optuna.samplers.TPESampler(seed=settings.seed, multivariate=False, n_startup_trials=8),
        )  # fmt: skip
        len(study.trials)
    except Exception as error:  # whatever a damaged line provokes in Optuna
        raise ValueError(
            f"output: {journal} is damaged ({one_line(error, 100) or type(error).__name__}); expected the journal of a "
            "search; give another output, or force=True (--force) to search anew"
        ) from error
    facts = _facts(settings, space)
    before = study.user_attrs.get("facts")
    if before is not None and before != facts:
        changed = sorted(name for name in facts if facts[name] != before.get(name))
        raise ValueError(
            f"output: {output} holds a search with other settings ({', '.join(changed)}); expected the same ones to "
            "go on; give another output, or force=True (--force)"
        )
    study.set_user_attr("facts", facts)
    # Another process would draw the same settings again.
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials), n_startup_trials=8)
    return study


def _remove_half_line(journal: Path) -> None:
    """Remove a line that a killed process did not finish: Optuna would write the next one behind it, as one line."""
    content = journal.read_bytes() if journal.is_file() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(journal, whole)


def _facts(settings: TuneSettings, space: Mapping[str, Axis]) -> dict[str, str]:
    groups = (DataSettings, ArchitectureSettings, OptimizationSettings, RunSettings)
    values = {name: value for group in groups for name, value in settings.part(group).items()}
    for name in ("progress", "callbacks"):
        values.pop(name)
    data = settings.data if isinstance(settings.data, (str, Path)) else "data in memory"
    values |= {"data": str(data), "metric": settings.metric, "budget": settings.budget, "space": space}
    values["min_speed"] = settings.min_speed
    return {name: json.dumps(value, default=str, sort_keys=True) for name, value in values.items()}
