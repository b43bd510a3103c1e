"""One training run from Python: `train` puts data, module and Lightning's Trainer together and saves the result.

The command line (`textcnn fit`) uses the same pieces, defaults and ending.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from ..artifact import TrainingRecord, save_artifact
from ..data import TextDataModule
from ..model import Architecture
from ..vectors import base_model
from .base import TrainingModule
from .best_checkpoint import AUTO, BestCheckpoint, EarlyStopping
from .classification import ClassificationModule
from .interrupt import StopNote, continue_command, keyboard_stops
from .progress import is_interactive, progress_callbacks
from .resume import checkpoint_directory, last_checkpoints
from .run_files import write_config, write_held_out

if TYPE_CHECKING:
    from ..runtime.classifier import TextClassifier

MONITOR = {"monitor": AUTO, "mode": "max"}
# Checked after validations only: a run that has none goes on to its last epoch.
EARLY_STOPPING: dict[str, Any] = {**MONITOR, "patience": 5, "check_on_train_epoch_end": False}
CHECKPOINT: dict[str, Any] = {
    **MONITOR, "filename": "best", "enable_version_counter": False, "save_on_train_epoch_end": False,
}  # fmt: skip
TRAINER: dict[str, Any] = {
    "max_epochs": 10, "gradient_clip_val": 5.0, "log_every_n_steps": 20, "enable_model_summary": False,
}  # fmt: skip


def loggers(output_dir: str | Path) -> list[Logger]:
    """Return the loggers of a run: metrics.csv and TensorBoard's events, in the run's folder."""
    csv = CSVLogger(output_dir, name="logs")
    # One numbered folder for both; a resumed run gets the next number and keeps what was logged before.
    return [csv, TensorBoardLogger(output_dir, name="logs", version=csv.version, default_hp_metric=False)]


def quiet_lightning() -> None:
    """Silence Lightning's notes on devices, tips and restored states; our own lines say what matters."""
    # A folder of a run that goes on, or that is done again, is not empty.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # The loss of an epoch's last step is logged in any case.
    warnings.filterwarnings("ignore", message="The number of training batches .* is smaller than the logging interval")
    # A finished run may have been moved or copied.
    warnings.filterwarnings("ignore", message="The dirpath has changed from")
    # Nothing is held out where that was set.
    warnings.filterwarnings("ignore", message="Total length of .*list.* across ranks is zero")
    # The summary's megabytes are those of float32, whatever the fit computes in.
    warnings.filterwarnings("ignore", message="Precision .* is not supported by the model summary")
    # The few texts of Lightning's sanity check may have no label at all.
    warnings.filterwarnings("ignore", message="No positive samples found in target")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def train(
    data: Any,
    output_dir: str | Path,
    vectors: list[str] | str | None = None,
    seed: int = 0,
    **overrides: Any,
) -> TextClassifier:
    """Train a classifier, write its artifact into `output_dir` and return it.

    Beside the artifact stand config.yaml, the settings of the run as `textcnn fit --config` reads them, and
    held_out.jsonl.gz, its validation rows, on which `calibrate` works.

    Args:
        data: A Hub name, a file, a folder with train/validation/test files; a DataFrame, the pair (texts, labels), a
            Dataset or a DatasetDict; a dict of these by split; or "python-docstrings", the data set that needs no
            download.
        output_dir: Folder of the run: the artifact, its checkpoints and logs.
        vectors: Initial token vectors: a checkpoint (directory or Hub id) or a word-vector file, or a list of them,
            whose vectors stand side by side.
        seed: Seed of everything random.
        overrides: Any argument of TextDataModule, Architecture, ClassificationModule or Lightning's Trainer.

    Example:
        >>> classifier = textcnn.train("python-docstrings", output_dir="runs/docs", max_epochs=3)
        >>> classifier.predict(["Open a socket and listen for connections."])
        array(['networking'], dtype='<U11')

    Raises:
        ValueError: the data cannot be learnt from, or an override has an unknown name (the nearest is named).
        FileNotFoundError: there is no such file or folder.
    """
    from ..classifier import load

    quiet_lightning()
    for_data, for_network, for_module, for_trainer = route(overrides)
    lightning.seed_everything(seed, workers=True, verbose=False)
    module_of_data = TextDataModule(data, vectors=vectors, seed=seed, **for_data)
    module = ClassificationModule(**sizes(module_of_data), architecture=Architecture(**for_network), **for_module)
    trainer = make_trainer(output_dir, for_trainer)
    if trainer.is_global_zero:
        settings = {"path": data, "vectors": vectors, **for_data}
        write_config(output_dir, seed, settings, for_network, for_module, for_trainer)
    with keyboard_stops():
        trainer.fit(module, datamodule=module_of_data)
    parameters = {"data": data_name(data), "vectors": vectors, "seed": seed, **overrides}
    save_run(trainer, module, module_of_data, output_dir, name=data_name(data), parameters=parameters)
    return load(output_dir)


