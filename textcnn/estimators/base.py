"""Base of the estimators: what a text classifier and a regressor of scikit-learn's interface share.

Shapes: `N` texts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..runtime.capabilities import obstacle
from .columns import TargetColumns
from .inputs import read_texts

_ARTIFACT = (".json", ".safetensors", ".md", ".py", ".yaml", ".gz")  # checkpoints and logs stay behind
_NETWORK = (
    "kernel_sizes", "num_filters", "num_members", "embedding_dim", "variant", "padding", "activation", "dropout",
    "embedding_dropout", "head_max_norm", "label_smoothing", "loss", "huber_delta", "bag", "bag_ngrams",
    "bag_buckets", "bag_dim", "backbone", "num_blocks", "squeeze_excitation", "pooling", "pooling_segments",
    "num_experts", "experts_per_text", "balance_weight",
)  # fmt: skip
_MODULE = (
    "learning_rate", "embedding_learning_rate", "weight_decay", "warmup", "schedule", "optimizer", "naive_bayes",
    "bag_start", "bag_training", "bag_weight",
)  # fmt: skip
_DATA = ("tokenizer", "vocab_size", "lowercase", "min_frequency", "vectors", "max_length", "batch_size")


class TextEstimator(BaseEstimator):
    """Base of the estimators, which read targets and turn answers into predictions."""

    _task: Mapping[str, Any] = MappingProxyType({})  # arguments of TextDataModule that say what y is
    # Set by `fit` where y has several columns.
    _columns: TargetColumns | None = None

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

        from ..settings.search import search_space

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
        tags.non_deterministic = False
        return tags

    def _read_targets(self, y: Any, count: int) -> NDArray[Any]:
        """Return the targets of `count` texts as training has them."""
        raise NotImplementedError

    def _strata(self, targets: NDArray[Any]) -> NDArray[Any] | None:
        """Return the groups that a held-out part is balanced over, or None."""
        raise NotImplementedError

    def _rows(self, texts: list[str], targets: NDArray[Any], names: list[str]) -> Any:
        """Return a Dataset with the columns `text` and `labels`."""
        raise NotImplementedError

    def _fit(
        self,
        texts: list[str],
        targets: NDArray[Any],
        weights: NDArray[np.float64],
        held_out: dict[str, Any],
        names: list[str],
    ) -> None:
        """Train on texts and keep the artifact.

        Args:
            texts: N texts.
            targets: Their targets.
            weights: Weight of each text in the loss, [N].
            held_out: As `_held_out` returns it.
            names: Names of the classes, or of the number.
        """
        kept = held_out.pop("kept", np.arange(len(texts)))
        splits = {"train": self._rows([texts[i] for i in kept], targets[kept], names)}
        if held_out:
            splits["validation"] = self._rows(held_out["texts"], held_out["targets"], names)
        if targets.ndim == 2 and self._columns is None:
            targets = targets.astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            goes_on = self.warm_start and hasattr(self, "_files")
            previous = self._write(Path(folder) / "previous") if goes_on else None
            run = Path(folder) / "run"
            self._train(splits, targets[kept], weights[kept], names, run, previous)
            self._files = {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in _ARTIFACT}
        self.n_features_in_ = 1
        self._classifier: Any = None

    def _train(
        self,
        splits: dict[str, Any],
        targets: NDArray[Any],
        weights: NDArray[np.float64],
        names: list[str],
        output_dir: Path,
        previous: Path | None,
    ) -> None:
        """Train on the rows of a split with weights and write the artifact, from `previous` on where given."""
        import lightning
        from datasets import DatasetDict

        from ..artifact import TrainingRecord, read_artifact, save_artifact
        from ..data.replaced import ReplacedTrainData
        from ..settings import RunSettings
        from ..training import ClassificationModule
        from ..training.bag_start import network_for_data
        from ..training.finite import FiniteLoss
        from ..training.interrupt import keyboard_stops
        from ..training.run import TRAINER, make_trainer, quiet_lightning, save_run, sizes, store_columns
        from ..training.run_files import write_config
        from ..vectors.shipped import AUTO, are_unused

        quiet_lightning()
        lightning.seed_everything(self.random_state, workers=True, verbose=False)
        column = {"labels": names, "label_column": "labels", **self._task}
        for_data = {name: getattr(self, name) for name in _DATA} | {"validation_fraction": 0.0}
        for_data |= column if self._columns is None else self._columns.data_options
        if previous is not None:
            for_data["tokenizer"] = str(previous)
        data = ReplacedTrainData(DatasetDict(splits), seed=self.random_state, text_column="text", **for_data)
        labels = targets if self._columns is None else self._columns.targets_of(targets, data.heads or [])
        data.replace_train(splits["train"]["text"][:], labels=labels, weights=weights)
        epochs = self.max_epochs or data.epochs
        network = {name: getattr(self, name) for name in _NETWORK if hasattr(self, name)}
        network["kernel_sizes"] = list(self.kernel_sizes)
        for_module = {name: getattr(self, name) for name in _MODULE if hasattr(self, name)}
        if self.vectors == AUTO and are_unused(for_module.get("naive_bayes", 0.0), self.variant, self.kernel_sizes):
            data.vectors = None
        if previous is not None:
            model_before = read_artifact(previous)[0]
            network["embedding_dim"] = model_before.config.embedding_dim
            for_module |= {**({"naive_bayes": 0.0} if "naive_bayes" in for_module else {}), "bag_start": "zero"}
        architecture = network_for_data(data, network, init=previous)
        network |= {"bag": architecture.bag, "bag_ngrams": architecture.bag_ngrams}
        for_data["tokenizer"] = "char" if data.has_characters else self.tokenizer
        module = ClassificationModule(**sizes(data), architecture=architecture, **for_module)
        if previous is not None:
            module.model.load_state_dict(model_before.state_dict())
            if module.target_scale is not None:
                module.target_scale.set(*data.target_scale())
                module.target_scale.divide_out_of(module.model)
        write_config(output_dir, self.random_state, for_data, network, for_module, {"max_epochs": epochs})
        if "validation" in splits:
            trainer = make_trainer(output_dir, RunSettings(max_epochs=epochs, progress=self.verbose), logger=False)
        else:
            trainer = lightning.Trainer(**TRAINER | {
                "max_epochs": epochs, "enable_progress_bar": self.verbose, "logger": False, "callbacks": [FiniteLoss()],
                "enable_checkpointing": False, "limit_val_batches": 0,
            })  # fmt: skip
        with keyboard_stops():
            trainer.fit(module, datamodule=data)
        if "validation" in splits:
            save_run(trainer, module, data, output_dir, name="texts in memory", parameters={})
        else:
            module.finish()
            store_columns(module.model.config, data)
            save_artifact(module.model, data.tokenizer, output_dir, TrainingRecord(data=""))

    def save(self, directory: str | Path) -> Path:
        """Write the artifact that `textcnn.load` opens."""
        check_is_fitted(self, "n_features_in_")
        self._model()
        return self._write(Path(directory))

    def __getstate__(self) -> Any:
        # The tables are made again from the files, which are a fraction of their size.
        return {**super().__getstate__(), "_classifier": None} if hasattr(self, "_files") else super().__getstate__()

    def _model(self) -> Any:
        if self._classifier is None:
            from ..artifact import read_artifact
            from ..folding.fold import fold
            from ..loading import TorchClassifier
            from ..runtime.heads import with_heads

            with tempfile.TemporaryDirectory() as folder:
                model, tokenizer = read_artifact(self._write(Path(folder)))
                folds = obstacle(model.config.to_dict(), "fold") is None
                engine = fold(model, tokenizer) if folds else TorchClassifier(model, tokenizer)
                self._classifier = with_heads(engine)
        self._classifier.threads = self.threads
        return self._classifier

    def _write(self, directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self._files.items():
            (directory / name).write_bytes(content)
        return directory

    def _held_out(self, texts: list[str], targets: NDArray[Any], eval_set: Any) -> dict[str, Any]:
        """Return texts and targets to validate on, and the positions of the texts that are left: `kept`."""
        if eval_set is not None:
            texts = read_texts(eval_set[0])
            return {"texts": texts, "targets": self._read_targets(eval_set[1], len(texts))}
        if not self.early_stopping:
            return {}
        from sklearn.model_selection import train_test_split

        kept, held = train_test_split(
            np.arange(len(texts)),
            test_size=self.validation_fraction,
            random_state=self.random_state,
            stratify=self._strata(targets),
        )
        return {"kept": np.sort(kept), "texts": [texts[i] for i in held], "targets": targets[held]}
