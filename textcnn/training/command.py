"""`textcnn fit | validate | test | predict`: Lightning's own command line over our data and training modules."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from jsonargparse import ActionYesNo
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ..artifact import CALIBRATION
from ..data import TextDataModule
from ..data.errors import DataError
from ..outputs import begin_output, check_output
from ..vectors import shipped
from .base import TrainingModule
from .best_checkpoint import BestCheckpoint, EarlyStopping
from .checkpoints import WholeCheckpoints
from .command_parser import OneLineParser
from .interrupt import StopNote, continue_command, keyboard_stops
from .predictions import PredictionWriter
from .progress import is_interactive, progress_callbacks
from .resume import checkpoint_directory, checkpoint_to_resume, last_checkpoints
from .run import (
    CHECKPOINT,
    EARLY_STOPPING,
    TRAINER,
    loggers,
    quiet_lightning,
    save_run,
)
from .run_files import absolute_paths
from .tasks.classification import ClassificationModule

DESCRIPTIONS = {
    "fit": "Trains a classifier, scores its best weights and saves them as an artifact in --output_dir.",
    "validate": "Scores a run's best checkpoint on its validation split.",
    "test": "Scores a run's best checkpoint on its test split.",
    "predict": "Writes label, probability and all class probabilities beside the rows of --data.predict_path. A row "
    "without a text (null, or an empty cell of a csv file) is kept, without a label. Needs the run's folder only.",
}
# What the module learns of the data: attribute of the data module to argument of the training module.
LINKS = {
    "labels": "labels",
    "vocab_size": "vocab_size",
    "pad_token_id": "pad_token_id",
    "problem_type": "problem_type",
    "embedding_dim": "vectors_dim",
    "heads": "heads",
}


class SaveConfigInRun(SaveConfigCallback):
    """Callback that writes the configuration of `fit` into the run's folder, where the other verbs read it."""

    def save_config(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage == "fit":
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            config = self.config.clone()
            for name, value in absolute_paths(config["data"].as_dict()).items():
                config["data"][name] = value
            config["force"] = False  # who runs the job again is to say so again
            self.parser.save(config, folder / self.config_filename, skip_none=True, overwrite=True)


class TextCNNCLI(LightningCLI):
    """LightningCLI with the sizes linked from the data, our defaults, and an artifact at the end of `fit`.

    Args:
        args: The command line after `textcnn`.
        module_class: The training task.
        run: False only builds trainer, module and data module; then `args` names no verb.
    """

    def __init__(
        self, args: list[str], module_class: type[TrainingModule] = ClassificationModule, run: bool = True
    ) -> None:
        super().__init__(
            module_class,
            TextDataModule,
            args=args,
            run=run,
            parser_class=OneLineParser,
            parser_kwargs={"prog": "textcnn"} if run else {},
            trainer_defaults=TRAINER,
            seed_everything_default=0,
            save_config_callback=SaveConfigInRun,
            save_config_kwargs={"save_to_log_dir": False},
            auto_configure_optimizers=False,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        verbs = LightningCLI.subcommands()
        # The progress of a verb and what it returns are ours to show.
        hidden = {"predict": {"return_predictions"}, "validate": {"verbose"}, "test": {"verbose"}}
        return {verb: verbs[verb] | hidden.get(verb, set()) for verb in ("fit", "validate", "test", "predict")}

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        kwargs["description"] = DESCRIPTIONS[subcommand]
        # argparse would list every option twice, first in a usage of a hundred lines.
        kwargs["usage"] = f"textcnn {subcommand} [--config FILE] [--data.path DATA] [OPTION ...]"
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "predict":
            parser.add_argument(
                "--output", type=str | None, help="File to write: .parquet, .csv or .jsonl (default: in output_dir)."
            )
        return parser

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        # In the order in which data runs, which is the order of the help text.
        parser.add_lightning_class_args(self._datamodule_class, "data")
        parser.add_lightning_class_args(self._model_class, "model")
        parser.add_lightning_class_args(self.trainer_class, "trainer")
        parser.set_defaults({f"trainer.{name}": value for name, value in self.trainer_defaults.items()})

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument(
            "--output_dir", default="runs/latest", help="Folder of the run: artifact, checkpoints, logs."
        )
        parser.add_argument(
            "--force", action=ActionYesNo, default=False, help="Replace a run or an output that is there."
        )
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.set_defaults({f"checkpoint.{name}": value for name, value in CHECKPOINT.items()})
        parser.set_defaults({f"early_stopping.{name}": value for name, value in EARLY_STOPPING.items()})
        parser.link_arguments("output_dir", "trainer.default_root_dir")
        parser.link_arguments("output_dir", "checkpoint.dirpath", compute_fn=checkpoint_directory)
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)
        for source, target in LINKS.items():
            parser.link_arguments(f"data.{source}", f"model.{target}", apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        # LightningCLI would warn that sys.argv is set as well.
        self.config = parser.parse_args(args)

    def before_instantiate_classes(self) -> None:
        """Refuse to train into a run that is there, unless it goes on, and to predict without a file."""
        # `run=False`, as measurements have it, knows no verb.
        config = self.config[self.subcommand] if self.subcommand else None
        if self.subcommand == "fit" and config.get("ckpt_path") is None:
            try:
                begin_output(config["output_dir"], config["force"])
            except ValueError as error:  # the option has another name here
                raise ValueError(re.sub(r"another output\b", "another --output_dir", str(error))) from None
        if self.subcommand == "predict" and config["data"].get("predict_path") is None:
            raise ValueError("got no rows to predict; expected a file or data set; give --data.predict_path")

    def _parse_ckpt_path(self) -> None:
        # LightningCLI would take the architecture from the checkpoint's hyperparameters and trip over the sizes
        # among them, which are linked from the data. The run's config.yaml says all of it.
        if self.config.get("subcommand") is None:
            return
        config = self.config[self.config["subcommand"]]
        if self.config["subcommand"] == "fit":
            model, network = config["model"], config["model"]["architecture"]
            unused = shipped.are_unused(model.get("naive_bayes"), network.get("variant"), network.get("kernel_sizes"))
            if config["data"].get("vectors") == shipped.AUTO and unused:
                config["data"]["vectors"] = None
            if config.get("ckpt_path") is not None:
                config["ckpt_path"] = checkpoint_to_resume(config["ckpt_path"], config["output_dir"])
            return
        self._take_vocabulary_and_labels(config)
        if config.get("ckpt_path") is None:
            best = Path(checkpoint_directory(config["output_dir"])) / "best.ckpt"
            if not best.is_file():
                raise FileNotFoundError(
                    f"no checkpoint {best}; expected the folder of a finished run; give its config "
                    "(--config RUN/config.yaml), its folder (--output_dir RUN) or a checkpoint (--ckpt_path FILE)"
                )
            config["ckpt_path"] = str(best)

    def _take_vocabulary_and_labels(self, config: Any) -> None:
        """Use the tokenizer and labels of a finished run, whatever data it is applied to."""
        folder = Path(config["output_dir"])
        if not all((folder / name).is_file() for name in ("config.json", "tokenizer.json")):
            return
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names = saved["id2label"]
        config["data"]["tokenizer"] = str(folder)
        if saved.get("heads"):
            if self.config["subcommand"] == "predict":
                raise ValueError(
                    f"predict: got {folder}, a model with several heads; expected one with a single label column; "
                    f"score files with it: textcnn score {folder} FILE"
                )
        else:
            config["data"]["labels"] = [names[str(index)] for index in range(len(names))]
            config["data"]["problem_type"] = saved.get("problem_type")
        if config["data"].get("vectors"):
            config["data"]["vectors"] = [str(folder)]  # only their size matters now
        if self.config["subcommand"] == "predict":
            config["data"]["path"] = None

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        config = self._get(self.config_init, "trainer", default={})
        output_dir = self._get(self.config_init, "output_dir")
        if config.get("logger") in (None, True):
            kwargs.setdefault("logger", loggers(output_dir) if self.subcommand in (None, "fit") else False)
        return super().instantiate_trainer(**kwargs)

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Callback]) -> Any:
        if config.get("enable_progress_bar") is not False:
            callbacks = [*callbacks, *progress_callbacks()]
            config["enable_progress_bar"] = is_interactive()
        output_dir = self._get(self.config_init, "output_dir")
        callbacks = [*callbacks, *last_checkpoints(output_dir), StopNote(output_dir, continue_command(output_dir))]
        plugins = config.get("plugins") or []
        config["plugins"] = [*(plugins if isinstance(plugins, list) else [plugins]), WholeCheckpoints()]
        if self.subcommand == "predict":
            path = self._get(self.config_init, "output") or Path(output_dir) / "predictions.parquet"
            callbacks = [*callbacks, PredictionWriter(path)]
        return super()._instantiate_trainer(config, callbacks)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        kwargs.pop("output", None)
        if subcommand == "predict":
            kwargs["return_predictions"] = False
        return kwargs

    def after_fit(self) -> None:
        """Score the best weights and save them as an artifact."""
        config = self.config_init[self.subcommand]
        scores = save_run(
            self.trainer,
            self.model,
            self.datamodule,
            config.output_dir,
            name=str(config.data.path),
            parameters=_settings(self.config[self.subcommand]),
        )
        if not self.trainer.is_global_zero:
            return
        for name, value in scores.items():
            print(f"{name:<20}{value:.4f}")
        print(f"\nThe classifier is in {config.output_dir}: textcnn.load({str(config.output_dir)!r})")

    def before_predict(self) -> None:
        """Apply the run's calibration, and refuse to overwrite an output unless forced."""
        self._take_calibration()
        config = self.config_init[self.subcommand]
        if config.get("output") is not None:
            check_output(config["output"], config["force"])
        saved = Path(config["output_dir"]) / "config.json"
        if saved.is_file():
            self.datamodule.trained_on = json.loads(saved.read_text(encoding="utf-8")).get("text_column")

    def before_validate(self) -> None:
        """Apply the run's calibration, if it has one."""
        self._refuse_nothing_to_score("validation", self.datamodule.val_dataloader())
        self._take_calibration()

    def before_test(self) -> None:
        """Apply the run's calibration, if it has one, as `before_validate` does."""
        self._refuse_nothing_to_score("test", self.datamodule.test_dataloader())
        self._take_calibration()

    def _refuse_nothing_to_score(self, role: str, loader: Any) -> None:
        if not loader:
            raise DataError(
                f"{self.config_init[self.subcommand].data.path} has no {role} split; expected one; name it with "
                f"--data.{role}_split, or score other labelled texts: textcnn evaluate RUN --data FILE"
            )

    def _take_calibration(self) -> None:
        # It belongs to the weights that were saved, the best: a checkpoint knows nothing of it.
        config = self.config_init[self.subcommand]
        folder = Path(config["output_dir"])
        if not (folder / "config.json").is_file() or Path(config["ckpt_path"]).name != "best.ckpt":
            return
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        for name in ("heads", "label_separator", "cut_points", *CALIBRATION):
            if name in saved:
                setattr(self.model.model.config, name, saved[name])

    def after_predict(self) -> None:
        """Print the path of the predictions."""
        for callback in self.trainer.callbacks:
            if isinstance(callback, PredictionWriter):
                print(f"predictions of {callback.rows:,} rows: {callback.path}")
                for note in callback.notes:
                    print(note, file=sys.stderr)


def _settings(config: Any) -> dict[str, Any]:
    """Return the settings of a run for its model card: data, network, task and seed."""
    values = config.clone().as_dict()
    return {name: values[name] for name in ("seed_everything", "data", "model") if name in values} | {
        "max_epochs": values["trainer"]["max_epochs"]
    }


def main(verb: str, args: list[str]) -> None:
    """Run one verb of the command line."""
    quiet_lightning()
    try:
        with keyboard_stops():
            TextCNNCLI([verb, *args, *_folder_of_the_run(verb, args)])
    except MisconfigurationException as error:  # a setting of the trainer that does not go with this machine
        raise ValueError(str(error)) from error


def _folder_of_the_run(verb: str, args: list[str]) -> list[str]:
    """A finished run's settings speak for the folder that they lie in, wherever that was moved or copied to."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--output_dir")
    given, _ = parser.parse_known_args(args)
    if verb == "fit" or given.output_dir or given.config is None or not (given.config.parent / "config.json").is_file():
        return []
    return ["--output_dir", str(given.config.parent)]
