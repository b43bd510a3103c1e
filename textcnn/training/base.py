"""Base of the training tasks: network, steps and scores.

A task is a subclass that defines its loss. Shapes: `B` texts, `T` tokens, `C` classes, `F` features.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import torch
from torch import Tensor

from ..model import Architecture, TextCNNConfig, TextCNNForSequenceClassification
from ..runtime.decisions import count_fired
from ..settings import OptimizationSettings
from .bag_start import bag_weights
from .class_weights import before_data, weigh_classes
from .contrastive_losses import supervised_contrastive_loss
from .evidence import log_count_ratios
from .heads import (
    MEAN_SCORE,
    head_metrics,
    log_mean_score,
    refuse_settings_of_one_task,
    score_heads,
    standardized_labels,
)
from .initial_weights import initial_architecture, load_initial_weights
from .metrics import score_labels, score_metrics, score_nothing, score_numbers
from .optimization import OptimizationModule
from .start_weights import bag_factors, network_share
from .target_scale import TargetScale, refuse_label_settings

Batch = dict[str, Tensor]
KIM_2014 = Architecture()
CONTRASTIVE_TEMPERATURE = 0.1


class TrainingModule(OptimizationModule):
    """Base of the modules that train a TextCNNForSequenceClassification; subclasses define `loss`.

    The first four arguments and `vectors_dim` come from the data module; the command line links them.

    Args:
        labels: Names of the classes, in the order of their ids.
        vocab_size: Number of tokens the tokenizer knows.
        pad_token_id: Id of the padding token.
        problem_type: single_label_classification, multi_label_classification, regression or ordinal.
        vectors_dim: Size of the data module's initial vectors, None where there are none.
        architecture: The network.
        heads: Heads of several label columns, as in config.json; None for one column.
        optimization: The fields of OptimizationSettings.
    """

    def __init__(
        self,
        labels: list[str],
        vocab_size: int,
        pad_token_id: int = 0,
        problem_type: Literal["single_label_classification", "multi_label_classification", "regression", "ordinal"] = (
            "single_label_classification"
        ),
        vectors_dim: int | None = None,
        architecture: Architecture = KIM_2014,
        heads: list[dict[str, Any]] | None = None,
        **optimization: Any,
    ) -> None:
        super().__init__()
        seed = optimization.pop("seed", torch.initial_seed() % (1 << 32))  # load_from_checkpoint gives that of the run
        rates = OptimizationSettings(**optimization)
        # load_from_checkpoint gives back what save_hyperparameters took: a dict.
        fields = architecture if isinstance(architecture, dict) else dataclasses.asdict(architecture)
        architecture = Architecture(**fields)
        init = rates.init
        if init is not None:
            if vectors_dim is not None:
                raise ValueError("init: got it with initial vectors; expected one of the two; leave out vectors")
            architecture = initial_architecture(init, architecture, vocab_size)
        if architecture.embedding_dim is None:
            architecture.embedding_dim = vectors_dim
        if vectors_dim is None and init is None and architecture.variant in ("static", "multichannel"):
            raise ValueError(
                f"variant: got {architecture.variant!r} without initial vectors; expected vectors to keep; "
                "give a checkpoint or word-vector file as `vectors`, or choose 'random'"
            )
        if vectors_dim is not None and not architecture.kernel_sizes:
            raise ValueError(
                "vectors: got some for a model without convolutions; expected none, as only these read token vectors; "
                "leave them out, or give kernel_sizes"
            )
        naive_bayes = rates.naive_bayes if architecture.kernel_sizes else 0.0
        if naive_bayes and vectors_dim is not None:
            raise ValueError(
                f"naive_bayes: got {naive_bayes} with initial vectors; expected 0, as it starts random vectors; "
                "set one of the two to none"
            )
        # Only primitives: load_from_checkpoint reads them with weights_only.
        self.save_hyperparameters(
            {
                "labels": list(labels),
                "vocab_size": vocab_size,
                "pad_token_id": pad_token_id,
                "problem_type": problem_type,
                "vectors_dim": vectors_dim,
                "heads": heads,
                "architecture": dataclasses.asdict(architecture),
                **vars(rates),
                "init": None if init is None else str(init),
                "seed": seed,
            }
        )
        self.model = self.network(
            **before_data(architecture, problem_type, heads),
            vocab_size=vocab_size,
            pad_token_id=pad_token_id,
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
            problem_type=problem_type,
            **({} if heads is None else {"heads": heads}),
        )
        config = self.model.config
        if self.separate_bag:
            self.model.bag.requires_grad_(False)
        numbers = [head["problem_type"] == "regression" for head in config.heads or ()]
        self.target_scale: TargetScale | None = None
        if heads is not None:
            refuse_settings_of_one_task(rates)
        if config.problem_type == "regression" or any(numbers):
            refuse_label_settings(rates)
            self.target_scale = TargetScale(config.num_logits if numbers else None)
        if rates.contrastive_weight and config.problem_type == "multi_label_classification":
            raise ValueError(
                "contrastive_weight: got texts with several labels; expected one label a text; set it to 0"
            )
        if naive_bayes and len(labels) > (config.embedding_dim or 0):
            raise ValueError(
                f"naive_bayes: got {len(labels)} labels and embedding_dim {config.embedding_dim}; expected a component "
                "for each label; raise embedding_dim, or set naive_bayes to 0"
            )
        self._row_embeddings: list[torch.nn.Module] = []
        self.metrics = self.scores(config)

    def network(self, **fields: Any) -> Any:
        """Return the network to train, of the fields of a TextCNNConfig."""
        return TextCNNForSequenceClassification(TextCNNConfig(**fields))

    def scores(self, config: TextCNNConfig) -> torch.nn.ModuleDict:
        """Return the metrics of validation and test."""
        if config.heads is not None:
            return head_metrics(config.heads)
        kind, labels = config.problem_type, config.num_labels
        return torch.nn.ModuleDict(
            {f"{stage}_metrics": score_metrics(kind, labels, prefix=f"{stage}_") for stage in ("val", "test")}
        )

    def loss(self, batch: Batch, logits: Tensor, features: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            batch: The named fields: `input_ids`, `attention_mask`, `labels`, and others of the task.
            logits: Logits [B, C].
            features: Features [B, F] of the encoder, before dropout.
        """
        raise NotImplementedError

    @property
    def selection_metric(self) -> str:
        """Name of the validation score that chooses the best epoch.

        Micro-F1, which is the accuracy when a text has one label. With several labels a text, F1 is 0 until a label
        passes its threshold; average precision needs none. Of a regression, the coefficient of determination; of
        several heads, the mean of theirs; of ordered levels, the quadratic kappa.
        """
        if self.model.config.heads is not None:
            return MEAN_SCORE.format(stage="val")
        if self.target_scale is not None:
            return "val_r2"
        names = {"single_label_classification": "val_micro_f1", "ordinal": "val_quadratic_kappa"}
        return names.get(self.model.config.problem_type, "val_average_precision")

    def setup(self, stage: str) -> None:
        """Start from the weights of another run, the initial vectors or naive Bayes, as set."""
        data = getattr(self.trainer, "datamodule", None)
        if stage != "fit" or data is None:
            return
        if self.target_scale is not None:
            self.target_scale.set(*data.target_scale())
        if (cut_points := getattr(self.model, "cut_points", None)) is not None:
            cut_points.start(data.class_counts, self.model.config)
        weigh_classes(self.model.config, self.hparams["architecture"]["class_weights"], data)
        self._start_bag(data)
        embeddings = self.model.textcnn.embeddings
        if embeddings is None:
            return
        if self.hparams["init"] is not None:
            load_initial_weights(self.model.textcnn, self.hparams["init"])
        elif self.hparams["vectors_dim"] is not None:
            vectors = data.initial_vectors(self.model.config.embedding_dim)
            embeddings.set_vectors(torch.from_numpy(vectors.matrix))
        elif self.hparams["naive_bayes"]:
            evidence = self.hparams["naive_bayes"] * log_count_ratios(data.token_counts())
            matrix = embeddings.channels[0].weight.detach().unflatten(1, (embeddings.num_members, -1)).clone()
            matrix[:, :, : evidence.shape[1]] = torch.from_numpy(evidence)[:, None]
            embeddings.set_vectors(matrix)

    def _start_bag(self, data: Any) -> None:
        """Start the bag from a linear model, or from naive Bayes, as set."""
        bag, start = self.model.bag, self.hparams["bag_start"]
        if bag is None or start == "zero":
            return
        separate = self.separate_bag
        config = self.model.config
        weights, bias = bag_weights(bag, start, data, config.num_logits, not separate, config.heads)
        if separate:  # the bias of the head is the network's to learn
            weights *= bag_factors(self.hparams, config)
        else:
            self.model.head.bias.data.copy_(torch.from_numpy(bias))
        bag.set_logits(torch.from_numpy(weights))

    @property
    def separate_bag(self) -> bool:
        """True where the bag keeps its start, and the network is trained without it."""
        return (
            getattr(self.model, "bag", None) is not None
            and bool(self.model.config.kernel_sizes)
            and self.hparams["bag_training"] == "separate"
            and self.hparams["bag_start"] != "zero"
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits of a batch, or its numbers: [B, C]."""
        logits: Tensor = self.model(batch["input_ids"], batch["attention_mask"]).logits
        return logits if self.target_scale is None else self.target_scale.restored(logits)

    def finish(self) -> None:
        """Make the model one to save: put scale or cut points where every interface reads them."""
        if self.target_scale is not None:
            self.target_scale.multiply_into(self.model)
        if getattr(self.model, "cut_points", None) is not None:
            self.model.store_cut_points()

    def targets_of(self, batch: Batch) -> Any:
        """Return what the loss of the network compares its logits with: labels, or its share of scaled numbers."""
        labels: Any = batch["labels"]
        if self.target_scale is None:
            return labels
        share = network_share(self.hparams, regression=True) if self.separate_bag else 1.0
        if self.model.config.heads is not None:
            return standardized_labels(labels, self.model.config.heads, self.target_scale, share)
        return self.target_scale.standardized(labels) * share

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self._over_processes(self._loss_of_batch(batch), len(batch["input_ids"]))
        self._log_loss(loss, batch_idx)
        return loss

    def _loss_of_batch(self, batch: Batch) -> Tensor:
        if not len(batch["input_ids"]):  # of a distributed run, whose other processes have the texts of this step
            return torch.stack([p.sum() * 0 for p in self.parameters() if p.requires_grad]).sum()
        encoded = self.model.textcnn(batch["input_ids"], batch["attention_mask"])
        features = encoded.pooler_output
        bag = None
        if not self.separate_bag:
            bag = self.model.bag_logits(batch["input_ids"], batch["attention_mask"])
        members = self.model.member_logits(features, bag)
        loss = torch.stack([self.loss(batch, logits, features) for logits in members]).mean()
        if self.hparams["contrastive_weight"]:
            pairs = supervised_contrastive_loss(features, batch["labels"], CONTRASTIVE_TEMPERATURE)
            loss = loss + self.hparams["contrastive_weight"] * pairs
        if encoded.balance_loss is not None:
            loss = loss + self.model.config.balance_weight * encoded.balance_loss
        return loss

    def _over_processes(self, loss: Tensor, texts: int) -> Tensor:
        """Return the loss so that its mean over the processes is the mean over the texts of all of them."""
        processes = self._processes
        if processes == 1:
            return loss
        total = self.trainer.strategy.reduce(torch.tensor(float(texts), device=self.device), reduce_op="sum")
        return loss * (texts * processes / total)

    def _log_loss(self, loss: Tensor, batch_idx: int) -> None:
        """Log the loss at the steps of the loggers, and at the first and the last step of an epoch.

        Lightning takes about a millisecond to note a number: 1.2 of the 18 that a step over 50 texts took.
        """
        if batch_idx == 0 or self.trainer.is_last_batch or self._is_logged:
            self.log("train_loss", loss, prog_bar=True, sync_dist=self._processes > 1)

    @property
    def _processes(self) -> int:
        return 1 if self._trainer is None else int(self.trainer.world_size)

    @property
    def _is_logged(self) -> bool:
        every = self.trainer.log_every_n_steps
        return every > 0 and (self.trainer.global_step + 1) % every == 0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._score(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor | None]:
        """Return the logits [B, C], float32, and, if the model abstains by it, the number of filters that fired [B]."""
        logits, config = self(batch).float(), self.model.config
        if (config.abstention or {}).get("score") != "fired":
            return logits, None
        features = self.model.textcnn(batch["input_ids"], batch["attention_mask"]).pooler_output
        return logits, torch.from_numpy(count_fired(features.float().cpu().numpy(), config.activation))

    def _score(self, batch: Batch, stage: str) -> None:
        if not len(batch["input_ids"]):
            score_nothing(self, stage)
            return
        if self.model.config.heads is not None:
            score_heads(self, batch, stage)
        elif self.target_scale is not None:
            score_numbers(self, batch, stage, self.target_scale)
        else:
            score_labels(self, batch, stage)

    def on_validation_epoch_end(self) -> None:
        log_mean_score(self, "val")

    def on_test_epoch_end(self) -> None:
        log_mean_score(self, "test")
