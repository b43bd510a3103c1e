"""Converted models beside fastText: equal labels, equal probabilities, sizes, and speed on one core.

Shapes: `N` texts, `C` labels.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import TextDataModule
from ..data.io.sources import Source, open_source
from ..folding.convert import convert, fold_fasttext
from ..folding.fasttext import read_fasttext
from ..runtime.fasttext import FoldedFastText
from ..runtime.together import Together
from ..settings.benchmarks import FastTextBenchSettings
from .figures import Figures
from .peers import import_peer

# Small models of each kind, whose answers are compared on every text.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "words": ({}, None),
    "bigrams": ({"wordNgrams": 2}, None),
    "trigrams": ({"wordNgrams": 3}, None),
    "subwords": ({"wordNgrams": 2, "minn": 2, "maxn": 4}, None),
    "one-vs-all": ({"wordNgrams": 2, "loss": "ova"}, None),
    "hierarchical": ({"wordNgrams": 2, "loss": "hs"}, None),
    "quantised": ({"wordNgrams": 2}, {}),
    "pruned": ({"wordNgrams": 2}, {"cutoff": 20_000, "qnorm": True}),
}
SMALL = {"dim": 16, "epoch": 2, "bucket": 200_000}
# Probabilities of fastText that lie closer are a tie.
TIE = 1e-5
FIVE = 5
# fastText's wheel leaves parts of matrices as malloc gave them, which may be no numbers; glibc then writes zeros there.
_ENVIRONMENT = {"MALLOC_PERTURB_": "255"}
_TRAIN = """\
import sys, json, fasttext
source, target, settings, quantize = sys.argv[1:]
model = fasttext.train_supervised(source, thread=1, verbose=0, **json.loads(settings))
if json.loads(quantize) is not None:
    model.quantize(input=source, thread=1, verbose=0, **json.loads(quantize))
