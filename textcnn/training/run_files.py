"""Files of a run beside its artifact: config.yaml, its settings, and held_out.jsonl.gz, its validation rows.

With them a run can be scored, calibrated and continued, from Python or the command line, whatever became of the
training data and of the folder it was started in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.io.writers import open_writer
from ..data.numbers import REGRESSION
from ..runtime.storage import write_text

if TYPE_CHECKING:
    from ..data import TextDataModule

CONFIG_FILE = "config.yaml"
HELD_OUT_FILE = "held_out.jsonl.gz"
# Calibration needs no more; a test split of millions is no part of a model.
MOST_HELD_OUT = 10_000

_MISSING = object()


def write_config(
    output_dir: str | Path,
    seed: int,
    data: Mapping[str, Any],
    architecture: Mapping[str, Any],
    module: Mapping[str, Any],
    trainer: Mapping[str, Any],
    early_stopping: Mapping[str, Any] | None = None,
) -> None:
    """Write the settings of a run as `textcnn fit --config` reads them.

    Paths become absolute. Values that YAML cannot hold, such as data in memory, are left out.

    Args:
        output_dir: Folder of the run.
        seed: Seed of everything random.
        data: Arguments of TextDataModule.
        architecture: Arguments of Architecture.
        module: Arguments of the training module.
        trainer: Arguments of Lightning's Trainer.
        early_stopping: Arguments of EarlyStopping.
    """
    import yaml

    folder = Path(output_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    sections = {
        "seed_everything": seed,
        "output_dir": str(folder),
        "data": absolute_paths(data),
        "model": {"architecture": dict(architecture), **module},
        "trainer": trainer,
        **({"early_stopping": early_stopping} if early_stopping else {}),
    }
    write_text(folder / CONFIG_FILE, yaml.safe_dump(plain(sections), sort_keys=False, allow_unicode=True))


def absolute_paths(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of TextDataModule with absolute paths, so that they hold in every folder."""
    changed = dict(data)
    if not isinstance(changed.get("path"), str | os.PathLike):
        changed.pop("path", None)  # data in memory
    for name in ("path", "tokenizer", "vectors", "predict_path"):
        value = changed.get(name)
        if isinstance(value, list | tuple):
            changed[name] = [_absolute(item) for item in value]
        elif value is not None:
            changed[name] = _absolute(value)
    return changed


def _absolute(value: Any) -> Any:
    if not isinstance(value, str | os.PathLike):
        return value
    path = Path(value).expanduser()
    try:
        return str(path.absolute()) if str(value) and path.exists() else str(value)
    except OSError:  # longer than a name can be
        return str(value)


def write_held_out(output_dir: str | Path, data: TextDataModule) -> None:
    """Write the validation rows of a run, at most MOST_HELD_OUT, and remove those of an earlier run."""
    path = Path(output_dir) / HELD_OUT_FILE
    texts, targets = data.validation_rows(MOST_HELD_OUT)
    if not texts:
        path.unlink(missing_ok=True)
        return
    if data.heads is None:
        columns = {"label": _named(targets, data.labels, data.problem_type == REGRESSION)}
    else:
        columns = {
            head["name"]: _named(targets[head["name"]], head["labels"], head["problem_type"] == REGRESSION)
            for head in data.heads
        }
    text = "text" if data.heads is None else data.columns[0]
    rows = [
        {text: one, **dict(zip(columns, own, strict=True))} for one, *own in zip(texts, *columns.values(), strict=True)
    ]
    with open_writer(str(path), "jsonl") as writer:
        writer.write(rows)


def _named(targets: np.ndarray, labels: Sequence[str], numbers: bool = False) -> list[Any]:
    """Return targets as a file holds them: numbers, labels, or lists of labels; None for a row without one."""
    if numbers:
        # Of float32 the shortest decimal, not its digits in float64.
        return [None if np.isnan(target) else float(str(target)) for target in targets]
    if targets.ndim == 2:
        return [None if np.isnan(row).any() else [labels[c] for c in np.flatnonzero(row)] for row in targets]
    return [labels[target] if 0 <= target < len(labels) else None for target in targets.tolist()]


def plain(value: Any) -> Any:
    """Return a value as YAML holds it; _MISSING for what it cannot hold, which is left out of mappings."""
    if isinstance(value, Mapping):
        values = {str(name): plain(item) for name, item in value.items()}
        return {name: item for name, item in values.items() if item is not _MISSING}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return _MISSING if _MISSING in items else items
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else _MISSING
