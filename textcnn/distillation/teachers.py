"""Teachers: whatever gives probabilities for texts, with its classes in the order of ours.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..encoders.checkpoints import check_place, fingerprint, readable_length, unreadable
from ..encoders.transformer import transformer_outputs
from ..errors import listed, one_line
from ..runtime.decisions import Array, sigmoid, softmax

# Probabilities of 0 and 1 have no logit; those of a float32 softmax are no closer to them.
_SMALLEST = 1e-7
_EXPECTED = "a saved classifier"


class Teacher:
    """Base class of teachers, which give the logits of texts.

    Attributes:
        fingerprint: Names it in a cache; None where it cannot be told from another.
        checkpoint: Directory or Hub id of its token vectors, if it has some.
        is_transformer: True if it computes vectors of tokens in texts.
    """

    fingerprint: str | None = None
    checkpoint: str | None = None
    is_transformer = False

    def logits(self, texts: list[str]) -> Array:
        """Return the logits of texts: [N, C]. The classes have the order of the labels given on opening."""
        raise NotImplementedError

    def represent(self, texts: list[str]) -> Array:
        """Return the logits, followed by the mean of the last layer over a text's tokens: [N, C + H].

        Raises:
            ValueError: the teacher has no such representations.
        """
        raise ValueError(
            "representation_weight: the teacher shows no representations; expected one transformer; leave it at 0"
        )


def open_teacher(teacher: Any, labels: Sequence[str], multi_label: bool = False, precision: str = "auto") -> Teacher:
    """Open a teacher whose classes are `labels`.

    Args:
        teacher: A directory or Hub id of a transformers classifier, the directory of a TextCNN, a classifier with
            `predict_proba`, a function from a list of texts to probabilities [N, C], or a list of these, whose
            probabilities are averaged.
        labels: Names of the classes, in the order wanted.
        multi_label: True if labels do not exclude each other.
        precision: Of a transformer: 32-true, bf16-mixed, or auto, the latter where the processor is made for it.

    Raises:
        ValueError: the teacher's classes are others; both lists are given.
        FileNotFoundError: there is no such teacher.
    """
    if isinstance(teacher, list | tuple):
        if not teacher:
            raise ValueError("teacher: got an empty list; expected at least one")
        return Average([open_teacher(one, labels, multi_label, precision) for one in teacher], multi_label)
    if isinstance(teacher, str | Path):
        return _open_directory(str(teacher), labels, precision)
    if hasattr(teacher, "predict_proba"):
        named = getattr(teacher, "classes_", None)
        named = getattr(teacher, "labels", None) if named is None else named
        order = None if named is None else _match([str(name) for name in named], labels, type(teacher).__name__)
        return _Function(teacher.predict_proba, order, len(labels), multi_label, type(teacher).__name__)
    if callable(teacher):
        return _Function(teacher, None, len(labels), multi_label, getattr(teacher, "__name__", "function"))
    raise TypeError(
        f"teacher: got a {type(teacher).__name__}; expected a directory or Hub id, a classifier with predict_proba, a "
        "function of texts, or a list of these"
    )


def check_teacher(teacher: Any) -> None:
    """Refuse the path of a teacher that is not there.

    Raises:
        FileNotFoundError: There is no such directory.
    """
    for one in teacher if isinstance(teacher, list | tuple) else [teacher]:
        if isinstance(one, str | Path):
            check_place("teacher", str(one), _EXPECTED)


def teacher_name(teacher: Any) -> str:
    """Return the name of a teacher for a model card and for the note of an unfinished run, the same in every process.

    Example:
        >>> teacher_name(len)
        'builtins.len'
    """
    if teacher is None or isinstance(teacher, str | Path):
        return str(teacher)
    if isinstance(teacher, list | tuple):
        return ", ".join(map(teacher_name, teacher))
    named = teacher if hasattr(teacher, "__qualname__") else type(teacher)
    return f"{named.__module__}.{named.__qualname__}"


def to_logits(probabilities: Any, multi_label: bool = False) -> Array:
    """Return logits whose softmax (multi-label: sigmoid) is `probabilities` [N, C]."""
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), _SMALLEST, 1 - _SMALLEST)
    logits = np.log(clipped) - np.log1p(-clipped) if multi_label else np.log(clipped)
    return logits.astype(np.float32)


def to_probabilities(logits: Array, multi_label: bool = False) -> Array:
    """Return the softmax (multi-label: sigmoid) of logits [N, C]."""
    return sigmoid(logits) if multi_label else softmax(logits)


def check_probabilities(
    values: Any, classes: int, multi_label: bool, where: str, rows: Sequence[int] | None = None
) -> Array:
    """Check `values` and return them as float32: [N, C].

    Args:
        values: The candidate probabilities.
        classes: C.
        multi_label: True if labels do not exclude each other.
        where: Source of the values, for messages.
        rows: Row numbers for messages; None counts from 0.

    Raises:
        ValueError: another shape, values that are no numbers, or rows that do not add up to 1.
    """
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != classes:
        raise ValueError(
            f"{where}: got probabilities of shape {array.shape}; expected [N, {classes}]; give one a label"
        )
    astray = np.zeros(len(array), bool) if multi_label else np.abs(array.sum(axis=1) - 1) > 1e-2
    for wrong, expected in (
        (~np.isfinite(array).all(axis=1), "finite numbers"),
        (((array < -1e-4) | (array > 1 + 1e-4)).any(axis=1), "probabilities from 0 to 1"),
        (astray, "probabilities that add up to 1"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            got = ", ".join(f"{value:.4g}" for value in array[row].tolist())
            number = row if rows is None else rows[row]
            raise ValueError(
                f"{where}: got {got} in row {number} (counted from 0); expected {expected}; mend that row"
                + (f" and {wrong.sum() - 1:,} more" if wrong.sum() > 1 else "")
            )
    return array


class Average(Teacher):
    """Several teachers, whose probabilities are averaged."""

    def __init__(self, teachers: list[Teacher], multi_label: bool) -> None:
        self.members, self._multi_label = teachers, multi_label
        names = [teacher.fingerprint for teacher in teachers]
        self.fingerprint = None if None in names else "+".join(map(str, names))
        # The first that has vectors lends them.
        lender = next((teacher for teacher in teachers if teacher.checkpoint), self)
        self.checkpoint, self.is_transformer = lender.checkpoint, lender.is_transformer

    def logits(self, texts: list[str]) -> Array:
        return self.average([teacher.logits(texts) for teacher in self.members])

    def average(self, logits: Sequence[Array]) -> Array:
        """Return the logits of the mean probability of the members: [N, C] of each member -> [N, C]."""
        return to_logits(
            np.mean([to_probabilities(one, self._multi_label) for one in logits], axis=0), self._multi_label
        )


class _Function(Teacher):
    def __init__(
        self, function: Callable[[list[str]], Any], order: list[int] | None, classes: int, multi_label: bool, name: str
    ) -> None:
        self._function, self._order, self._classes = function, order, classes
        self._multi_label, self._name = multi_label, name

    def logits(self, texts: list[str]) -> Array:
        found = check_probabilities(self._function(texts), self._classes, self._multi_label, f"teacher {self._name}")
        if len(found) != len(texts):
            raise ValueError(f"teacher {self._name}: got {len(found)} rows for {len(texts)} texts; expected one each")
        return to_logits(found if self._order is None else found[:, self._order], self._multi_label)


class _TextCNN(Teacher):
    def __init__(self, directory: str, labels: Sequence[str]) -> None:
        from ..artifact import read_config
        from ..loading import load_classifier
        from ..runtime.capabilities import refuse_heads

        refuse_heads(read_config(directory), f"teacher {directory}", "train it with one label_column")
        self._classifier = load_classifier(directory)
        self._order = _match(self._classifier.labels, labels, directory)
        self.fingerprint = f"{fingerprint(Path(directory))} {self._order}"
        self.checkpoint = directory

    def logits(self, texts: list[str]) -> Array:
        return self._classifier.logits(texts)[:, self._order]


class _Transformer(Teacher):
    is_transformer = True

    def __init__(self, name: str, labels: Sequence[str], precision: str, max_length: int = 256) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from ..artifact import quiet_transformers
        from ..encoders.precision import resolve_precision

        self._halved = resolve_precision(precision) == "bf16-mixed"
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            with quiet_transformers():
                model = AutoModelForSequenceClassification.from_pretrained(name)
            tokenizer = AutoTokenizer.from_pretrained(name)
        except Exception as error:  # whatever a broken file provokes in transformers
            raise unreadable("teacher", name, _EXPECTED, error) from error
        self._model = model.eval().to(self._device)
        self._tokenizer = tokenizer
        self._max_length = readable_length(max_length, self._tokenizer, model.config)
        self._order = _match([model.config.id2label[i] for i in range(model.config.num_labels)], labels, name)
        # Of the order of the classes and the precision as well, since the logits follow them.
        saved = fingerprint(Path(name)) if Path(name).is_dir() else name
        self.fingerprint = f"{saved} {self._order}" + (" bf16" if self._halved else "")
        self.checkpoint = name

    def logits(self, texts: list[str]) -> Array:
        return self._read(texts, with_representations=False)

    def represent(self, texts: list[str]) -> Array:
        return self._read(texts, with_representations=True)

    def _read(self, texts: list[str], with_representations: bool) -> Array:
        size = self._model.config.hidden_size if with_representations else 0
        answers = np.empty((len(texts), len(self._order) + size), np.float32)
        outputs = transformer_outputs(
            self._model, self._tokenizer, texts, self._max_length, self._halved,
            output_hidden_states=with_representations,
        )  # fmt: skip
        for rows, batch, output in outputs:
            answers[rows, : len(self._order)] = output.logits.float().cpu().numpy()[:, self._order]
            if with_representations:
                kept = batch["attention_mask"][:, :, None].float()
                means = (output.hidden_states[-1].float() * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
                answers[rows, len(self._order) :] = means.cpu().numpy()
        return answers


def _open_directory(name: str, labels: Sequence[str], precision: str) -> Teacher:
    check_teacher(name)
    directory = Path(name)
    if directory.is_file():
        raise ValueError(f"teacher: got {name}, a file; expected the directory of a saved classifier; give that")
    config = directory / "config.json"
    if name and directory.is_dir():
        if not config.is_file():
            raise FileNotFoundError(
                f"teacher: got {name}, which has no config.json; expected the directory of a saved classifier; give "
                "one that `textcnn teach`, `textcnn fit` or save_pretrained wrote"
            )
        try:
            kind = json.loads(config.read_text(encoding="utf-8")).get("model_type")
        except (ValueError, AttributeError) as error:
            raise ValueError(
                f"teacher: got {name}, whose config.json cannot be read ({one_line(error)}); expected a JSON object; "
                "save or copy it again"
            ) from error
        if kind == "textcnn":
            return _TextCNN(name, labels)
    return _Transformer(name, labels, precision)


def _match(theirs: Sequence[str], ours: Sequence[str], name: str) -> list[int]:
    """Return the position of each of our classes among the teacher's.

    Raises:
        ValueError: the names differ.
    """
    if sorted(theirs) != sorted(ours):
        # Case apart, as many labels are; but names that mean nothing are no match.
        folded = {label.casefold(): i for i, label in enumerate(theirs)}
        if len(folded) != len(theirs) or sorted(folded) != sorted(label.casefold() for label in ours):
            # Of many labels, those that only one side has come first.
            got, expected = sorted(theirs, key=set(ours).__contains__), sorted(ours, key=set(theirs).__contains__)
            raise ValueError(
                f"teacher {name}: got the labels {listed(got)}; expected those of the data, {listed(expected)}; "
                "rename the one or the other"
            )
        return [folded[label.casefold()] for label in ours]
    return [list(theirs).index(label) for label in ours]
