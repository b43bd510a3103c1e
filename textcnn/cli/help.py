"""Help of a verb: usage, sections of options with their defaults, examples."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..settings import (
    ArchitectureSettings,
    AugmentationSettings,
    BatchSettings,
    ColumnSettings,
    FineTuningSettings,
    LossSettings,
    OptimizationSettings,
    RateSettings,
    RunSettings,
    SeedSettings,
    Setting,
    SourceSettings,
    TokenizerSettings,
)
from ..settings.values import choices, list_of

if TYPE_CHECKING:
    from .options import Verb

SECTIONS: dict[type, str] = {
    ColumnSettings: "data",
    SourceSettings: "data",
    TokenizerSettings: "tokens",
    BatchSettings: "batches",
    SeedSettings: "training",
    ArchitectureSettings: "network",
    RateSettings: "training",
    OptimizationSettings: "training",
    RunSettings: "training",
    FineTuningSettings: "training",
    LossSettings: "distillation",
    AugmentationSettings: "copies of the training texts",
}
# Settings that verbs declare themselves, by name.
PLACES = {
    **dict.fromkeys(("data", "texts", "split", "limit", "out_of_scope", "text_column", "files"), "data"),
    **dict.fromkeys(("output", "force", "report", "html", "json", "label_only", "output_format"), "output"),
}
ORDER = ["data", "options", "distillation", "copies of the training texts", "tokens", "batches", "network", "training",
         "output"]  # fmt: skip
METAVARS = {
    "data": "DATA", "output": "PATH", "model": "MODEL", "texts": "FILE", "report": "FILE", "html": "FILE",
    "tokenizer": "NAME", "vectors": "PATH", "text": "TEXT", "trim_vocabulary": "FILE", "masked_lm": "PATH",
    "neighbour_vectors": "PATH", "threshold_for": "AIM", "abstain": "AIM", "label": "LABEL", "labels": "LABEL",
    "out_of_scope": "LABEL", "scale": "N=S", "budget": "BUDGET", "init": "PATH", "encoder": "NAME",
    "time_limit": "TIME", "variants": "RECIPE", "min_speed": "SPEED", "beside": "MODEL", "host": "ADDRESS",
    "label_prefix": "TEXT",
}  # fmt: skip
# Settings that the short help lists with their defaults only.
FURTHER = {
    "config_name", "revision", "num_folds", "fold", "streaming", "strict", "eval_batch_size", "num_workers",
    "num_members", "stride", "dilation", "padding", "activation", "embedding_dropout", "embedding_norm", "pooled_norm",
    "layer_norm_eps", "head_max_norm", "class_weights", "max_steps", "gradient_clip_val", "log_every_n_steps",
    "accelerator", "devices", "precision", "weight_decay", "warmup", "schedule", "optimizer", "min_frequency",
    "num_blocks", "squeeze_excitation", "pooling_segments", "experts_per_text", "balance_weight",
    "bag_ngrams", "bag_buckets", "bag_dim", "bag_start", "bag_training", "bag_weight", "naive_bayes",
    "contrastive_weight", "patience",
    "label_smoothing", "loss", "huber_delta", "regression_columns", "ordinal_columns",
    "label_separator",
    "pooling", "num_experts", "train_split", "test_split", "problem_type", "max_length", "labels", "no_summary",
    "gram_weight", "encoding_dim", "embedding_learning_rate", "vocab_size", "variant", "lowercase",
}  # fmt: skip
# Verbs that take what another one takes: their short help refers to it.
SHARED = {"distill": "train", "tune": "train"}


def help_text(verb: Verb[Any], every: bool = False) -> str:
    """Return the help of a verb; `every` documents all settings in full."""
    width = max(80, min(100, shutil.get_terminal_size((100, 50)).columns))
    options = verb.options
    words = [_word(setting) for setting in options if setting.positional]
    required = [f"--{s.name} {_metavar(s)}" for s in options if s.required and not s.positional]
    lines = [" ".join([f"usage: textcnn {verb.name}", *words, *required, "[--NAME VALUE ...]"]), ""]
    lines += textwrap.wrap(verb.description, width)
    entries: dict[str, list[tuple[str, str]]] = {}
    further: list[str] = []
    shared = [] if every else _shared(verb)
    for setting in options:
        if setting.positional:
            entries.setdefault("arguments", []).append((_word(setting), _doc(setting)))
        elif setting.name in shared:
            continue
        elif setting.name in FURTHER and not every:
            further.append(f"--{setting.name} {_default(setting) or 'none'}")
        else:
            section = PLACES.get(setting.name) or SECTIONS.get(setting.group, "options")
            entries.setdefault(section, []).append((_option(setting), _doc(setting)))
    if verb.json:
        entries.setdefault("output", []).append(("--json", "Print the result as JSON. Default: off."))
    entries.setdefault("output", []).append(("--config FILE", "YAML file with any of these settings. Default: none."))
    for section in ["arguments", *ORDER]:
        if section in entries:
            lines += ["", f"{section}:", *_columns(entries[section], width)]
    if further:
        lines += ["", "further settings, with their defaults (--help_all documents them):"]
        lines += textwrap.wrap(", ".join(further), width, initial_indent="  ", subsequent_indent="  ",
                               break_on_hyphens=False)  # fmt: skip
    if shared:
        name = SHARED[verb.name]
        text = f"Every setting of `textcnn {name}` as well, with the same defaults: see `textcnn {name} --help`."
        lines += ["", *textwrap.wrap(text, width)]
    lines += ["", "example:" if len(verb.examples) == 1 else "examples:", *(f"  {line}" for line in verb.examples)]
    return "\n".join(lines)


def _shared(verb: Verb[Any]) -> list[str]:
    if verb.name not in SHARED:
        return []
    groups = (SourceSettings, BatchSettings, SeedSettings, ArchitectureSettings, RateSettings, OptimizationSettings,
              RunSettings, TokenizerSettings)  # fmt: skip
    shown = ("vectors", "seed", "max_epochs", "learning_rate", "kernel_sizes", "num_filters", "vocab_size", "tokenizer")
    return [setting.name for setting in verb.options if setting.group in groups and setting.name not in shown]


def _columns(entries: Sequence[tuple[str, str]], width: int) -> list[str]:
    indent = min(28, max(len(name) for name, _ in entries) + 4)
    lines = []
    for name, doc in entries:
        wrapped = textwrap.wrap(doc, width - indent, break_on_hyphens=False) or [""]
        if len(name) + 4 > indent:
            lines.append(f"  {name}")
        else:
            lines.append(f"  {name:<{indent - 2}}{wrapped.pop(0)}")
        lines += [" " * indent + line for line in wrapped]
    return lines


def _word(setting: Setting) -> str:
    name = setting.name.upper()
    return {"1": name, "?": f"[{name}]", "+": f"{name} ...", "*": f"[{name} ...]"}[setting.positional]


def _option(setting: Setting) -> str:
    if setting.hint is bool:
        return f"--{'[no_]' if setting.default else ''}{setting.name}"
    several = list_of(setting.hint) is not None or setting.name == "texts"
    return f"--{setting.name} {_metavar(setting)}{' ...' if several else ''}"


def _metavar(setting: Setting) -> str:
    if setting.name in METAVARS:
        return METAVARS[setting.name]
    kinds = str(setting.hint)
    if "int" in kinds and "Path" not in kinds:
        return "N"
    return "X" if "float" in kinds else "NAME"


def _default(setting: Setting) -> str:
    value = setting.default
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def _doc(setting: Setting) -> str:
    doc = setting.doc
    words = choices(setting.hint)
    if words and not all(word in doc for word in words):
        doc = f"{doc.rstrip('.')}: {', '.join(words)}."
    if setting.required:
        return doc
    default = _default(setting)
    if not default or "Default: " in doc:
        return doc
    return f"{doc} Default: {default}."
