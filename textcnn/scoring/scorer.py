"""Scorer: one class that labels texts in any engine, from any kind of table into the same kind.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..artifact import answering_files, check_artifact
from ..data.answers import AnswerColumns
from ..data.columns import HEAD_ROWS, find_text_column
from ..data.io.formats import pyarrow, valid_unicode
from ..loading import load
from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers
from ..runtime.heads import HeadsClassifier
from ..runtime.storage import FOLDED_FILE
from ..runtime.together import Together
from .arguments import probability, unknown, whole
from .containers import Columns, check_column, check_texts, column_names, values_of, with_columns

PathLike = str | Path
Models = PathLike | Sequence[PathLike] | Mapping[str, PathLike]
Thresholds = Mapping[str, float] | Mapping[str, Mapping[str, float]]


class Scorer:
    """Labels and probabilities for tables of any kind, from one or several models in one pass over the texts.

    It is called with a list of texts or of rows, a dict of columns (lists or numpy arrays), a DataFrame or Series of
    pandas or polars, or an arrow Table, RecordBatch or array, and returns the same kind with columns added. It is
    pickled as the paths of its models: each process opens them on first use, once, and all processes map the same
    memory.

    The columns are predicted_label, probability and probability_<label>, as `textcnn score` writes them; of a
    regression, prediction; of a model with heads, these of each head after its name: topic_predicted_label. A row
    without a text has no value in each. With several models each name begins with the model's name:
    quality_predicted_label.
    Models with equal tokenizers share the tokens of each text.

    Args:
        models: Directory of a model; or several, as a list (named like their directories) or as a dict of names.
        text_column: Column of the texts. Default: the one that the model was trained on, or found by its name.
        label_only: Leave out the columns probability_<label>.
        labels: Labels that get a column probability_<label>. Default: all.
        top_k: Add the k most probable labels, as lists in top_labels and top_probabilities. 0 adds none.
        reasons: Add that many n-grams of the predicted label with their weights, as a list in reasons. 0 adds none.
        thresholds: Least probability by label: adds a column keep_<label>, True where it is reached. With several
            models, a dict of these by model. `with_shares` finds thresholds from the share of texts to keep.
        threads: Threads of each process.

    Example:
        >>> scorer = Scorer("runs/docs", thresholds={"networking": 0.9})
        >>> scorer(["Open a socket."])[0]["predicted_label"]
        'networking'
        >>> dataset.map(scorer, batched=True)  # datasets; each engine of a cluster has its module in textcnn.scoring

    Raises:
        FileNotFoundError: There is no such directory.
        ValueError: A model, label or threshold cannot be used.
    """

    def __init__(
        self,
        models: Models,
        *,
        text_column: str | None = None,
        label_only: bool = False,
        labels: Sequence[str] | None = None,
        top_k: int = 0,
        reasons: int = 0,
        thresholds: Thresholds | None = None,
        threads: int = 1,
    ) -> None:
        self.models = _named(models)
        self.text_column, self.label_only, self.threads = text_column, label_only, threads
        self.labels = None if labels is None else list(labels)
        self.top_k, self.reasons = whole("top_k", top_k), whole("reasons", reasons)
        # Opened at once: a mistake shows here and not in a worker, and the tables are made before workers share them.
        # The digest makes another model in the same directory another function for `datasets`, which caches by pickle.
        self.digests = {name: model_digest(path) for name, path in self.models.items()}
        self._opened: dict[str, TextClassifier | HeadsClassifier] | None = None
        self._together: Together | None = None
        self.thresholds: dict[str, dict[str, float]] = {}
        given = {"labels": labels, "top_k": top_k, "thresholds": thresholds}
        for option in [option for option, value in given.items() if value]:
            if all(one.regression for one in self.classifiers.values()):
                next(iter(self.classifiers.values())).demand_labels(option)
        for label in self.labels or ():
            if not any(label in one.labels for one in self.classifiers.values()):
                raise unknown("labels", label, [name for one in self.classifiers.values() for name in one.labels])
        self.thresholds = self._checked(thresholds or {})

    @property
    def _engines(self) -> dict[str, TextClassifier | HeadsClassifier]:
        """The models by name; opened on first use, once in a process."""
        if self._opened is None:
            self._opened = {name: open_once(path, self.threads) for name, path in self.models.items()}
        return self._opened

    @property
    def classifiers(self) -> dict[str, TextClassifier]:
        """The classifiers by name; each head of a model is one, called MODEL_HEAD, or HEAD where there is one model."""
        found: dict[str, TextClassifier] = {}
        for name, engine in self._engines.items():
            if isinstance(engine, HeadsClassifier):
                found |= {self._prefix(name) + head: engine.heads[head] for head in engine.heads}
            else:
                found[name] = engine
        return found

    @property
    def schema(self) -> Any:
        """Arrow schema of the columns that are added."""
        arrow = pyarrow()
        types = {}
        for name, classifier in self.classifiers.items():
            known = AnswerColumns(classifier, every_class=not self.label_only or self.labels is not None).schema()
            extra = {
                "top_labels": arrow.list_(arrow.string()),
                "top_probabilities": arrow.list_(arrow.float64()),
                "reasons": arrow.list_(arrow.struct({"text": arrow.string(), "weight": arrow.float64()})),
            }
            columns = self._columns(classifier, name, [], Answers(np.zeros((0, len(classifier.labels)), np.float32)))
            for column in columns:
                kind = known.field(column).type if column in known.names else extra.get(column, arrow.bool_())
                types[self._prefix(name) + column] = kind
        return arrow.schema(types)

    def __call__(self, data: Any) -> Any:
        """Return the data with the columns of the answers; of texts without rows, the answers alone.

        Raises:
            TypeError: The data is of no kind that is known.
            ValueError: There is no column of texts, or it holds something else.
        """
        names = column_names(data)
        column = None if names is None else self.find_text_column(data)
        values = values_of(data, column)
        check_texts(values, column)
        types: dict[str, Any] = {}

        def arrow_type(name: str) -> Any:
            types.update(types or {field.name: field.type for field in self.schema})
            return types[name]

        return with_columns(data, self.columns(values), arrow_type)

    def find_text_column(self, data: Any) -> str:
        """Return the name of the column of the texts; the first table decides where none was named.

        Raises:
            ValueError: There is no such column, or none can be chosen.
        """
        names = column_names(data) or []
        if self.text_column is None:
            config = next(iter(self._engines.values())).config
            head = {name: values_of(data, name)[:HEAD_ROWS] for name in names}
            self.text_column = find_text_column(head, None, "the data", config.get("text_column"))
        check_column(self.text_column, names)
        return self.text_column

    def columns(self, texts: Sequence[str | None]) -> Columns:
        """Return the values of each column for texts; None where there is no text."""
        present = [i for i, text in enumerate(texts) if text is not None]
        # What is no Unicode in a crawled text is read as U+FFFD.
        readable = [valid_unicode(texts[i] or "") for i in present]
        columns: Columns = {}
        if self._together is None:
            self._together = Together(list(self._engines.values()))
        answers: list[Answers] = []
        for found in self._together.answers(readable):
            answers += found.values() if isinstance(found, dict) else [found]
        for (name, classifier), own in zip(self.classifiers.items(), answers, strict=True):
            for column, values in self._columns(classifier, name, readable, own).items():
                columns[self._prefix(name) + column] = _spread(values, present, len(texts))
        return columns

    def with_shares(self, texts: Sequence[str], shares: Mapping[str, float]) -> Scorer:
        """Return a scorer whose thresholds keep a share of texts: those with the largest probability of a label.

        Args:
            texts: A sample like the texts that will be scored.
            shares: Share to keep, from 0 to 1, by label.

        Example:
            >>> Scorer("runs/quality").with_shares(sample, {"good": 0.1}).thresholds
            {'good': 0.93}

        Raises:
            ValueError: There are several models or no texts, or a share or label cannot be used.
        """
        if len(self.classifiers) > 1:
            what = "models" if len(self.models) > 1 else "heads"
            raise ValueError(f"with_shares: got {len(self.classifiers)} {what}; expected one; make a scorer of each")
        classifier = next(iter(self.classifiers.values()))
        classifier.demand_labels("with_shares")
        probabilities = classifier.predict_proba([valid_unicode(text) for text in texts])
        if not len(probabilities):
            raise ValueError("with_shares: got no texts; expected a sample of those that will be scored")
        thresholds = {}
        for label, share in shares.items():
            if label not in classifier.labels:
                raise unknown("shares", label, classifier.labels)
            if not 0 < probability(f"shares: {label}", share) <= 1:
                raise ValueError(f"shares: {label}: got {share}; expected a share of more than 0")
            descending = np.sort(probabilities[:, classifier.labels.index(label)])[::-1]
            thresholds[label] = float(descending[max(0, round(share * len(descending)) - 1)])
        return Scorer(
            self.models if self._is_named else next(iter(self.models.values())),
            text_column=self.text_column, label_only=self.label_only, labels=self.labels, top_k=self.top_k,
            reasons=self.reasons, thresholds=thresholds, threads=self.threads,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"Scorer({', '.join(f'{name}: {Path(path).name}' for name, path in self.models.items())})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_together": None}

    @property
    def _is_named(self) -> bool:
        return "" not in self.classifiers

    def _prefix(self, name: str) -> str:
        return f"{name}_" if name else ""

    def _checked(self, thresholds: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        by_model = thresholds if self._is_named else {"": thresholds}
        for name, own in by_model.items():
            if name not in self.classifiers:
                raise unknown("thresholds", name, list(self.classifiers))
            if not isinstance(own, Mapping):
                raise ValueError(f"thresholds: {name}: got {own!r}; expected a dict of labels, such as {{'good': 0.9}}")
            if own:
                self.classifiers[name].demand_labels("thresholds")
            for label, threshold in own.items():
                if label not in self.classifiers[name].labels:
                    raise unknown("thresholds", label, self.classifiers[name].labels)
                probability(f"thresholds: {label}", threshold)
        return {name: {label: float(value) for label, value in own.items()} for name, own in by_model.items()}

    def _columns(self, classifier: TextClassifier, name: str, texts: list[str], answers: Answers) -> Columns:
        """Return the columns of one model for texts that are there."""
        wanted = self.labels
        columns = classifier.columns(answers, every_class=not self.label_only or wanted is not None)
        if wanted is not None:
            dropped = {f"probability_{label}" for label in classifier.labels if label not in wanted}
            columns = {column: values for column, values in columns.items() if column not in dropped}
        if self.top_k and not classifier.regression:
            order = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, : self.top_k]
            columns["top_labels"] = [[classifier.labels[i] for i in row] for row in order]
            columns["top_probabilities"] = np.take_along_axis(answers.probabilities, order, axis=1).tolist()
        if self.reasons:
            labels = columns.get("predicted_label", [None] * len(texts))
            columns["reasons"] = self._reasons(classifier, texts, labels)
        for label, threshold in self.thresholds.get(name, {}).items():
            reached = answers.probabilities[:, classifier.labels.index(label)].astype(np.float64) >= threshold
            columns[f"keep_{label}"] = reached.tolist()
        return columns

    def _reasons(self, classifier: TextClassifier, texts: list[str], labels: list[Any]) -> list[list[dict[str, Any]]]:
        """Return the n-grams with the largest weights, of the label of each text or of its most probable one."""
        reasons = []
        for text, label in zip(texts, labels, strict=True):
            of_label = isinstance(label, str) and classifier.levels is None
            explanation = classifier.explain(text, label if of_label else None)
            ngrams = explanation.contributions[: self.reasons]
            reasons.append([{"text": ngram.text, "weight": float(ngram.weight)} for ngram in ngrams])
        return reasons


def model_digest(directory: PathLike) -> str:
    """Return a digest of the files that the answers of a model depend on; it is folded if it is not yet."""
    directory = check_artifact(directory)
    if not (directory / FOLDED_FILE).is_file():
        load(directory)
    digest = hashlib.blake2b(digest_size=16)
    for name in answering_files(directory):
        with (directory / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def open_once(path: str, threads: int = 1) -> Any:
    """Open a model once per process, however many scorers or shards use it; again when its files have changed."""
    files = [Path(path) / name for name in ("config.json", FOLDED_FILE, "model.safetensors")]
    return _open(path, threads, tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files))


@lru_cache(maxsize=16)
def _open(path: str, threads: int, times: tuple[int, ...]) -> Any:
    return load(path, threads)


def _named(models: Models) -> dict[str, str]:
    """Return the absolute paths of models by name; the name of a single model is ''."""
    if isinstance(models, str | Path):
        return {"": str(Path(models).absolute())}
    if isinstance(models, Mapping):
        named = {str(name): str(Path(path).absolute()) for name, path in models.items()}
    else:
        names = [Path(path).absolute().name for path in models]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"models: got two directories {twice!r}; expected distinct names; give a dict of names")
        named = {name: str(Path(path).absolute()) for name, path in zip(names, models, strict=True)}
    if not named or "" in named:
        raise ValueError(f"models: got {models!r}; expected a directory, or several with names")
    return named


def _spread(values: list[Any], present: list[int], rows: int) -> list[Any]:
    """Return the values at the places of the rows that have one, and None at the others."""
    if len(present) == rows:
        return values
    spread: list[Any] = [None] * rows
    for i, value in zip(present, values, strict=True):
        spread[i] = value
    return spread
