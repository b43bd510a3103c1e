"""One training run from Python: `train` puts data, module and Lightning's Trainer together and saves the result.

The command line (`textcnn fit`) uses the same pieces, defaults and ending.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from ..artifact import TrainingRecord, save_artifact
from ..data import TextDataModule
from ..model import Architecture
from ..outputs import begin_output
from ..settings import (
    ArchitectureSettings,
    DataSettings,
    OptimizationSettings,
    RunSettings,
    Settings,
    TrainSettings,
    takes,
)
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


@takes(TrainSettings)
def train(settings: TrainSettings) -> TextClassifier:
    """Train a classifier, write its artifact into `output` and return it.

    Every setting has the same name on the command line (`textcnn train`) and in YAML; `textcnn.TrainSettings`
    documents them.

    Example:
        >>> classifier = textcnn.train("python-docstrings", output="runs/docs", max_epochs=3)
        >>> classifier.predict(["Open a socket and listen for connections."])
        array(['networking'], dtype='<U11')

    Raises:
        ValueError: The data cannot be learnt from, the output holds a model already, or a setting has an unknown name
            (the nearest is named) or a value that cannot be used.
        FileNotFoundError: There is no such file or folder.
    """
    from ..classifier import load

    quiet_lightning()
    network = Architecture(**settings.part(ArchitectureSettings))
    network.check()
    output = begin_output(settings.output, settings.force)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    data = TextDataModule(settings.data, **settings.part(DataSettings))
    module = ClassificationModule(**sizes(data), architecture=network, **settings.part(OptimizationSettings))
    trainer = make_trainer(output, settings)
    trainer.fit(module, datamodule=data)
    save_run(trainer, module, data, output, name=data_name(settings.data), parameters=card_parameters(settings))
    return load(output)


def card_parameters(settings: Settings) -> dict[str, Any]:
    """Return the settings that a model card lists: all that are not the default, and the seed."""
    changed = settings.changed()
    return {"seed": getattr(settings, "seed", 0)} | {
        name: value if isinstance(value, (str, int, float, list, type(None))) else str(value)
        for name, value in settings.noted().items()
        if name in changed
    }


def make_trainer(output: str | Path, settings: RunSettings, logger: Any = None) -> lightning.Trainer:
    """Return Lightning's Trainer: early stopping, the best and the last checkpoint, logs, a progress bar.

    Args:
        output: Directory of the run.
        settings: Epochs, devices and so on.
        logger: Lightning's; False for none. Default: the run's metrics.csv and TensorBoard.
    """
    callbacks: list[Callback] = [
        EarlyStopping(**{**EARLY_STOPPING, "patience": settings.patience}),
        BestCheckpoint(**CHECKPOINT, dirpath=checkpoint_directory(output)),
        *last_checkpoints(output),
        *(settings.callbacks or []),
    ]
    if settings.progress:
        callbacks.append(RichProgressBar())
    names = (
        "max_epochs", "max_steps", "gradient_clip_val", "log_every_n_steps", "accelerator", "devices", "precision",
    )  # fmt: skip
    return lightning.Trainer(
        **{name: getattr(settings, name) for name in names},
        callbacks=callbacks,
        enable_progress_bar=settings.progress,
        enable_model_summary=False,
        logger=loggers(output) if logger is None else logger,
        default_root_dir=output,
    )


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


def data_name(data: Any) -> str:
    """How a model card calls the data."""
    return str(data) if isinstance(data, str | Path) else "a dataset in memory"