model.save_model(target)
"""


def run(settings: FastTextBenchSettings) -> Figures:
    """Train fastText on each data set, convert its models and compare the answers; time them on the first data set."""
    fasttext = import_peer("fasttext")
    figures = Figures()
    equal = texts_compared = ties = 0
    error = error_of_table = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in settings.data:
            lines, texts = _read(str(path), settings.label_column)
            texts += _further_texts(str(path), settings.label_column)
            source = folder / "train.txt"
            source.write_text("\n".join(lines) + "\n", encoding="utf-8")
            for kind, (own, quantize) in KINDS.items():
                model = _train(source, folder / "model.bin", {**SMALL, **own}, quantize)
                same, tied, largest = compare(
                    fasttext.load_model(str(model)), fold_fasttext(read_fasttext(model)), texts
                )
                print(
                    f"{path}, {kind}: {len(texts):,} texts, {tied:,} ties, {same:,} labels equal, error {largest:.2g}"
                )
                equal, ties, texts_compared = equal + same, ties + tied, texts_compared + len(texts)
                if kind == "one-vs-all":
                    error_of_table = max(error_of_table, largest)
                else:
                    error = max(error, largest)
        clear = texts_compared - ties
        figures.add(
            "convert_labels_equal", f"labels equal to fastText's, {ties:,} ties aside", 100 * equal / clear, "%"
        )
        figures.add("convert_probability_error", "largest difference in probability, float32", error, "")
        figures.add(
            "convert_probability_error_ova", "one-vs-all: fastText reads sigmoids from a table of 512 values",
            error_of_table, "",
        )  # fmt: skip
        if settings.speed:
            _measure_speed(figures, fasttext, folder, str(settings.data[0]), settings)
            _measure_one_pass(figures, fasttext, folder, str(settings.data[0]), settings)
    return figures


def compare(theirs: Any, ours: FoldedFastText, texts: list[str]) -> tuple[int, int, float]:
    """Return the number of equal labels, of ties, and the largest difference in probability of the five best labels."""
    ids = {token: index for index, token in enumerate(ours.tokens_of_labels)}
    equal = ties = 0
    largest = 0.0
    for begin in range(0, len(texts), 4096):
        some = texts[begin : begin + 4096]
        labels, values = theirs.f.multilinePredict([text + "\n" for text in some], 5, 0.0, "strict")
        probabilities = ours.predict_proba(some)
        for row, own_labels, own_values in zip(probabilities, labels, values, strict=True):
            chosen = [ids[label] for label in own_labels]
            if not chosen:
                ties += 1
                continue
            largest = max(largest, float(np.abs(row[chosen] - own_values).max()))
            if len(chosen) > 1 and own_values[0] - own_values[1] <= TIE:
                ties += 1
            else:
                equal += int(row.argmax()) == chosen[0]
    return equal, ties, largest


def _measure_speed(figures: Figures, fasttext: Any, folder: Path, path: str, settings: FastTextBenchSettings) -> None:
    lines, texts = _read(path, settings.label_column)
    texts = texts[-settings.limit :]
    labels = sorted({line.partition(" ")[0] for line in lines})
    halves = {label: f"__label__{labels.index(label) < len(labels) / 2}" for label in labels}
    binary = [f"{halves[label]} {rest}" for label, _, rest in (line.partition(" ") for line in lines)]
    for key, own, dim in (("convert_vs_fasttext", lines, 100), ("convert_vs_fasttext_binary", binary, 256)):
        source = folder / "train.txt"
        source.write_text("\n".join(own) + "\n", encoding="utf-8")
        file = _train(source, folder / "large.bin", {"dim": dim, "wordNgrams": 2, "epoch": 1})
        model = convert(file, folder / key)
        theirs = fasttext.load_model(str(file))
        prepared = [text + "\n" for text in texts]
        figures.ratio(
            key, f"text to label, one core, {len(model.labels)} labels, {dim} dimensions, word bigrams",
            lambda model=model: model.predict(texts),
            lambda theirs=theirs, prepared=prepared: theirs.f.multilinePredict(prepared, 1, 0.0, "strict"),
            len(texts), rounds=3,
        )  # fmt: skip
        if key == "convert_vs_fasttext_binary":
            after = sum(part.stat().st_size for part in (folder / key).iterdir())
            before = file.stat().st_size
            figures.add(
                "convert_size", "bytes of the binary model with 2M buckets over those of its directory",
                before / after, "x", before / 1e6, after / 1e6, "MB",
            )  # fmt: skip


def _measure_one_pass(
    figures: Figures, fasttext: Any, folder: Path, path: str, settings: FastTextBenchSettings
) -> None:
    """Time five models, each of a label against the others, over the same texts."""
    lines, texts = _read(path, settings.label_column)
    texts = texts[-settings.limit :]
    prepared = [text + "\n" for text in texts]
    tokens = sorted({line.partition(" ")[0] for line in lines})
    theirs, ours = [], []
    for number in range(FIVE):
        token = tokens[number % len(tokens)]
        parts = [line.partition(" ") for line in lines]
        source = folder / "train.txt"
        own = [f"__label__{label == token} {rest}" for label, _, rest in parts]
        source.write_text("\n".join(own) + "\n", encoding="utf-8")
        file = _train(source, folder / "one.bin", {"dim": 100, "wordNgrams": 2, "epoch": 1, "bucket": 500_000})
        ours.append(convert(file, folder / f"model {number}"))
        theirs.append(fasttext.load_model(str(file)))
    together = Together(ours)
    figures.ratio(
        "five_models_one_pass", "five models of 2 labels and 100 dimensions, in one pass and one after the other",
        lambda: together.answers(texts),
        lambda: [model.f.multilinePredict(prepared, 1, 0.0, "strict") for model in theirs],
        len(texts), rounds=3,
    )  # fmt: skip


def _read(path: str, label_column: str | None) -> tuple[list[str], list[str]]:
    """Lines of the training rows as fastText reads them, and the texts of train, validation and test that are there."""
    data = TextDataModule(path, label_column=label_column, validation_fraction=0.0)
    lines, texts = [], []
    for role in _roles(open_source(path)):
        own, targets = data.texts_and_targets(role)
        own = [_line(text) for text in own]
        texts += own
        if role == "train":
            lines = [f"{_labels(target)} {text}" for text, target in zip(own, targets, strict=True)]
    return lines, texts


def _roles(source: Source) -> dict[str, str]:
    """Splits that are train, validation and test, by these names."""
    found = {role: source.find(role, None, "train") for role in ("validation", "test")}
    return {"train": "train", **{role: name for role, name in found.items() if name is not None}}


def _further_texts(path: str, label_column: str | None) -> list[str]:
    """Texts of the other splits, with labels or without."""
    source, column = open_source(path), TextDataModule(path, label_column=label_column).columns[0]
    splits = [source.load(name) for name in source.names if name not in _roles(source).values()]
    return [_line(text) for split in splits if column in split.column_names for text in split[column] if text]


def _line(text: str) -> str:
    return " ".join(text.split("\n"))


def _labels(target: NDArray[Any] | int) -> str:
    ids = np.flatnonzero(target).tolist() if np.ndim(target) else [target]
    return " ".join(f"__label__{index}" for index in ids)


def _train(source: Path, target: Path, settings: dict[str, Any], quantize: dict[str, Any] | None = None) -> Path:
    """Train a model with fastText in a process of its own."""
    command = [sys.executable, "-c", _TRAIN, str(source), str(target), json.dumps(settings), json.dumps(quantize)]
    for attempt in range(3):
        done = subprocess.run(command, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True)
        if done.returncode == 0:
            return target
        if attempt == 2:
            raise RuntimeError(f"fastText could not train: {done.stderr.strip().splitlines()[-1]}")
    raise AssertionError
