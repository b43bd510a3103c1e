"""TextCNNClassifier: a text classifier with the interface of scikit-learn, from texts to labels.

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
from sklearn.utils.validation import check_is_fitted

from .data.class_codes import class_codes, labelled_rows, learn_classes, read_classes
from .runtime.capabilities import obstacle
from .runtime.text_batches import check_column

# Files of the artifact; checkpoints and logs stay behind.
_ARTIFACT = (".json", ".safetensors", ".md", ".py", ".yaml", ".gz")
_NETWORK = (
    "kernel_sizes", "num_filters", "num_members", "embedding_dim", "variant", "padding", "activation", "dropout",
    "embedding_dropout", "head_max_norm", "label_smoothing", "bag", "bag_ngrams", "bag_buckets", "bag_dim",
    "backbone", "num_blocks", "squeeze_excitation", "pooling", "pooling_segments", "num_experts", "experts_per_text",
    "balance_weight",
)  # fmt: skip
_MODULE = (
    "learning_rate", "embedding_learning_rate", "weight_decay", "warmup", "schedule", "optimizer", "naive_bayes",
    "bag_start", "bag_training", "bag_weight",
)  # fmt: skip
_DATA = ("tokenizer", "vocab_size", "lowercase", "min_frequency", "vectors", "max_length", "batch_size")


class TextCNNClassifier(ClassifierMixin, BaseEstimator):
    """A TextCNN that `fit` trains and that answers from look-up tables.

    Args:
        kernel_sizes, num_filters, num_members, embedding_dim: Size of the network; see Architecture.
        backbone, num_blocks, squeeze_excitation: Backbone of the network; see Architecture.
        pooling, pooling_segments: Pooling of the network; see Architecture.
        num_experts, experts_per_text, balance_weight: Mixture of experts; see Architecture.
        variant, padding, activation, head_max_norm: Kind of the network; see Architecture.
        bag, bag_ngrams, bag_buckets, bag_dim: Bag of n-grams; see Architecture. "auto": "sqrtn" beside the backbone
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
        class_weight: None, "balanced" or {class: weight}.
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

    def __init__(
        self,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        num_filters: int | Sequence[int] = 100,
        embedding_dim: int | None = None,
        dropout: float = 0.5,
        tokenizer: Any = None,
        vocab_size: int = 30_000,
        lowercase: bool = True,
        min_frequency: int = 2,
        vectors: list[str] | str | None = "auto",
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        naive_bayes: float = 0.0,
        class_weight: Any = None,
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
        bag_ngrams: int = 2,
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
        self.num_members = num_members
        self.variant = variant
        self.padding = padding
        self.activation = activation
        self.embedding_dropout = embedding_dropout
        self.head_max_norm = head_max_norm
        self.label_smoothing = label_smoothing
        self.max_length = max_length
        self.embedding_learning_rate = embedding_learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.schedule = schedule
        self.optimizer = optimizer
        self.bag = bag
        self.bag_ngrams = bag_ngrams
        self.bag_buckets = bag_buckets
        self.bag_dim = bag_dim
        self.bag_start = bag_start
        self.bag_training = bag_training
        self.bag_weight = bag_weight
        self.backbone = backbone
        self.num_blocks = num_blocks
        self.squeeze_excitation = squeeze_excitation
        self.pooling = pooling
        self.pooling_segments = pooling_segments
        self.num_experts = num_experts
        self.experts_per_text = experts_per_text
        self.balance_weight = balance_weight

    @staticmethod
    def search_space(vectors: bool = False) -> dict[str, Any]:
        """Return the parameters that matter with their values, for RandomizedSearchCV and its like.

        They are those of `textcnn tune`.

        Args:
            vectors: Tokens start with initial vectors.
        """
        from scipy.stats import loguniform

        from .settings.search import search_space

        found: dict[str, Any] = {}
        for name, axis in search_space(vectors).items():
            if axis.choices:
                found[name] = list(axis.choices)
            elif axis.log:
                found[name] = loguniform(axis.low, axis.high)
            else:
                steps = round((axis.high - axis.low) / (axis.step or 1))
                found[name] = [round(axis.low + number * (axis.step or 1), 6) for number in range(steps + 1)]
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        tags.non_deterministic = False
        return tags

    def fit(self, X: Iterable[str], y: Any, sample_weight: Any = None, eval_set: Any = None) -> TextCNNClassifier:
        """Train on texts X [N] and labels y [N], or zeros and ones [N, C].

        Args:
            X: Texts: a list, array or Series of strings.
            y: Labels, or an indicator matrix.
            sample_weight: Weight of each text in the loss, [N].
            eval_set: (texts, labels) whose best epoch is kept.

        Raises:
            ValueError: a text is no string, the lengths differ, there is one class only, or weights are negative, not
                finite or all zero.
        """
        texts = _texts(X)
        values = read_classes(y, len(texts))
        self.classes_ = learn_classes(values)
        self.multilabel_ = values.ndim == 2
        codes = class_codes(values, self.classes_)
        weights = _weights(sample_weight, len(texts)) * self._class_weights(codes)
        held_out = self._held_out(texts, codes, eval_set)
        kept = held_out.pop("kept", np.arange(len(texts)))
        names = [str(name) for name in self.classes_]
        splits = {"train": labelled_rows([texts[i] for i in kept], codes[kept], names)}
        if held_out:
            splits["validation"] = labelled_rows(held_out["texts"], held_out["codes"], names)
        with tempfile.TemporaryDirectory() as folder:
            previous = None
            if self.warm_start and hasattr(self, "_files"):
                previous = self._write(Path(folder) / "previous")
            run = Path(folder) / "run"
            self._train(splits, codes[kept], weights[kept], names, run, previous)
            self._files = {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in _ARTIFACT}
        self.n_features_in_ = 1
        self._classifier: Any = None
        return self

    def _train(
        self,
        splits: dict[str, Any],
        codes: NDArray[np.int64],
        weights: NDArray[np.float64],
        names: list[str],
        output_dir: Path,
        previous: Path | None,
    ) -> None:
        """Train on the rows of a split with weights and write the artifact, from `previous` on where given."""
        import lightning
        from datasets import DatasetDict

        from .artifact import TrainingRecord, read_artifact, save_artifact
        from .data.replaced import ReplacedTrainData
        from .settings import RunSettings
        from .training import ClassificationModule
        from .training.bag_start import network_with_bag
        from .training.finite import FiniteLoss
        from .training.interrupt import keyboard_stops
        from .training.run import TRAINER, make_trainer, quiet_lightning, save_run, sizes
        from .training.run_files import write_config
        from .vectors.shipped import AUTO, are_unused

        quiet_lightning()
        lightning.seed_everything(self.random_state, workers=True, verbose=False)
        for_data = {name: getattr(self, name) for name in _DATA} | {"labels": names, "validation_fraction": 0.0}
        tokenizer = self.tokenizer if previous is None else str(previous)
        columns = {"text_column": "text", "label_column": "labels"}
        data = ReplacedTrainData(
            DatasetDict(splits), seed=self.random_state, **{**for_data, **columns, "tokenizer": tokenizer}
        )
        labels = codes if codes.ndim == 1 else codes.astype(np.float32)
        data.replace_train(splits["train"]["text"][:], labels=labels, weights=weights)
        epochs = self.max_epochs or data.epochs
        network = {name: getattr(self, name) for name in _NETWORK}
        network["kernel_sizes"] = list(self.kernel_sizes)
        for_module = {name: getattr(self, name) for name in _MODULE}
        if self.vectors == AUTO and are_unused(self.naive_bayes, self.variant, self.kernel_sizes):
            data.vectors = None
        if previous is not None:
            model_before = read_artifact(previous)[0]
            network["embedding_dim"] = model_before.config.embedding_dim
            for_module |= {"naive_bayes": 0.0, "bag_start": "zero"}
        module = ClassificationModule(**sizes(data), architecture=network_with_bag(network), **for_module)
        if previous is not None:
            module.model.load_state_dict(model_before.state_dict())
        write_config(output_dir, self.random_state, for_data, network, for_module, {"max_epochs": epochs})
        if "validation" in splits:
            run = RunSettings(max_epochs=epochs, progress=self.verbose)
            trainer = make_trainer(output_dir, run, logger=False)
        else:
            options: dict[str, Any] = {"max_epochs": epochs, "enable_progress_bar": self.verbose, "logger": False}
            options["callbacks"] = [FiniteLoss()]
            trainer = lightning.Trainer(enable_checkpointing=False, limit_val_batches=0, **{**TRAINER, **options})
        with keyboard_stops():
            trainer.fit(module, datamodule=data)
        if "validation" in splits:
            save_run(trainer, module, data, output_dir, name="texts in memory", parameters={})
        else:
            save_artifact(module.model, data.tokenizer, output_dir, TrainingRecord(data=""))

    def predict(self, X: Iterable[str]) -> NDArray[Any]:
        """Return labels [N] of texts, or zeros and ones [N, C]."""
        probabilities = self.predict_proba(X)
        if self.multilabel_:
            return (probabilities >= 0.5).astype(int)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float32]:
        """Return probabilities [N, C], in the order of `classes_`."""
        check_is_fitted(self, "classes_")
        return np.asarray(self._model().predict_proba(_texts(X)))

    def explain(self, text: str, label: Any = None) -> Any:
        """Return the n-grams of a text that made an answer; see `FoldedTextCNN.explain`."""
        check_is_fitted(self, "classes_")
        return self._model().explain(text, None if label is None else str(label))

    def save(self, directory: str | Path) -> Path:
        """Write the artifact that `textcnn.load` opens."""
        check_is_fitted(self, "classes_")
        self._model()
        return self._write(Path(directory))

    def __getstate__(self) -> Any:
        # The tables are made again from the files, which are a fraction of their size.
        return {**super().__getstate__(), "_classifier": None} if hasattr(self, "_files") else super().__getstate__()

    def _model(self) -> Any:
        if self._classifier is None:
            from .artifact import read_artifact
            from .folding.fold import fold
            from .loading import TorchClassifier

            with tempfile.TemporaryDirectory() as folder:
                model, tokenizer = read_artifact(self._write(Path(folder)))
                folds = obstacle(model.config.to_dict(), "fold") is None
                self._classifier = fold(model, tokenizer) if folds else TorchClassifier(model, tokenizer)
        self._classifier.threads = self.threads
        return self._classifier

    def _write(self, directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self._files.items():
            (directory / name).write_bytes(content)
        return directory

    def _class_weights(self, codes: NDArray[Any]) -> Any:
        if self.class_weight is None:
            return 1.0
        if self.multilabel_:
            raise ValueError("class_weight: got some for several labels a text; expected None")
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[codes])
        return weights[codes]

    def _held_out(self, texts: list[str], codes: NDArray[Any], eval_set: Any) -> dict[str, Any]:
        if eval_set is not None:
            texts = _texts(eval_set[0])
            return {"texts": texts, "codes": class_codes(read_classes(eval_set[1], len(texts)), self.classes_)}
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


def _weights(sample_weight: Any, count: int) -> NDArray[np.float64]:
    weights = np.ones(count) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (count,):
        raise ValueError(f"sample_weight: got shape {weights.shape}; expected ({count},)")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            f"sample_weight: got values from {weights.min()} to {weights.max()}; expected finite ones from 0 on, "
            "not all of them zero"
        )
    return weights


def _texts(values: Any) -> list[str]:
    check_column(values, "X", ValueError)
    texts = list(values)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"X: got {text!r} ({type(text).__name__}) at position {position}; expected a string")
    if not texts:
        raise ValueError("X: got no text; expected at least one (0 sample(s) while a minimum of 1 is required)")
    return [str(text) for text in texts]
