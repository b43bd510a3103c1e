"""Checks of a config.json before anything is computed from it, the same for every engine that answers.

A file may be damaged, edited by hand or crafted. What becomes a size, an address or a divisor is checked here and, once
more, where the core opens its tables.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from .decisions import ORDINAL, SCORES
from .layout import ACTIVATIONS, PADDINGS

# Those of transformers, and "ordinal".
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression", ORDINAL)
# Larger numbers exist only in damaged files.
_MOST = {"vocab_size": 1 << 31, "kernel_sizes": 1 << 12, "num_filters": 1 << 24, "num_members": 1 << 12,
         "stride": 1 << 16, "dilation": 1 << 16, "embedding_dim": 1 << 20, "encoding_dim": 1 << 20,
         "num_blocks": 1 << 8, "pooling_segments": 1 << 12, "num_experts": 1 << 12, "experts_per_text": 1 << 12,
         "bag_ngrams": 1 << 12, "bag_buckets": 1 << 30, "bag_dim": 1 << 20}  # fmt: skip
_CHOICES = {"activation": ACTIVATIONS, "padding": PADDINGS, "problem_type": PROBLEM_TYPES}


def read_config(path: Path) -> dict[str, Any]:
    """Return the content of a config.json.

    Raises:
        ValueError: it is no JSON object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no JSON object (got a {type(content).__name__}); copy it again")
    return content


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        ValueError: it is no JSON, or no UTF-8; the message names the file.
    """
    try:
        return json.loads(read_utf8(path))
    except RecursionError:
        raise ValueError(f"{path} is no JSON object that can be read: it is nested too deep; copy it again") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON object ({error}); copy it again") from None


def read_utf8(path: Path) -> str:
    """Return the text of a file, with its line endings unchanged.

    Raises:
        ValueError: it is no UTF-8; the message names the file.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no UTF-8 (byte 0x{error.object[error.start]:02x} at {error.start}); copy it again"
        ) from None


def check_config(config: Mapping[str, Any]) -> None:
    """Raise ValueError at the first entry of a config.json that no classifier can be made of."""
    # A masked language model may know no labels.
    if config.get("id2label") or config.get("mask_token_id") is None:
        check_labels(config)
    check_network(config)
    check_heads(config)
    check_cut_points(config)
    separator = config.get("label_separator")
    if separator is not None and not (isinstance(separator, str) and separator):
        raise ValueError(f"config.json: label_separator: got {separator!r:.60}; expected a string, such as '/'")
    check_calibration(config, [str(name) for name in (config.get("id2label") or {}).values()])


def check_labels(config: Mapping[str, Any]) -> None:
    """Raise ValueError unless `id2label` names each id from 0 on."""
    names = config.get("id2label")
    if not isinstance(names, Mapping) or not names:
        raise ValueError(
            f"config.json: id2label: got {names!r:.60}; expected a name for each label; copy config.json again"
        )
    ids = {str(key) for key in names}
    missing = next((index for index in range(len(names)) if str(index) not in ids), None)
    if missing is not None or len(ids) != len(names):
        raise ValueError(
            f"config.json: id2label: got {len(names)} labels without the id {missing}; expected the ids 0 to "
            f"{len(names) - 1}; copy config.json again"
        )
    seen: set[str] = set()
    for label in map(str, names.values()):
        try:
            label.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"config.json: id2label: got {label!r}, which holds half of a surrogate pair; expected Unicode text; "
                "rename the label"
            ) from None
        if label in seen:
            raise ValueError(
                f"config.json: id2label: got the label {label!r} twice; expected distinct names; rename one"
            )
        seen.add(label)


