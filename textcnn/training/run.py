"""One training run from Python: `train` puts data, module and Lightning's Trainer together and saves the result.

The command line (`textcnn fit`) uses the same pieces, defaults and ending.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from ..artifact import TrainingRecord, save_artifact
from ..data import TextDataModule
from ..model import Architecture
from ..vectors import base_model
from .base import TrainingModule
from .best_checkpoint import BestCheckpoint
from .classification import ClassificationModule
from .resume import checkpoint_directory, last_checkpoints

if TYPE_CHECKING:
    from ..runtime.classifier import TextClassifier

# Micro-F1 is the accuracy when a text has one label, so one name serves both problem types.
MONITOR = {"monitor": "val_micro_f1", "mode": "max"}
# Asked after validations only: a run that has none goes on to its last epoch.
EARLY_STOPPING: dict[str, Any] = {**MONITOR, "patience": 5, "check_on_train_epoch_end": False}
CHECKPOINT: dict[str, Any] = {
    **MONITOR, "filename": "best", "enable_version_counter": False, "save_on_train_epoch_end": False,
}  # fmt: skip
TRAINER: dict[str, Any] = {"max_epochs": 10, "gradient_clip_val": 5.0, "log_every_n_steps": 20}


def loggers(output_dir: str | Path) -> list[Logger]:
    """The logs of a run: metrics.csv and TensorBoard's events, in the run's folder."""
    csv = CSVLogger(output_dir, name="logs")
    # One numbered folder for both; a resumed run gets the next number and keeps what was logged before.
    return [csv, TensorBoardLogger(output_dir, name="logs", version=csv.version, default_hp_metric=False)]


def quiet_lightning() -> None:
    """Lightning tells of devices, tips and restored states; the progress bar and our own lines say what matters."""
    # A folder of a run that goes on, or that is done again, is not empty.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
    # The loss of an epoch's last step is logged in any case.
    warnings.filterwarnings("ignore", message="The number of training batches .* is smaller than the logging interval")
    # A finished run may have been moved or copied.
    warnings.filterwarnings("ignore", message="The dirpath has changed from")
    # Nothing is held out where that was asked for.
    warnings.filterwarnings("ignore", message="Total length of .*list.* across ranks is zero")
    # The summary's megabytes are those of float32, whatever the fit computes in.
    warnings.filterwarnings("ignore", message="Precision .* is not supported by the model summary")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def train(
    data: Any,
    output_dir: str | Path,
    vectors: list[str] | str | None = None,
    seed: int = 0,
    **overrides: Any,
) -> TextClassifier:
    """Trains a classifier, writes its artifact into `output_dir` and returns it.

    Args:
        data: A Hub name, a file, a folder with train/validation/test files, a Dataset, a DatasetDict, or
            "python-docstrings", the dataset that needs no download.
        output_dir: Folder of the run: the artifact, its checkpoints and logs.
        vectors: Initial token vectors: a checkpoint (directory or Hub id) or a word-vector file, or a list of them,
            whose vectors stand side by side.
        seed: Of everything random.
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
    trainer.fit(module, datamodule=module_of_data)
    parameters = {"data": str(data), "vectors": vectors, "seed": seed, **overrides}
    save_run(trainer, module, module_of_data, output_dir, name=data_name(data), parameters=parameters)
    return load(output_dir)


def make_trainer(output_dir: str | Path, options: dict[str, Any]) -> lightning.Trainer:
    """Lightning's Trainer with our defaults: early stopping, the best and the last checkpoint, logs, a progress bar."""
    options = dict(options)
    callbacks: list[Callback] = [
        EarlyStopping(**EARLY_STOPPING),
        BestCheckpoint(**CHECKPOINT, dirpath=checkpoint_directory(output_dir)),
        *last_checkpoints(output_dir),
        *options.pop("callbacks", []),
    ]
    if options.get("enable_progress_bar", True):
        callbacks.append(RichProgressBar())
    settings = {**TRAINER, "logger": loggers(output_dir), "default_root_dir": output_dir, **options}
    return lightning.Trainer(callbacks=callbacks, **settings)


def sizes(data: TextDataModule) -> dict[str, Any]:
    """What a training module has to know of the data."""
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
    """Ends a run: the best weights are scored on validation and test and saved as an artifact.

    Returns:
        The scores, as they stand in the model card.
    """
    scores: dict[str, float] = {}
    # By its path: with a second checkpoint callback, Lightning warns that "best" might mean either.
    best = getattr(trainer.checkpoint_callback, "best_model_path", None) or None
    for role, run in (("val", trainer.validate), ("test", trainer.test)):
        if getattr(data, f"{role}_dataloader")():
            # Nothing is scored where `limit_val_batches` is 0.
            for found in run(module, datamodule=data, ckpt_path=best, verbose=False):
                scores.update(found)
            best = None  # its weights are the module's now
    if trainer.is_global_zero:
        record = TrainingRecord(
            data=name,
            scores=scores,
            data_report=data.data_report,
            parameters=parameters,
            base_model=base_model(data.vectors),
        )
        save_artifact(module.model, data.tokenizer, output_dir, record)
    return scores


def route(
    overrides: dict[str, Any], others: Iterable[str] = ()
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sorts keyword arguments by owner: data module, architecture, training module, Trainer.

    Args:
        overrides: The arguments.
        others: Names that the caller has taken out before, and that a misspelt one may have been meant for.

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
    """Refuses text for an argument that takes none, as a command line may give it, and None for one that needs a value.

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
    """Names and annotations of what an object is made from."""
    own = inspect.signature(owner).parameters
    return {name: parameter.annotation for name, parameter in own.items() if name not in without}


def data_name(data: Any) -> str:
    """How a model card calls the data."""
    return str(data) if isinstance(data, str | Path) else "a dataset in memory"
