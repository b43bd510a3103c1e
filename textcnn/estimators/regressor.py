"""TextCNNRegressor: a regressor of texts with the interface of scikit-learn, from texts to numbers.

Shapes: `N` texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..data.numbers import REGRESSION, NumberTargets
from .base import TextEstimator
from .columns import TargetColumns, column_names, head_of
from .inputs import read_texts, read_weights


class TextCNNRegressor(RegressorMixin, TextEstimator):
    """A TextCNN that `fit` trains to predict a number for each text, and that answers from look-up tables.

    Its parameters are those of `TextCNNClassifier`, without those of classes: class_weight, label_smoothing and
    naive_bayes; and `loss` ("mse", or "huber" for numbers with outliers) with `huber_delta`, the error from which huber
    is linear. The loss is that of standardised numbers: a delta of 1 is one standard deviation.

    Example:
        >>> texts, numbers = ["a lovely film", "a dull film"] * 50, [8.0, 3.0] * 50
        >>> TextCNNRegressor(max_epochs=5).fit(texts, numbers).predict(["a lovely film"]).round()
        array([8.], dtype=float32)
    """

    _task = MappingProxyType({"problem_type": REGRESSION})

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
        loss: str = "mse",
        huber_delta: float = 1.0,
    ) -> None:
        super().__init__(
            kernel_sizes=kernel_sizes, num_filters=num_filters, embedding_dim=embedding_dim,
            dropout=dropout, tokenizer=tokenizer, vocab_size=vocab_size, lowercase=lowercase,
            min_frequency=min_frequency, vectors=vectors, max_epochs=max_epochs, batch_size=batch_size,
            learning_rate=learning_rate, early_stopping=early_stopping,
            validation_fraction=validation_fraction, warm_start=warm_start, random_state=random_state,
            threads=threads, verbose=verbose, num_members=num_members, variant=variant, padding=padding,
            activation=activation, embedding_dropout=embedding_dropout, head_max_norm=head_max_norm,
            max_length=max_length, embedding_learning_rate=embedding_learning_rate,
            weight_decay=weight_decay, warmup=warmup, schedule=schedule, optimizer=optimizer, bag=bag,
            bag_ngrams=bag_ngrams, bag_buckets=bag_buckets, bag_dim=bag_dim, bag_start=bag_start,
            bag_training=bag_training, bag_weight=bag_weight, backbone=backbone, num_blocks=num_blocks,
            squeeze_excitation=squeeze_excitation, pooling=pooling, pooling_segments=pooling_segments,
            num_experts=num_experts, experts_per_text=experts_per_text, balance_weight=balance_weight,
        )  # fmt: skip
        self.loss = loss
        self.huber_delta = huber_delta

    def fit(self, X: Iterable[str], y: Any, sample_weight: Any = None, eval_set: Any = None) -> TextCNNRegressor:
        """Train on texts X [N] and numbers y [N], or H columns of numbers [N, H].

        Args:
            X: Texts: a list, array or Series of strings.
            y: Numbers, or columns of numbers, each of which becomes a head of the model.
            sample_weight: Weight of each text in the loss, [N].
            eval_set: (texts, numbers) whose best epoch is kept.

        Raises:
            ValueError: a text is no string, the lengths differ, a number is missing or not finite, all numbers are
                equal, or weights are negative, not finite or all zero.
        """
        texts = read_texts(X)
        numbers = self._read_targets(y, len(texts))
        self._columns = None if numbers.ndim == 1 else TargetColumns(column_names(y, numbers.shape[1]))
        weights = read_weights(sample_weight, len(texts))
        name = str(getattr(y, "name", None) or "y")
        self._fit(texts, numbers, weights, self._held_out(texts, numbers, eval_set), [name])
        return self

    def predict(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Return the number of each text, [N], or its numbers, [N, H]."""
        check_is_fitted(self, "n_features_in_")
        found = self._model().predict(read_texts(X))
        return np.asarray(found) if self._columns is None else np.stack(list(found.values()), axis=1)

    def explain(self, text: str, column: str | None = None) -> Any:
        """Return the n-grams of a text that add up to its number; see `FoldedTextCNN.explain`.

        Args:
            text: One text.
            column: Name of the column of numbers, where y had several: that of the DataFrame, or y0, y1 and so on.
        """
        check_is_fitted(self, "n_features_in_")
        return self._model().explain(text, **head_of(self._columns, column))

    def _read_targets(self, y: Any, count: int) -> NDArray[Any]:
        if y is None:
            raise ValueError("y: got None; this estimator requires y to be passed, but the target y is None")
        try:
            numbers = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y: got a value that is no number ({error}); expected a number for each text") from None
        if numbers.ndim == 2 and numbers.shape[1] == 1:
            from sklearn.exceptions import DataConversionWarning

            warnings.warn("A column-vector y was passed when a 1d array was expected", DataConversionWarning, 3)
            numbers = numbers[:, 0]
        if numbers.ndim not in (1, 2) or len(numbers) != count:
            raise ValueError(
                f"y: got numbers of shape {numbers.shape} for {count} texts; expected one a text, ({count},), or H "
                f"columns, ({count}, H)"
            )
        wrong = np.argwhere(~np.isfinite(numbers))
        if len(wrong):
            raise ValueError(
                f"y: got {numbers[tuple(wrong[0])]} at position {wrong[0][0]}; expected a finite number for every "
                "text, not NaN or infinity; drop the texts without one"
            )
        return numbers

    def _strata(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        if targets.ndim == 2:
            return None
        strata = NumberTargets(targets).strata(np.arange(len(targets)), 1)
        held = self.validation_fraction * len(targets)
        # scikit-learn refuses groups of one, and more groups than texts that are held out.
        return strata if np.bincount(strata).min() > 1 and held >= len(np.unique(strata)) else None

    def _rows(self, texts: list[str], targets: NDArray[Any], names: list[str]) -> Any:
        if self._columns is not None:
            return self._columns.rows(texts, targets)
        from datasets import Dataset

        return Dataset.from_dict({"text": texts, "labels": targets.tolist()})
