"""`textcnn fit | validate | test | predict`: LightningCLI for jobs in YAML.

The names of the options are checked before Lightning is imported; it takes seconds.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import takewhile

from ..errors import closest
from ..settings import (
    SYNONYMS,
    ArchitectureSettings,
    DataSettings,
    OptimizationSettings,
    described,
    hints,
)

# The arguments of Lightning's Trainer, of its EarlyStopping and of its ModelCheckpoint; a test compares them.
TRAINER = (
    "accelerator", "strategy", "devices", "num_nodes", "precision", "logger", "callbacks", "fast_dev_run", "max_epochs",
    "min_epochs", "max_steps", "min_steps", "max_time", "limit_train_batches", "limit_val_batches",
    "limit_test_batches", "limit_predict_batches", "overfit_batches",
    "val_check_interval", "check_val_every_n_epoch", "num_sanity_val_steps",
    "log_every_n_steps", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
    "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm", "deterministic", "benchmark",
    "inference_mode", "use_distributed_sampler", "profiler", "detect_anomaly", "barebones", "plugins",
    "sync_batchnorm", "reload_dataloaders_every_n_epochs", "default_root_dir", "enable_autolog_hparams",
    "model_registry",
)  # fmt: skip
EARLY_STOPPING = (
    "monitor", "min_delta", "patience", "verbose", "mode", "strict", "check_finite", "stopping_threshold",
    "divergence_threshold", "check_on_train_epoch_end", "log_rank_zero_only",
)  # fmt: skip
CHECKPOINT = (
    "dirpath", "filename", "monitor", "verbose", "save_last", "save_top_k", "save_weights_only", "mode",
    "auto_insert_metric_name", "every_n_train_steps", "train_time_interval", "every_n_epochs",
    "save_train_epoch_end", "save_on_train_epoch_end", "enable_version_counter", "save_on_exception",
)  # fmt: skip
GROUPS = {
    "data": ("path", "predict_path", *hints(DataSettings)),
    "model": ("architecture", *hints(OptimizationSettings)),
    "model.architecture": tuple(hints(ArchitectureSettings)),
    "trainer": TRAINER,
    "early_stopping": EARLY_STOPPING,
    "checkpoint": CHECKPOINT,
}
ALONE = ("config", "print_config", "help", "help_all", "seed_everything", "output_dir", "ckpt_path", "force",
         "weights_only")  # fmt: skip
DESCRIPTIONS = {
    "fit": "Train a classifier as a YAML job and options say, and save its best weights as a model in --output_dir.",
    "validate": "Score the best checkpoint of a run on its validation split.",
    "test": "Score the best checkpoint of a run on its test split.",
    "predict": "Write label, probability and all class probabilities of a run beside the rows of --data.predict_path.",
}
EXAMPLES = {
    "fit": "textcnn fit --config job.yaml --data.path reviews.csv --output_dir runs/reviews",
    "validate": "textcnn validate --config runs/reviews/config.yaml",
    "test": "textcnn test --config runs/reviews/config.yaml",
    "predict": "textcnn predict --config runs/reviews/config.yaml --data.predict_path new.csv --output out.parquet",
}


def main(verb: str, args: list[str]) -> None:
    """Run one verb of LightningCLI."""
    if {"-h", "--help"} & set(args):
        print(_help(verb))
        sys.exit(0)
    check_names(verb, args)
    from ..training import command

    command.main(verb, ["--help" if arg == "--help_all" else arg for arg in args])


def check_names(verb: str, args: Sequence[str]) -> None:
    """Refuse an option that LightningCLI does not have.

    Raises:
        ValueError: There is none of that name; the nearest is named. Or the first word is no option.
    """
    if args and not args[0].startswith("-"):
        data = "--data.predict_path" if verb == "predict" else "--data.path"
        option = "--config" if args[0].endswith((".yaml", ".yml")) else data
        raise ValueError(f"textcnn {verb}: got {args[0]}; expected an option; give {option} {args[0]}")
    for arg in takewhile(lambda arg: arg != "--", args):
        if not arg.startswith("--") or " " in arg.partition("=")[0]:
            continue
        name = arg[2:].partition("=")[0].rstrip("+")
        if not known(verb, name):
            meant = suggest(name, verb)
            hint = f"; did you mean '--{meant}'?" if meant else f"; `textcnn {verb} --help` lists what it takes"
            raise ValueError(f"unknown option '--{name}' of textcnn {verb}{hint}")


def known(verb: str, name: str) -> bool:
    """Return True where LightningCLI has the option, or may have it: parts of objects are known to their classes."""
    if name in ALONE or (name.startswith("no_") and name[3:] in ALONE) or (name == "output" and verb == "predict"):
        return True
    group, _, rest = name.partition(".")
    if group not in GROUPS:
        return False
    if rest.startswith("architecture."):
        group, rest = "model.architecture", rest.partition(".")[2]
    first, _, further = rest.partition(".")
    # A group alone takes a YAML file; callbacks, loggers and the like have parts of their own.
    return not rest or first == "help" or (first in GROUPS[group] and (not further or group in ("trainer", "data")))


def suggest(name: str, verb: str = "fit") -> str | None:
    """Return the option that a name most likely means: by synonym, by a setting's flat name, by spelling.

    Example:
        >>> suggest("epochs")
        'trainer.max_epochs'
    """
    group, _, last = name.rpartition(".")
    flat = {}
    for owner, names in reversed(GROUPS.items()):
        flat.update({one: f"{owner}.{one}" for one in names})
    flat |= {"model": "config", "data": "data.path", "output": "output_dir", "seed": "seed_everything",
             "progress": "trainer.enable_progress_bar", "patience": "early_stopping.patience",
             **{one: one for one in ALONE}}  # fmt: skip
    if verb == "predict":
        flat["output"] = "output"
    meant = SYNONYMS.get(last)
    if meant in flat:
        return flat[meant]
    inside = GROUPS.get(group, ())
    near = closest(last, inside, cutoff=0.7)
    if near is not None:
        return f"{group}.{near}"
    if last in flat:
        return flat[last]
    every = [*ALONE, *(f"{owner}.{one}" for owner, names in GROUPS.items() for one in names)]
    near = closest(name, every, cutoff=0.75)
    if near is not None:
        return near
    near = closest(last, flat, cutoff=0.6)
    return flat[near] if near is not None else None


def _help(verb: str) -> str:
    """The groups with their options. LightningCLI's own help, of hundreds of lines, is --help_all."""
    width = max(80, min(100, shutil.get_terminal_size((100, 50)).columns))

    def listing(prefix: str, names: Sequence[str]) -> list[str]:
        return textwrap.wrap(", ".join(names), width, initial_indent=f"  --{prefix}.", break_on_hyphens=False,
                             subsequent_indent="      ")  # fmt: skip

    def with_defaults(group: type) -> list[str]:
        return [
            setting.name if setting.default is None else f"{setting.name} ({_written(setting.default)})"
            for setting in described(group)
        ]

    lines = [f"usage: textcnn {verb} [--config FILE] [--data.path DATA] [OPTION ...]", ""]
    lines += textwrap.wrap(DESCRIPTIONS[verb], width)
    lines += [
        "",
        "job:",
        "  --config FILE         YAML job with any of these options; a run's own is RUN/config.yaml.",
        "  --print_config        Print all options as YAML, with their values, and stop.",
        "  --output_dir DIR      Directory of the run. Default: runs/latest.",
        "  --ckpt_path FILE      Checkpoint to go on from; last is the run's last one. Default: none.",
        "  --seed_everything N   Seed of everything random. Default: 0.",
        "  --force               Replace a run or an output that is there. Default: off.",
    ]
    if verb == "predict":
        lines.append("  --output FILE         .parquet, .csv or .jsonl. Default: predictions.parquet in output_dir.")
    lines += ["", "data (defaults in parentheses; `textcnn train --help` documents the settings):"]
    lines += listing("data", ["path", *(["predict_path"] if verb == "predict" else []), *with_defaults(DataSettings)])
    lines += ["", "model:", *listing("model", with_defaults(OptimizationSettings))]
    lines += listing("model.architecture", with_defaults(ArchitectureSettings))
    lines += ["", "Lightning's Trainer (max_epochs 10, gradient_clip_val 5.0, log_every_n_steps 20):"]
    lines += listing("trainer", TRAINER)
    lines += ["", "Lightning's EarlyStopping (patience 5) and ModelCheckpoint, of val_micro_f1:"]
    lines += [*listing("early_stopping", EARLY_STOPPING), *listing("checkpoint", CHECKPOINT)]
    lines += ["", f"--help_all prints LightningCLI's own help. example:\n  {EXAMPLES[verb]}"]
    return "\n".join(lines)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
