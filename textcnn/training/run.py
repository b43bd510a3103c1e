"""One training run from Python: `train` puts data, module and Lightning's Trainer together and saves the result.

The command line (`textcnn fit`) uses the same pieces, defaults and ending.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from ..artifact import TrainingRecord, save_artifact
from ..data import TextDataModule
from ..model.config import TextCNNConfig
from ..outputs import begin_output
from ..settings import (
    ArchitectureSettings,
    DataSettings,
    OptimizationSettings,
    RunSettings,
    Settings,
    TrainSettings,
    hints,
    takes,
)
from ..settings.presets import apply_preset
from ..vectors import base_model, shipped
from .bag_start import network_for_data, network_with_bag
from .base import TrainingModule
from .best_checkpoint import AUTO, BestCheckpoint, EarlyStopping
from .checkpoints import PREVIOUS, WholeCheckpoints
from .curve import curve_svg, read_curve
from .interrupt import StopNote, continue_command, keyboard_stops
from .progress import is_interactive, progress_callbacks
from .resume import checkpoint_directory, last_checkpoints
from .run_files import write_config, write_held_out
from .summary import show, summarize_run
from .tasks.classification import ClassificationModule
from .validation_fit import fit_on_validation

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
    """Silence Lightning's notes on devices, tips and restored states; our own lines report what matters."""
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


@takes(TrainSettings)
def train(settings: TrainSettings) -> Any:
    """Train a classifier, write its artifact into `output` and return it: a HeadsClassifier with `label_columns`.

    Beside the artifact stand config.yaml, the settings of the run as `textcnn fit --config` reads them, and
    held_out.jsonl.gz, its validation rows, on which `calibrate` works. Every setting has the same name on the command
    line (`textcnn train`) and in YAML; `textcnn.TrainSettings` documents them.

    Example:
        >>> classifier = textcnn.train("python-docstrings", output="runs/docs", max_epochs=3)
        >>> classifier.predict(["Open a socket and listen for connections."])
        array(['networking'], dtype='<U11')

    Raises:
        ValueError: The data cannot be learnt from, the output holds a model already, or a setting has an unknown name
            (the nearest is named) or a value that cannot be used.
        FileNotFoundError: There is no such file or folder.
    """
    from ..loading import load_with_heads

    quiet_lightning()
    apply_preset(settings)
    fields = settings.part(ArchitectureSettings)
    network_with_bag(fields).check()  # before anything is read
    output = begin_output(settings.output, settings.force)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    if settings.init is not None and settings.tokenizer is None:
        settings.tokenizer = str(settings.init)
    data = TextDataModule(settings.data, **settings.part(DataSettings))
    unused = shipped.are_unused(settings.naive_bayes, settings.variant, settings.kernel_sizes)
    if settings.vectors == shipped.AUTO and unused:
        data.vectors = None
    network = network_for_data(data, fields, not settings.streaming, settings.init)
    chosen: dict[str, Any] = {"bag": network.bag}
    if network.class_weights is not None:
        chosen["class_weights"] = network.class_weights
    if data.has_characters:
        settings.tokenizer, chosen["bag_ngrams"] = "char", network.bag_ngrams
    module = ClassificationModule(**sizes(data), architecture=network, **settings.part(OptimizationSettings))
    trainer = make_trainer(output, settings, max_epochs=settings.max_epochs or data.epochs)
    if trainer.is_global_zero:
        write_settings(output, settings.data, settings, **chosen)
    with keyboard_stops():
        trainer.fit(module, datamodule=data)
    save_run(trainer, module, data, output, name=data_name(settings.data), parameters=card_parameters(settings))
    classifier = load_with_heads(output)
    if settings.summary and settings.progress and trainer.is_global_zero:
        given = str(settings.data) if isinstance(settings.data, (str, Path)) else None
        summary = summarize_run(data, classifier, output, given)
        if summary is not None:
            show(summary)
    return classifier


def write_settings(output: str | Path, data: Any, settings: Settings, **network: Any) -> None:
    """Write the settings of a run that are not the default into its config.yaml, as `textcnn fit` reads them.

    Args:
        output: Directory of the run.
        data: Labelled data.
        settings: Settings of the run.
        network: Settings of the network that the run itself has chosen.
    """
    changed = settings.changed()

    def part(group: type[Settings], without: tuple[str, ...] = ()) -> dict[str, Any]:
        return {name: changed[name] for name in hints(group) if name in changed and name not in without}

    write_config(
        output,
        getattr(settings, "seed", 0),
        {"path": data, **part(DataSettings, without=("seed",))},
        {**part(ArchitectureSettings), **network},
        part(OptimizationSettings),
        part(RunSettings, without=("patience", "callbacks", "progress")),
        {"patience": changed["patience"]} if "patience" in changed else {},
    )


