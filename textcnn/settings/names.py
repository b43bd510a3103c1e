"""Names of settings: synonyms from other libraries, and the nearest of all settings for a misspelt one."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import closest, listed

# Other libraries' names, and common short ones, before any likeness of spelling.
SYNONYMS = {
    "bs": "batch_size", "train_batch_size": "batch_size", "per_device_train_batch_size": "batch_size",
    "clip": "gradient_clip_val", "max_grad_norm": "gradient_clip_val", "gradient_clip": "gradient_clip_val",
    "dataset": "data", "path": "data", "train_data": "data", "file": "data",
    "device": "accelerator", "gpus": "devices",
    "dim": "embedding_dim", "embedding_size": "embedding_dim", "embed_dim": "embedding_dim",
    "embeddings": "vectors", "embedding": "vectors", "pretrained": "vectors", "pretrained_vectors": "vectors",
    "enable_progress_bar": "progress", "progress_bar": "progress", "verbose": "progress",
    "epoch": "max_epochs", "epochs": "max_epochs", "n_epochs": "max_epochs", "num_epochs": "max_epochs",
    "num_train_epochs": "max_epochs",
    "filter_sizes": "kernel_sizes", "kernel_size": "kernel_sizes", "widths": "kernel_sizes",
    "filters": "num_filters", "n_filters": "num_filters", "num_kernels": "num_filters",
    "fp16": "precision", "bf16": "precision",
    "labels_column": "label_column", "target_column": "label_column", "label_col": "label_column",
    "lr": "learning_rate", "eta": "learning_rate", "embedding_lr": "embedding_learning_rate",
    "lr_scheduler": "schedule", "lr_scheduler_type": "schedule", "scheduler": "schedule",
    "max_len": "max_length", "maxlen": "max_length", "max_seq_length": "max_length", "truncation": "max_length",
    "max_texts": "limit", "max_unlabelled": "limit", "sample": "limit", "num_texts": "limit",
    "model_name_or_path": "model", "directory": "model", "checkpoint": "model", "run": "model",
    "out": "output", "out_dir": "output", "output_dir": "output", "output_file": "output", "save_dir": "output",
    "overwrite": "force", "overwrite_output_dir": "force",
    "early_stopping": "patience", "early_stopping_patience": "patience",
    "random_state": "seed", "seed_everything": "seed", "random_seed": "seed",
    "text_col": "text_column", "input_column": "text_column",
    "unlabelled": "texts", "unlabeled": "texts", "unlabelled_texts": "texts",
    "val_split": "validation_split", "dev_split": "validation_split", "eval_split": "validation_split",
    "val_fraction": "validation_fraction", "validation_size": "validation_fraction",
    "vocabulary_size": "vocab_size", "max_features": "vocab_size", "min_count": "min_frequency",
    "warmup_ratio": "warmup", "warmup_steps": "warmup", "wd": "weight_decay",
}  # fmt: skip

# Every setting that there is, with the verbs that take it.
OWNERS: dict[str, list[str]] = {}


def suggestion(name: str, known: Sequence[str]) -> str | None:
    """Return the setting that a misspelt name most likely stands for: by synonym, then by spelling.

    Example:
        >>> suggestion("lr", ["learning_rate", "label_column"])
        'learning_rate'
    """
    synonym = SYNONYMS.get(name.lower())
    if synonym in known:
        return synonym
    return closest(name, known, cutoff=0.6)


def unknown_name(name: str, known: Sequence[str], what: str = "setting", prefix: str = "") -> str:
    """Return the message for a name that is none of `known`.

    Args:
        name: Name that was given.
        known: Names that there are here.
        what: Kind of the name: "setting", "option of textcnn train".
        prefix: Marks before each name, such as "--".
    """
    message = f"unknown {what} {prefix + name!r}"
    found = suggestion(name, known)
    if found is not None:
        return f"{message}; did you mean {prefix + found!r}?"
    meant = name if name in OWNERS else suggestion(name, list(OWNERS))
    if meant is not None:
        here = next((verb for verb in OWNERS[meant] if what == f"option of textcnn {verb}"), None)
        if here is not None:
            return f"{message}; expected {meant} without a name; `textcnn {here} --help` shows its place"
        return f"{message}; {prefix + meant!r} belongs to {', '.join(f'textcnn {verb}' for verb in OWNERS[meant][:3])}"
    return f"{message}; expected one of {listed([prefix + one for one in known])}"