def make_trainer(output_dir: str | Path, options: dict[str, Any]) -> lightning.Trainer:
    """Return Lightning's Trainer with our defaults: early stopping, best and last checkpoint, logs, progress."""
    options = dict(options)
    callbacks: list[Callback] = [
        EarlyStopping(**EARLY_STOPPING),
        BestCheckpoint(**CHECKPOINT, dirpath=checkpoint_directory(output_dir)),
        *last_checkpoints(output_dir),
        StopNote(output_dir, continue_command(output_dir)),
        *(options.pop("callbacks", None) or []),
    ]
    if options.get("enable_progress_bar", True) is not False:
        callbacks += progress_callbacks()
        options["enable_progress_bar"] = is_interactive()
    settings = {**TRAINER, "logger": loggers(output_dir), "default_root_dir": output_dir, **options}
    return lightning.Trainer(callbacks=callbacks, **settings)


def sizes(data: TextDataModule) -> dict[str, Any]:
    """Return the arguments of a training module that depend on the data."""
    return {
        "labels": data.labels,
        "vocab_size": data.vocab_size,
        "pad_token_id": data.pad_token_id,
        "problem_type": data.problem_type,
        "vectors_dim": data.embedding_dim,
    }


def save_run(
    trainer: lightning.Trainer,
    module: TrainingModule,
    data: TextDataModule,
    output_dir: str | Path,
    name: str,
    parameters: dict[str, Any],
) -> dict[str, float]:
    """End a run: score the best weights on validation and test, and save them as an artifact.

    Returns:
        The scores, as they stand in the model card.
    """
    scores: dict[str, float] = {}
    # By its path: with a second checkpoint callback, Lightning warns that "best" might mean either.
    best = getattr(trainer.checkpoint_callback, "best_model_path", None) or None
    loggers_of_run = trainer.loggers
    for role, run in (("val", trainer.validate), ("test", trainer.test)):
        if getattr(data, f"{role}_dataloader")():
            # The validation of the best epoch is logged already: a second time it would look like one epoch more.
            trainer.loggers = [] if role == "val" else loggers_of_run
            # Nothing is scored where `limit_val_batches` is 0.
            for found in run(module, datamodule=data, ckpt_path=best, verbose=False):
                scores.update(found)
            best = None  # its weights are the module's now
    trainer.loggers = loggers_of_run
    if trainer.is_global_zero:
        config = module.model.config
        config.text_column, config.label_column = data.columns
        record = TrainingRecord(
            data=name,
            scores=scores,
            data_report=data.data_report,
            parameters=parameters,
            base_model=base_model(data.vectors),
        )
        save_artifact(module.model, data.tokenizer, output_dir, record)
        write_held_out(output_dir, data)
        for note in _notes_on(scores, output_dir):
            print(note, file=sys.stderr)
    trainer.strategy.barrier()  # the others read what the first process wrote
    return scores


def _notes_on(scores: dict[str, float], output_dir: str | Path) -> list[str]:
    """Return what a user should know of the scores."""
    precision = scores.get("val_average_precision")
    if precision is None or scores.get("val_micro_f1"):
        return []
    return [
        "note: got an F1 of 0 on the validation split: no label reaches its threshold, 0.5, in any text that has it, "
        f"although the average precision is {precision:.4f}; train longer (max_epochs), or choose thresholds: "
        f"textcnn calibrate {output_dir} --threshold_for f1"
    ]


def route(
    overrides: dict[str, Any], others: Iterable[str] = ()
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort keyword arguments by owner: data module, architecture, training module, Trainer.

    Args:
        overrides: The arguments.
        others: Further names that a misspelt one may have been meant for.

    Raises:
        ValueError: nobody has an argument of that name; the nearest name is given.
    """
    from_data = {"labels", "vocab_size", "pad_token_id", "problem_type", "vectors_dim", "architecture"}
    owners = (
        _parameters(TextDataModule, without={"path", "vectors", "seed"}),
        _parameters(Architecture),
        _parameters(TrainingModule, without=from_data),
        _parameters(lightning.Trainer),
    )
    routed: tuple[dict[str, Any], ...] = ({}, {}, {}, {})
    for name, value in overrides.items():
        for names, target in zip(owners, routed, strict=True):
            if name in names:
                check_type(name, value, names[name])
                target[name] = value
                break
        else:
            known = sorted(set(others).union(*owners))
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else "; expected an argument of the data, the "
            hint += "" if nearest else "architecture, the training module or Lightning's Trainer; check the spelling"
            raise ValueError(f"unknown argument {name!r}{hint}")
    return routed  # type: ignore[return-value]


def check_type(name: str, value: Any, expected: Any) -> None:
    """Refuse text for an argument that takes none, as a command line may give it, and None for one that needs a value.

    Args:
        name: The argument's.
        value: Its value.
        expected: The annotation of the parameter.

    Raises:
        ValueError: it is text, or None.
    """
    if expected is inspect.Parameter.empty:
        return
    written = inspect.formatannotation(expected) if not isinstance(expected, str) else expected
    takes_text = any(kind in written for kind in ("str", "Any", "Literal", "Path", "Variant", "Padding", "Activation"))
    takes_none = any(kind in written for kind in ("None", "Optional", "Any"))
    if (isinstance(value, str) and not takes_text) or (value is None and not takes_none):
        raise ValueError(f"{name}: got {value!r}; expected {written}; give a value of that type")


def _parameters(owner: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the names and annotations of the parameters of a class."""
    own = inspect.signature(owner).parameters
    return {name: parameter.annotation for name, parameter in own.items() if name not in without}


def data_name(data: Any) -> str:
    """Return the name of the data for the model card."""
    return str(data) if isinstance(data, str | Path) else "a dataset in memory"
