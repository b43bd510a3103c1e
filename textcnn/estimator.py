"""TextCNNClassifier: a text classifier as scikit-learn has them, from texts to labels.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .runtime.text_batches import check_column

# What answers need; checkpoints and logs stay behind.
_ARTIFACT = (".json", ".safetensors", ".md", ".py")
_SEVERAL = (list, tuple, set, np.ndarray)
_LISTS_OF_LABELS = (
    "y: got lists of labels; expected one label a text, or zeros and ones [N, C]; for several labels a text use "
    "sklearn.preprocessing.MultiLabelBinarizer"
)


class TextCNNClassifier(ClassifierMixin, BaseEstimator):
    """Convolutions over token vectors, trained by `fit`, answering from look-up tables.

    Args:
        kernel_sizes, num_filters, embedding_dim, dropout: The network.
        tokenizer, vocab_size, lowercase, min_frequency: As in TextDataModule.
        vectors: Initial token vectors: a checkpoint or word-vector file, or a list of them.
        max_epochs, batch_size, learning_rate, naive_bayes: Of the training.
        class_weight: None, "balanced" or {class: weight}.
        early_stopping: Whether to hold out `validation_fraction` of the texts and keep the best epoch; an `eval_set`
            given to `fit` does that too.
        validation_fraction: Share that is held out.
        warm_start: Whether `fit` goes on from the weights and the tokenizer of the last one.
        random_state: Seed of everything random.
        threads: Threads that answer.
        verbose: Whether to show progress.

    Example:
        >>> TextCNNClassifier(max_epochs=5).fit(["a lovely film", "a dull film"] * 50, ["good", "bad"] * 50).predict(
        ...     ["lovely"]
        ... )
        array(['good'], dtype='<U4')
    """

    def __init__(
        self,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        num_filters: int = 100,
        embedding_dim: int | None = None,
        dropout: float = 0.5,
        tokenizer: Any = None,
        vocab_size: int = 30_000,
        lowercase: bool = True,
        min_frequency: int = 2,
        vectors: list[str] | str | None = None,
        max_epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        naive_bayes: float = 0.0,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int = 0,
        threads: int = 1,
        verbose: bool = False,
    ) -> None:
        self.kernel_sizes = kernel_sizes
        self.num_filters = num_filters
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.tokenizer = tokenizer
        self.vocab_size = vocab_size
        self.lowercase = lowercase
        self.min_frequency = min_frequency
        self.vectors = vectors
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.naive_bayes = naive_bayes
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.threads = threads
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        tags.non_deterministic = False
        return tags

    def fit(self, X: Iterable[str], y: Any, sample_weight: Any = None, eval_set: Any = None) -> TextCNNClassifier:
        """Trains on texts X [N] and labels y [N], or zeros and ones [N, C].

        Args:
            X: Texts: a list, array or Series of strings.
            y: Labels, or an indicator matrix.
            sample_weight: [N] how much each text counts.
            eval_set: (texts, labels) whose best epoch is kept.

        Raises:
            ValueError: a text is no string, the lengths differ, there is one class only, or weights are negative, not
                finite or all zero.
        """
        from .data.replaced import ReplacedTrainData
        from .training.weighted import fit_weighted, weighted_targets

        texts = _texts(X)
        codes = self._encode(y, len(texts), learn=True)
        weights = np.ones(len(texts)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        if weights.shape != (len(texts),):
            raise ValueError(f"sample_weight: got shape {weights.shape}; expected ({len(texts)},)")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(
                f"sample_weight: got values from {weights.min()} to {weights.max()}; expected finite ones from 0 on, "
                "not all of them zero"
            )
        weights = weights * self._class_weights(codes)
        names = [str(name) for name in self.classes_]
        held_out = self._held_out(texts, codes, eval_set)
        kept = held_out.pop("kept", np.arange(len(texts)))
        splits = {"train": _rows([texts[i] for i in kept], codes[kept], names)}
        if held_out:
            splits["validation"] = _rows(held_out["texts"], held_out["codes"], names)
        again = self.warm_start and hasattr(self, "_files")
        with tempfile.TemporaryDirectory() as folder:
            previous = Path(folder) / "previous"
            if again:
                self._write(previous)
            from datasets import DatasetDict

            data = ReplacedTrainData(
                DatasetDict(splits),
                labels=names,
                text_column="text",
                label_column="labels",
                tokenizer=str(previous) if again else self.tokenizer,
                vocab_size=self.vocab_size,
                lowercase=self.lowercase,
                min_frequency=self.min_frequency,
                vectors=self.vectors,
                batch_size=self.batch_size,
                validation_fraction=0.0,
                seed=self.random_state,
            )
            data.replace_train([texts[i] for i in kept], weighted_targets(codes[kept], weights[kept]))
            fit_weighted(
                data,
                Path(folder) / "run",
                architecture={
                    "kernel_sizes": list(self.kernel_sizes),
                    "num_filters": self.num_filters,
                    "embedding_dim": self.embedding_dim,
                    "dropout": self.dropout,
                },
                learning_rate=self.learning_rate,
                naive_bayes=self.naive_bayes,
                max_epochs=self.max_epochs,
                validate=bool(held_out),
                seed=self.random_state,
                start=previous if again else None,
                progress=self.verbose,
            )
            run = Path(folder) / "run"
            self._files = {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in _ARTIFACT}
        self.n_features_in_ = 1
        self._classifier: Any = None
        return self

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Labels [N] of texts, or zeros and ones [N, C]."""
        probabilities = self.predict_proba(X)
        if self.multilabel_:
            return (probabilities >= 0.5).astype(int)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Probabilities [N, C], in the order of `classes_`."""
        check_is_fitted(self, "classes_")
        return np.asarray(self._model().predict_proba(_texts(X)))

    def explain(self, text: str, label: Any = None) -> Any:
        """The n-grams of a text that made an answer; see `FoldedTextCNN.explain`."""
        check_is_fitted(self, "classes_")
        return self._model().explain(text, None if label is None else str(label))

    def save(self, directory: str | Path) -> Path:
        """Writes the artifact that `textcnn.load` opens."""
        check_is_fitted(self, "classes_")
        self._model()
        return self._write(Path(directory))

    def __getstate__(self) -> Any:
        # The tables are made again from the files, which are a fraction of their size.
        return {**super().__getstate__(), "_classifier": None} if hasattr(self, "_files") else super().__getstate__()

    def _model(self) -> Any:
        if self._classifier is None:
            from .artifact import read_artifact
            from .fold import fold

            with tempfile.TemporaryDirectory() as folder:
                model, tokenizer = read_artifact(self._write(Path(folder)))
                self._classifier = fold(model, tokenizer)
        self._classifier.threads = self.threads
        return self._classifier

    def _write(self, directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self._files.items():
            (directory / name).write_bytes(content)
        return directory

    def _encode(self, y: Any, count: int, learn: bool = False) -> NDArray[Any]:
        """Labels as ids [N] or zeros and ones [N, C]; `learn` also sets the classes."""
        if y is None:
            raise ValueError("y: got None; this estimator requires y to be passed, but the target y is None")
        from pandas import isna

        # Of a list numpy would make text of a missing label, and refuse uneven lists in its own words.
        values = np.asarray(y, dtype=None if hasattr(y, "__array__") else object)
        if values.ndim == 2 and values.shape[1] == 1:
            import warnings

            from sklearn.exceptions import DataConversionWarning

            warnings.warn("A column-vector y was passed when a 1d array was expected", DataConversionWarning, 3)
            values = values[:, 0]
        if len(values) != count:
            raise ValueError(f"y: got {len(values)} labels for {count} texts; expected one each")
        missing = isna(values)
        if missing.any():
            first = np.argwhere(missing)[0]
            raise ValueError(
                f"y: got {values[tuple(first)]} at position {first[0]}; expected a label for every text, not None or "
                "NaN; drop the texts without one"
            )
        multilabel = values.ndim == 2
        if values.dtype == object and not multilabel and any(isinstance(label, _SEVERAL) for label in values):
            raise ValueError(_LISTS_OF_LABELS)
        values = np.asarray(y) if multilabel else np.asarray(y).ravel()
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise ValueError("y: got infinity; expected classes or an indicator matrix")
        if learn:
            kind = type_of_target(values, input_name="y")
            if kind == "multiclass-multioutput":
                raise ValueError(_LISTS_OF_LABELS)
            if kind not in ("binary", "multiclass", "multilabel-indicator"):
                raise ValueError(f"y: got {kind} values; Unknown label type: expected classes or an indicator matrix")
            classes = np.arange(values.shape[1]) if multilabel else np.unique(values)
            if len(classes) < 2:
                raise ValueError(f"y: got one class only, {classes.tolist()[0]!r}; expected at least two classes")
            self.multilabel_, self.classes_ = multilabel, classes
        if multilabel:
            return values.astype(np.int64)
        found = np.searchsorted(self.classes_, values)
        if (self.classes_[np.minimum(found, len(self.classes_) - 1)] != values).any():
            raise ValueError("eval_set: got a label that y lacks; expected labels of y")
        return found

    def _class_weights(self, codes: NDArray[Any]) -> Any:
        if self.class_weight is None:
            return 1.0
        if self.multilabel_:
            raise ValueError("class_weight: got some for several labels a text; expected None")
        wanted = self.class_weight
        weights = compute_class_weight(wanted, classes=self.classes_, y=self.classes_[codes])
        return weights[codes]

    def _held_out(self, texts: list[str], codes: NDArray[Any], eval_set: Any) -> dict[str, Any]:
        if eval_set is not None:
            own = _texts(eval_set[0])
            return {"texts": own, "codes": self._encode(eval_set[1], len(own))}
        if not self.early_stopping:
            return {}
        from sklearn.model_selection import train_test_split

        kept, held = train_test_split(
            np.arange(len(texts)),
            test_size=self.validation_fraction,
            random_state=self.random_state,
            stratify=None if self.multilabel_ else codes,
        )
        return {"kept": np.sort(kept), "texts": [texts[i] for i in held], "codes": codes[held]}


def _texts(values: Any) -> list[str]:
    check_column(values, "X", ValueError)
    texts = list(values)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"X: got {text!r} ({type(text).__name__}) at position {position}; expected a string")
    if not texts:
        raise ValueError("X: got no text; expected at least one (0 sample(s) while a minimum of 1 is required)")
    return [str(text) for text in texts]


def _rows(texts: Sequence[str], codes: NDArray[Any], names: Sequence[str]) -> Any:
    from datasets import Dataset, Features, List, Value

    if codes.ndim == 1:
        return Dataset.from_dict({"text": list(texts), "labels": [names[i] for i in codes.tolist()]})
    labels = [[names[c] for c in np.flatnonzero(row).tolist()] for row in codes]
    features = Features({"text": Value("string"), "labels": List(Value("string"))})
    return Dataset.from_dict({"text": list(texts), "labels": labels}, features=features)