def check_network(config: Mapping[str, Any]) -> None:
    """Raise ValueError at the first setting of the network that is no size or no known name."""
    for name, most in _MOST.items():
        value = config.get(name)
        several = name in ("kernel_sizes", "num_filters") and isinstance(value, (list, tuple))
        numbers: Iterable[Any] = value if several and value else () if several or value is None else (value,)
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
                raise ValueError(
                    f"config.json: {name}: got {number!r:.60}; expected a whole number from 1 to {most}; copy "
                    "config.json again"
                )
    for name, allowed in _CHOICES.items():
        value = config.get(name)
        if value is not None and value not in allowed:
            near = difflib.get_close_matches(str(value), allowed, n=1)
            raise ValueError(
                f"config.json: {name}: got {value!r:.60}; expected one of {', '.join(allowed)}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
    counts, widths = config.get("num_filters"), config.get("kernel_sizes")
    if isinstance(counts, list) and isinstance(widths, list) and len(counts) != len(widths):
        raise ValueError(
            f"config.json: num_filters: got {len(counts)} numbers; expected {len(widths)}, one for each of kernel_sizes"
        )
    pad, size = config.get("pad_token_id"), config.get("vocab_size")
    if pad is not None and (isinstance(pad, bool) or not isinstance(pad, int) or not 0 <= pad < (size or pad + 1)):
        raise ValueError(f"config.json: pad_token_id: got {pad!r:.60}; expected an id below vocab_size ({size})")
    epsilon = config.get("layer_norm_eps")
    # A norm divides by it where all values are equal, as those of an empty text are.
    if epsilon is not None and not (is_number(epsilon) and epsilon > 0):
        raise ValueError(f"config.json: layer_norm_eps: got {epsilon!r:.60}; expected a positive number, such as 1e-5")


def check_cut_points(config: Mapping[str, Any], head: str = "") -> None:
    """Raise ValueError unless a model, or head, of ordered levels has increasing cut points, one fewer than labels."""
    if config.get("problem_type") != ORDINAL:
        return
    labels = config.get("labels") if "labels" in config else config.get("id2label")
    points, count = config.get("cut_points"), len(labels or ()) - 1
    found = list(points) if isinstance(points, (list, tuple)) and all(map(is_number, points)) else []
    if len(found) != count or count < 1 or any(a >= b for a, b in pairwise(found)):
        raise ValueError(
            f"config.json: {head}cut_points: got {points!r:.60}; expected {max(1, count)} increasing numbers, as "
            "problem_type is ordinal; copy config.json again"
        )


def check_heads(config: Mapping[str, Any]) -> None:
    """Raise ValueError unless `heads` divide the labels among them, each with a calibration that can be used."""
    heads = config.get("heads")
    if heads is None:
        return
    remedy = "copy config.json again"
    if not isinstance(heads, list) or not all(isinstance(head, Mapping) for head in heads) or not heads:
        raise ValueError(f"config.json: heads: got {heads!r:.60}; expected a list of heads; {remedy}")
    names: list[str] = []
    for head in heads:
        labels, kind = head.get("labels"), head.get("problem_type")
        if not isinstance(labels, list) or not labels or len(set(map(str, labels))) != len(labels):
            raise ValueError(f"config.json: heads: labels: got {labels!r:.60}; expected distinct names; {remedy}")
        if kind not in PROBLEM_TYPES:
            raise ValueError(
                f"config.json: heads: problem_type: got {kind!r:.60}; expected one of {', '.join(PROBLEM_TYPES)}; "
                f"{remedy}"
            )
        check_cut_points(head, "heads: ")
        check_calibration(head, map(str, labels))
        names.append(str(head.get("name")))
    flat = [f"{name}: {label}" for name, head in zip(names, heads, strict=True) for label in head["labels"]]
    if len(set(names)) != len(names) or flat != [
        str(config["id2label"][key]) for key in sorted(config["id2label"], key=int)
    ]:
        raise ValueError(
            f"config.json: heads: got {', '.join(names)[:60]}, whose labels are not those of id2label; expected each "
            f"logit as 'head: label'; {remedy}"
        )


def check_calibration(config: Mapping[str, Any], labels: Iterable[str]) -> None:
    """Raise ValueError unless temperature, thresholds and abstention can be used with these labels."""
    remedy = "run `textcnn calibrate`, or correct config.json"
    temperature = config.get("temperature", 1.0)
    if not (is_number(temperature) and temperature > 0):
        raise ValueError(f"temperature: got {temperature!r:.60}; expected a positive number; {remedy}")
    thresholds, known = config.get("thresholds") or {}, set(labels)
    if not isinstance(thresholds, Mapping):
        raise ValueError(f"thresholds: got {thresholds!r:.60}; expected a threshold for each of some labels; {remedy}")
    for label, threshold in thresholds.items():
        if label not in known:
            near = difflib.get_close_matches(str(label), known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"thresholds: got the label {label!r:.60}; expected one of the model{hint}; {remedy}")
        if not (is_number(threshold) and 0 <= threshold <= 1):
            raise ValueError(
                f"thresholds: got {threshold!r:.60} for {label!r}; expected a probability, from 0 to 1; {remedy}"
            )
    abstention = config.get("abstention")
    if abstention:
        if not isinstance(abstention, Mapping) or not {"score", "threshold"} <= set(abstention):
            raise ValueError(f"abstention: got {abstention!r:.60}; expected a score and a threshold; {remedy}")
        if not is_number(abstention["threshold"]):
            raise ValueError(
                f"abstention: got the threshold {abstention['threshold']!r:.60}; expected a finite number; {remedy}"
            )
        if abstention["score"] not in SCORES:
            raise ValueError(
                f"abstention: got the score {abstention['score']!r:.60}; expected one of {', '.join(SCORES)}; {remedy}"
            )


def is_number(value: Any) -> bool:
    """Return True for a finite real number that is no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
