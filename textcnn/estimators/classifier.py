"""TextCNNClassifier: a text classifier with the interface of scikit-learn, from texts to labels.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from ..data.class_codes import class_codes, is_indicator, labelled_rows, learn_classes, read_classes
from ..data.label_order import places_of_levels
from ..data.numbers import ORDINAL, are_numbers
from ..errors import listed
from .base import TextEstimator
from .columns import codes_of_columns, head_of, learn_columns
from .inputs import read_texts, read_weights


class TextCNNClassifier(ClassifierMixin, TextEstimator):
    """A TextCNN that `fit` trains and that answers from look-up tables.

    Args:
        kernel_sizes, num_filters, num_members, embedding_dim: Size of the network; see Architecture.
        backbone, num_blocks, squeeze_excitation: Backbone of the network; see Architecture.
        pooling, pooling_segments: Pooling of the network; see Architecture.
        num_experts, experts_per_text, balance_weight: Mixture of experts; see Architecture.
        variant, padding, activation, head_max_norm: Kind of the network; see Architecture.
        bag, bag_ngrams, bag_buckets, bag_dim: Bag of n-grams; see TrainSettings. "auto": "sqrtn" beside the backbone
            "parallel", else "none".
        bag_start, bag_training, bag_weight: Training of the bag; see OptimizationSettings.
        dropout, embedding_dropout, label_smoothing: Regularization; see Architecture.
        tokenizer, vocab_size, lowercase, min_frequency, max_length: The data; see TextDataModule.
        batch_size: Texts in a training batch. None: 8 to 64, by the number of texts.
        vectors: Initial token vectors: a checkpoint or word-vector file, a list of them, "auto" for those that ship
            with the package where they fit, or None for random ones.
        max_epochs: Largest number of passes over the texts. None: 10, or as many as make 1,000 steps, at most 80.
        learning_rate, embedding_learning_rate, weight_decay: Optimization; see ClassificationModule.
        warmup, schedule, optimizer, naive_bayes: Optimization; see ClassificationModule.
        class_weight: None, "balanced" or {class: weight}, as in scikit-learn, or "sqrt_balanced" (by the square root of
            the inverse frequency), which `textcnn.train` uses by default.
        ordinal: The classes are ordered levels, in the order of their numbers: a cumulative link model. Of several
            columns of y, those of all, or of the ones in a list: their names, or as "severity:low,middle,high".
        label_separator: Separator of the parts of classes that are paths, such as / in science/physics.
        early_stopping: Hold out `validation_fraction` of the texts and keep the best epoch; an `eval_set` given to
            `fit` does that too.
        validation_fraction: Fraction of the texts that is held out.
        warm_start: Continue from the weights and the tokenizer of the last `fit`.
        random_state: Seed of everything random.
        threads: Threads that compute answers.
        verbose: Show progress.

    Example:
        >>> TextCNNClassifier(max_epochs=5).fit(["a lovely film", "a dull film"] * 50, ["good", "bad"] * 50).predict(
        ...     ["lovely"]
        ... )
        array(['good'], dtype='<U4')
    """

    # Place of each class in the order of levels, where these have one.
    _places: NDArray[np.int64] | None = None

    def __init__(
        self,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        num_filters: int | Sequence[int] = 100,
        embedding_dim: int | None = None,
        dropout: float = 0.5,
        tokenizer: Any = None,
        vocab_size: int | None = None,
        lowercase: bool = True,
        min_frequency: int = 2,
        vectors: list[str] | str | None = "auto",
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        naive_bayes: float = 0.0,
        class_weight: Any = None,
        ordinal: bool | Sequence[str] = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int = 0,
        threads: int = 1,
        verbose: bool = False,
        num_members: int = 1,
        variant: str = "non-static",
        padding: str = "wide",
        activation: str = "relu",
        embedding_dropout: float = 0.0,
        head_max_norm: float | None = None,
        label_smoothing: float = 0.0,
        max_length: int | None = None,
        embedding_learning_rate: float | None = None,
        weight_decay: float = 0.01,
        warmup: float = 0.05,
        schedule: str = "cosine",
        optimizer: str = "adamw",
        bag: str = "auto",
        bag_ngrams: int | None = None,
        bag_buckets: int = 65_536,
        bag_dim: int | None = None,
        bag_start: str = "linear",
        bag_training: str = "separate",
        bag_weight: float | None = None,
        backbone: str = "parallel",
        num_blocks: int = 4,
        squeeze_excitation: bool = False,
        pooling: str = "max",
        pooling_segments: int = 4,
        num_experts: int = 1,
        experts_per_text: int = 1,
        balance_weight: float = 0.01,
        label_separator: str | None = None,
    ) -> None:
        super().__init__(
            kernel_sizes=kernel_sizes, num_filters=num_filters, embedding_dim=embedding_dim, dropout=dropout,
            tokenizer=tokenizer, vocab_size=vocab_size, lowercase=lowercase, min_frequency=min_frequency,
            vectors=vectors, max_epochs=max_epochs, batch_size=batch_size, learning_rate=learning_rate,
            early_stopping=early_stopping, validation_fraction=validation_fraction, warm_start=warm_start,
            random_state=random_state, threads=threads, verbose=verbose, num_members=num_members, variant=variant,
            padding=padding, activation=activation, embedding_dropout=embedding_dropout, head_max_norm=head_max_norm,
            max_length=max_length, embedding_learning_rate=embedding_learning_rate, weight_decay=weight_decay,
            warmup=warmup, schedule=schedule, optimizer=optimizer, bag=bag, bag_ngrams=bag_ngrams,
            bag_buckets=bag_buckets, bag_dim=bag_dim, bag_start=bag_start, bag_training=bag_training,
            bag_weight=bag_weight, backbone=backbone, num_blocks=num_blocks, squeeze_excitation=squeeze_excitation,
            pooling=pooling, pooling_segments=pooling_segments, num_experts=num_experts,
            experts_per_text=experts_per_text, balance_weight=balance_weight,
        )  # fmt: skip
        self.naive_bayes = naive_bayes
        self.class_weight = class_weight
        self.ordinal = ordinal
        self.label_separator = label_separator
        self.label_smoothing = label_smoothing

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Iterable[str], y: Any, sample_weight: Any = None, eval_set: Any = None) -> TextCNNClassifier:
        """Train on texts X [N] and labels y [N], zeros and ones [N, C], or H columns of labels [N, H].

        Args:
            X: Texts: a list, array or Series of strings.
            y: Labels, an indicator matrix, or columns of labels, each of which becomes a head of the model.
            sample_weight: Weight of each text in the loss, [N].
            eval_set: (texts, labels) whose best epoch is kept.

        Raises:
            ValueError: a text is no string, the lengths differ, there is one class only, or weights are negative, not
                finite or all zero.
        """
        texts = read_texts(X)
        values = read_classes(y, len(texts))
        several = values.ndim == 2 and not is_indicator(values)
        self._columns = learn_columns(y, values, self.ordinal) if several else None
        classes: Any = learn_classes(values, bool(self.ordinal)) if self._columns is None else self._columns.classes
        self.classes_ = classes
        self.multilabel_ = values.ndim == 2 and not several
        self._task = self._kind_of_labels(several)
        names = [] if several else [str(name) for name in self.classes_]
        self._places = places_of_levels(names) if self.ordinal and not several else None
        codes = self._codes(values)
        weights = read_weights(sample_weight, len(texts)) * self._class_weights(codes)
        codes = self._in_order(codes)
        held_out = self._held_out(texts, codes, eval_set)
        self._fit(texts, codes, weights, held_out, sorted(names, key=float) if self._places is not None else names)
        return self

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Return labels [N] of texts, zeros and ones [N, C], or columns of labels [N, H]."""
        probabilities = self.predict_proba(X)
        if self.multilabel_:
            return (probabilities >= 0.5).astype(int)
        if self._columns is None:
            return np.asarray(self.classes_[probabilities.argmax(axis=1)])
        classes = self._columns.classes or []
        parts = [own[of.argmax(axis=1)] for own, of in zip(classes, probabilities, strict=True)]
        kinds = {part.dtype.kind for part in parts}
        return np.stack(parts if len(kinds) == 1 else [part.astype(object) for part in parts], axis=1)

    def predict_proba(self, X: Iterable[str]) -> Any:
        """Return probabilities [N, C], in the order of `classes_`; of H columns of labels, a list of H of these."""
        check_is_fitted(self, "classes_")
        model = self._model()
        found = model.predict_proba(read_texts(X))
        if self._places is not None:
            return np.asarray(found)[:, self._places]
        return np.asarray(found) if self._columns is None else self._columns.probabilities(found, model.deciders)

    def score(self, X: Iterable[str], y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; of several columns, the share of texts whose labels are all right."""
        if getattr(self, "_columns", None) is None:
            return float(super().score(X, y, sample_weight))
        right = (self.predict(X) == np.asarray(y, dtype=object)).all(axis=1)
        return float(np.average(right, weights=sample_weight))

    def explain(self, text: str, label: Any = None, column: str | None = None) -> Any:
        """Return the n-grams of a text that made an answer; see `FoldedTextCNN.explain`.

        Args:
            text: One text.
            label: The label to explain; None for the one that is predicted.
            column: Name of the column of labels, where y had several: that of the DataFrame, or y0, y1 and so on.
        """
        check_is_fitted(self, "classes_")
        wanted = None if label is None else str(label)
        return self._model().explain(text, wanted, **head_of(self._columns, column))

    def expected_level(self, X: Iterable[str], column: str | None = None) -> NDArray[np.float64]:
        """Return the expected value of the level of each text, [N], where `ordinal` is set.

        Args:
            X: Texts.
            column: Name of the column of levels, where y had several: that of the DataFrame, or y0, y1 and so on.
        """
        check_is_fitted(self, "classes_")
        model, head = self._model(), head_of(self._columns, column)
        return np.asarray((model.heads[head["head"]] if head else model).expected_level(read_texts(X)))

    def predict_proba_at(self, X: Iterable[str], level: int) -> NDArray[Any]:
        """Return the probabilities of the labels of a level, [N, G], where `label_separator` is set."""
        check_is_fitted(self, "classes_")
        return np.asarray(self._model().predict_proba_at(read_texts(X), level))

    def predict_deepest(self, X: Iterable[str], threshold: float = 0.5) -> list[str | None]:
        """Return the label of the deepest level that reaches a probability, where `label_separator` is set."""
        check_is_fitted(self, "classes_")
        found: list[str | None] = self._model().predict_deepest(read_texts(X), threshold)
        return found

    def _kind_of_labels(self, several: bool) -> dict[str, Any]:
        if self.label_separator is not None and (several or self.multilabel_ or self.ordinal):
            kind = "levels" if self.ordinal else "several labels a text"
            raise ValueError(
                f"label_separator: got {kind}; expected one path a text, such as science/physics; leave it out"
            )
        if self._columns is not None:
            return {}
        if not self.ordinal:
            return {"problem_type": None, "label_separator": self.label_separator}
        if not isinstance(self.ordinal, bool):
            raise ValueError(
                f"ordinal: got {listed(list(self.ordinal), 4)} for one column of y; expected True; name columns where "
                "y has several"
            )
        if self.multilabel_ or not are_numbers([str(name) for name in self.classes_]):
            kind = "several labels a text" if self.multilabel_ else f"the classes {listed(self.classes_, 4)}"
            raise ValueError(f"ordinal: got {kind}; expected one number a text, whose order is that of the levels")
        return {"problem_type": ORDINAL}

    def _codes(self, values: NDArray[Any]) -> NDArray[np.int64]:
        if self._columns is not None:
            return codes_of_columns(values, self._columns)
        return class_codes(values, self.classes_)

    def _in_order(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the label ids of the model from class ids: as strings, the class 10 is before 2, and as levels not."""
        return codes if self._places is None else self._places[codes]

    def _class_weights(self, codes: NDArray[Any]) -> Any:
        if self.class_weight is None:
            return 1.0
        if self._columns is not None:
            raise ValueError("class_weight: got some for several columns of labels; expected None; leave it out")
        if self.multilabel_:
            raise ValueError("class_weight: got some for several labels a text; expected None")
        root = isinstance(self.class_weight, str) and self.class_weight == "sqrt_balanced"
        kind = "balanced" if root else self.class_weight
        weights = compute_class_weight(kind, classes=self.classes_, y=self.classes_[codes])[codes]
        # As in `training.class_weights`: the mean weight of the texts is 1.
        return np.sqrt(weights) / np.sqrt(weights).mean() if root else weights

    def _read_targets(self, y: Any, count: int) -> NDArray[Any]:
        return self._in_order(self._codes(read_classes(y, count)))

    def _strata(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        return targets if targets.ndim == 1 else None

    def _rows(self, texts: list[str], targets: NDArray[Any], names: list[str]) -> Any:
        if self._columns is not None:
            return self._columns.rows(texts, targets)
        return labelled_rows(texts, targets, names)
