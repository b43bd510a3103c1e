"""Existing outputs: refused, or replaced on request."""

from __future__ import annotations

import shutil
from pathlib import Path

# What a run writes into its directory; nothing else is ever removed from it.
RUN_FILES = (
    "config.json", "config.yaml", "model.safetensors", "folded.safetensors", "model.onnx", "tokenizer.json",
    "tokenizer_config.json", "README.md", "training_curve.svg", "scores.json", "distillation.json",
    "predictions.parquet",
)  # fmt: skip
RUN_FOLDERS = ("checkpoints", "logs")


def check_output(path: str | Path, force: bool = False) -> Path:
    """Return the path of a file to write, if no file is lost by it.

    Raises:
        ValueError: The file is there, and `force` is False; or it is a directory.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"output: got the directory {path}; expected a file to write; give its name")
    if path.is_file() and not force:
        raise ValueError(
            f"output: {path} is there already; expected a new file; give another name, or force=True (--force)"
        )
    return path


def begin_output(directory: str | Path, force: bool = False) -> Path:
    """Return the directory of a run; a finished run in it is removed where `force` is True.

    An unfinished run is left as it is, because it can be taken up again.

    Raises:
        ValueError: The directory holds a finished run, and `force` is False; or it is a file.
    """
    directory = Path(directory)
    if directory.is_file():
        raise ValueError(f"output: got the file {directory}; expected a directory; give another name")
    if not (directory / "config.json").is_file() and not (directory / "model.safetensors").is_file():
        return directory
    if not force:
        raise ValueError(
            f"output: {directory} holds a model already; expected a new directory; give another output, or "
            "force=True (--force) to replace the model"
        )
    for name in RUN_FILES:
        (directory / name).unlink(missing_ok=True)
    for name in RUN_FOLDERS:
        shutil.rmtree(directory / name, ignore_errors=True)
    return directory