def card_parameters(settings: Settings) -> dict[str, Any]:
    """Return the settings that a model card lists: all that are not the default, and the seed."""
    changed = settings.changed()
    return {"seed": getattr(settings, "seed", 0)} | {
        name: _on_a_card(value) for name, value in settings.noted().items() if name in changed
    }


def _on_a_card(value: Any) -> Any:
    """Return a setting as a card lists it; of data in memory its type, as a card is published and texts may not be."""
    plain = (str, int, float, type(None))
    if isinstance(value, plain) or (isinstance(value, list) and all(isinstance(item, plain) for item in value)):
        return value
    if isinstance(value, Path) or callable(value):
        return str(value)
    return f"a {type(value).__name__} in memory"


def make_trainer(
    output: str | Path,
    settings: RunSettings,
    logger: Any = None,
    max_epochs: int | None = None,
    mode: str = "max",
    command: str | None = None,
) -> lightning.Trainer:
    """Return Lightning's Trainer: early stopping, the best and the last checkpoint, logs, progress.

    Args:
        output: Directory of the run.
        settings: Epochs, devices and so on.
        logger: Lightning's; False for none. Default: the run's metrics.csv and TensorBoard.
        max_epochs: Epochs. Default: those of the settings.
        mode: max where the task's score is better when larger, min where it is a loss.
        command: Command that goes on with the run after Ctrl-C. Default: `textcnn fit` with its config.yaml.
    """
    callbacks: list[Callback] = [
        EarlyStopping(**{**EARLY_STOPPING, "mode": mode, "patience": settings.patience}),
        BestCheckpoint(**{**CHECKPOINT, "mode": mode}, dirpath=checkpoint_directory(output)),
        *last_checkpoints(output),
        StopNote(output, command or continue_command(output)),
        *(settings.callbacks or []),
    ]
    if settings.progress:
        callbacks += progress_callbacks()
    names = (
        "max_epochs", "max_steps", "gradient_clip_val", "log_every_n_steps", "accelerator", "devices", "precision",
    )  # fmt: skip
    values = {name: getattr(settings, name) for name in names}
    return lightning.Trainer(
        **values | {"max_epochs": max_epochs or settings.max_epochs},
        callbacks=callbacks,
        plugins=WholeCheckpoints(),
        enable_progress_bar=settings.progress and is_interactive(),
        enable_model_summary=False,
        logger=loggers(output) if logger is None else logger,
        default_root_dir=output,
    )


def sizes(data: TextDataModule) -> dict[str, Any]:
    """Return the arguments of a training module that depend on the data."""
    return {
        "labels": data.labels,
        "vocab_size": data.vocab_size,
        "pad_token_id": data.pad_token_id,
        "problem_type": data.problem_type,
        "vectors_dim": data.embedding_dim,
        **({} if data.heads is None else {"heads": data.heads}),
    }


def store_columns(config: TextCNNConfig, data: TextDataModule) -> None:
    """Write into the configuration what the columns of the data are called, and what separates the parts of labels."""
    config.text_column, label = data.columns
    config.label_column = label if data.heads is None else None
    config.label_separator = data.options.label_separator


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
    if best is not None:
        parameters = parameters | fit_on_validation(trainer, module, data, best)
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
    module.finish()
    if trainer.is_global_zero:
        store_columns(module.model.config, data)
        curve = read_curve(output_dir)
        record = TrainingRecord(
            data=name,
            scores=scores,
            data_report=data.data_report,
            parameters=parameters,
            base_model=base_model(data.vectors),
            curve=None if curve is None else curve_svg(curve),
        )
        save_artifact(module.model, data.tokenizer, output_dir, record)
        write_held_out(output_dir, data)
        # Of a run that has ended, the best and the last are enough.
        (Path(checkpoint_directory(output_dir)) / PREVIOUS).unlink(missing_ok=True)
        for note in _notes_on(scores, output_dir):
            print(note, file=sys.stderr)
    trainer.strategy.barrier()  # the others read what the first process wrote
    return scores


def _notes_on(scores: dict[str, float], output_dir: str | Path) -> list[str]:
    """Return notes on the scores for the user."""
    precision = scores.get("val_average_precision")
    if precision is None or scores.get("val_micro_f1"):
        return []
    return [
        "note: got an F1 of 0 on the validation split: no label reaches its threshold, 0.5, in any text that has it, "
        f"although the average precision is {precision:.4f}; train longer (max_epochs), or choose thresholds: "
        f"textcnn calibrate {output_dir} --threshold_for f1"
    ]


def data_name(data: Any) -> str:
    """Return the name of the data for the model card."""
    return str(data) if isinstance(data, str | Path) else "a dataset in memory"
