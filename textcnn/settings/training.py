"""Settings of training: network, optimization, run, distillation, fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .base import Settings
from .data import SeedSettings, at_least


@dataclass(kw_only=True)
class ArchitectureSettings(Settings):
    """Network. `textcnn.Architecture` has the same fields.

    Args:
        embedding_dim: Size of a token vector. Default: that of the initial vectors, else 300.
        variant: Kim's random, static (vectors kept), non-static (vectors trained) or multichannel (both).
        backbone: parallel (convolutions that fold into tables), pyramid or dilated (deep networks).
        kernel_sizes: Widths of the convolutions, in tokens; [] with a bag for none.
        num_filters: Filters of each width, one number for all or one each; of pyramid and dilated: channels.
        num_blocks: Blocks of pyramid and dilated.
        squeeze_excitation: Weigh the channels of each block by their means; pyramid and dilated.
        num_members: Networks side by side whose logits are averaged (deep ensemble).
        stride: Distance between two windows, in tokens.
        dilation: Distance between two tokens of a window.
        padding: wide (windows that touch the text), same (one a token) or valid (inside the text).
        pooling: max, segments (also the maxima of equal parts) or max_mean (also the mean over all windows).
        pooling_segments: Parts that the pooling segments cuts a text into.
        num_experts: Banks of convolutions, from which a router picks for each text. With init they may start as
            copies of a single bank.
        experts_per_text: Banks that a text goes to.
        balance_weight: Weight of the loss that makes the router use all banks alike.
        activation: Monotone function of each filter's maximum.
        embedding_dropout: Dropout on token vectors, the same for a token throughout the batch.
        dropout: Dropout on the pooled features and on the rows of a bag.
        embedding_norm: Apply layer norm to each token vector.
        pooled_norm: Apply layer norm to the pooled features.
        layer_norm_eps: Constant added to the variance in both norms.
        head_max_norm: Largest L2 norm of a class's weights while training (Kim: 3). Default: no limit.
        class_weights: Weight of each class in the loss: balanced (by the inverse of its frequency), sqrt_balanced (by
            the square root of that), none, or a number for each label in their order; auto is sqrt_balanced in `train`
            with one label a text in one column, none elsewhere.
        label_smoothing: Fraction of the target spread evenly over the classes.
        loss: Loss of a regression: mse, or huber (linear for errors above huber_delta, for targets with outliers).
        huber_delta: Error from which huber is linear, in standard deviations of the training targets.
        bag: Bag of tokens and hashed n-grams: sum, mean, sqrtn or none; auto is sqrtn in `train` beside the backbone
            parallel, none elsewhere.
        bag_ngrams: Longest n-gram of the bag, in tokens. Default: 2; of characters 4.
        bag_buckets: Rows that n-grams share by their hash.
        bag_dim: Size of the bag's vectors (fastText). Default: each row holds logits.
    """

    embedding_dim: int | None = None
    variant: Literal["random", "static", "non-static", "multichannel"] = "non-static"
    backbone: Literal["parallel", "pyramid", "dilated"] = "parallel"
    kernel_sizes: list[int] = field(default_factory=lambda: [3, 4, 5])
    num_filters: int | list[int] = 100
    num_blocks: int = 4
    squeeze_excitation: bool = False
    num_members: int = 1
    stride: int = 1
    dilation: int = 1
    padding: Literal["wide", "same", "valid"] = "wide"
    pooling: Literal["max", "segments", "max_mean"] = "max"
    pooling_segments: int = 4
    num_experts: int = 1
    experts_per_text: int = 1
    balance_weight: float = 0.01
    activation: Literal["relu", "tanh", "identity", "sigmoid", "elu", "leaky_relu", "softplus"] = "relu"
    embedding_dropout: float = 0.0
    dropout: float = 0.5
    embedding_norm: bool = False
    pooled_norm: bool = False
    layer_norm_eps: float = 1e-5
    head_max_norm: float | None = None
    class_weights: Literal["auto", "balanced", "sqrt_balanced"] | list[float] | None = "auto"
    label_smoothing: float = 0.0
    loss: Literal["mse", "huber"] = "mse"
    huber_delta: float = 1.0
    bag: Literal["auto", "none", "sum", "mean", "sqrtn"] = "auto"
    bag_ngrams: int | None = None
    bag_buckets: int = 65_536
    bag_dim: int | None = None


# Adadelta's usual rate is 1; beyond this one, weights overflow within an epoch.
_HIGHEST_RATE = 100


@dataclass(kw_only=True)
class RateSettings(Settings):
    """Start and steps of training.

    Args:
        learning_rate: Highest learning rate.
        embedding_learning_rate: Learning rate of the token vectors. Default: learning_rate with initial vectors, five
            times that otherwise.
        weight_decay: Decoupled weight decay of all weights but token vectors, biases and norms.
        warmup: Fraction of the steps over which the learning rate rises from 0.
        schedule: Learning rate after the warm-up: cosine (falls to 0) or constant.
        optimizer: adamw, or adadelta (Kim 2014; learning_rate 1 is its usual value).
        init: Directory of a run, such as one of `textcnn pretrain`, whose tokenizer, network and weights up to the head
            training starts from. Default: a new network.
    """

    learning_rate: float = 1e-3
    embedding_learning_rate: float | None = None
    weight_decay: float = 0.01
    warmup: float = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    optimizer: Literal["adamw", "adadelta"] = "adamw"
    init: str | Path | None = None

    def check(self) -> None:
        for name in ("learning_rate", "embedding_learning_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate <= _HIGHEST_RATE:
                raise ValueError(f"{name}: got {rate}; expected a number above 0, up to {_HIGHEST_RATE}, such as 0.001")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay: got {self.weight_decay}; expected a number from 0, such as 0.01")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup: got {self.warmup}; expected a fraction from 0 to 1, such as 0.05")


@dataclass(kw_only=True)
class OptimizationSettings(RateSettings):
    """Optimization of a classifier.

    Args:
        naive_bayes: Scale of naive Bayes log-count ratios that random token vectors start with; 0 for none.
        bag_start: Weights that the bag starts with: linear (a fitted linear model), naive_bayes or zero.
        bag_training: separate (the bag keeps its start, and the network is trained without it) or joint (both are
            trained on the sum of their logits). A bag that starts at zero or stands alone is always trained.
        bag_weight: Weight of a bag that is trained separately; in a regression the prediction is the weighted mean of
            network and bag. Default: the weights of both are fitted on the validation texts at the end of the run;
            until then, and without such texts, 0.5 beside initial vectors, else 1, and in a regression 1.
        contrastive_weight: Weight of a contrastive loss that pulls the features of texts of one label together, beside
            the loss of the labels; 0 for none.
    """

    naive_bayes: float = 0.0
    bag_start: Literal["linear", "naive_bayes", "zero"] = "linear"
    bag_training: Literal["separate", "joint"] = "separate"
    bag_weight: float | None = None
    contrastive_weight: float = 0.0

    def check(self) -> None:
        if self.contrastive_weight < 0:
            raise ValueError(f"contrastive_weight: got {self.contrastive_weight}; expected 0 or more")
        if self.bag_weight is not None and not 0 < self.bag_weight < float("inf"):
            raise ValueError(
                f"bag_weight: got {self.bag_weight}; expected a number above 0, such as 0.5; for no bag: bag none"
            )


@dataclass(kw_only=True)
class RunSettings(Settings):
    """Run: Lightning's Trainer, by its own names.

    Args:
        max_epochs: Epochs. Default: 10; with few training rows, as many as make 1,000 steps, at most 80.
        max_steps: Steps; -1 for as many as max_epochs takes.
        patience: Validations without a better score after which training stops.
        gradient_clip_val: Largest norm of the gradient. None turns clipping off.
        log_every_n_steps: Steps between two entries of the log.
        accelerator: auto, cpu, gpu and so on.
        devices: Number of devices, or auto.
        precision: 32-true, bf16-mixed and so on.
        callbacks: Further callbacks of Lightning, from Python. Default: none.
        progress: Show a progress bar.
    """

    max_epochs: int | None = None
    max_steps: int = -1
    patience: int = 5
    gradient_clip_val: float | None = 5.0
    log_every_n_steps: int = 20
    accelerator: str = "auto"
    devices: int | str = "auto"
    precision: str = "32-true"
    callbacks: Any = None
    progress: bool = True

    def check(self) -> None:
        at_least(1, patience=self.patience)
        if self.max_epochs is not None:
            at_least(1, max_epochs=self.max_epochs)
        if self.gradient_clip_val is not None and self.gradient_clip_val < 0:
            raise ValueError(f"gradient_clip_val: got {self.gradient_clip_val}; expected a number from 0, or none")


@dataclass(kw_only=True)
class LossSettings(Settings):
    """Distillation loss.

    Args:
        temperature: Divisor of the logits of teacher and student in the loss.
        soft_loss: kl (of the softened distributions) or mse (of the logits).
        hard_weight: Weight of the loss of the labels, for texts that have one.
        weigh_by_confidence: Weigh each text by the teacher's confidence.
        representation_weight: Weight of the distance between the teacher's representation and a projection of the
            student's.
    """

    temperature: float = 2.0
    soft_loss: Literal["kl", "mse"] = "kl"
    hard_weight: float = 0.1
    weigh_by_confidence: bool = False
    representation_weight: float = 0.0

    def check(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature: got {self.temperature}; expected more than 0")
        if not 0 <= self.hard_weight <= 1:
            raise ValueError(f"hard_weight: got {self.hard_weight}; expected a share from 0 to 1")
        if self.representation_weight < 0:
            raise ValueError(f"representation_weight: got {self.representation_weight}; expected 0 or more")


@dataclass(kw_only=True)
class AugmentationSettings(Settings):
    """Copies: texts made from each training text, for the teacher to label.

    Args:
        spans: Runs of its words, of random length.
        masks: Copies with words replaced by the unknown token.
        mixes: Its first half with the second half of another text.
        neighbours: Copies with words replaced by words of similar vectors.
        replacements: Copies with words drawn anew by `masked_lm`.
        mask_share: Fraction of words masked or replaced in each copy.
        neighbour_vectors: Checkpoint or directory of the vectors of `neighbours`. Default: the teacher.
        masked_lm: Directory or Hub id of a masked language model. Default: none.
    """

    spans: int = 0
    masks: int = 0
    mixes: int = 0
    neighbours: int = 0
    replacements: int = 0
    mask_share: float = 0.15
    neighbour_vectors: str | None = None
    masked_lm: str | None = None

    def check(self) -> None:
        if self.replacements and self.masked_lm is None:
            raise ValueError("replacements: got no masked_lm; expected the directory or id of a masked language model")


@dataclass(kw_only=True)
class FineTuningSettings(SeedSettings):
    """Fine-tuning.

    Args:
        max_epochs: Epochs.
        batch_size: Texts in a batch.
        learning_rate: Highest learning rate.
        max_length: Tokens of a text that are read.
        precision: bf16-mixed halves the time on processors made for it; auto takes it there.
        progress: Show a progress bar.
    """

    max_epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 5e-5
    max_length: int = 256
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    progress: bool = True

    def check(self) -> None:
        for name, least in (("max_epochs", 1), ("batch_size", 1), ("max_length", 3)):
            value = getattr(self, name)
            if value < least:
                why = "" if least == 1 else ", a token between the two that begin and end a text"
                raise ValueError(f"{name}: got {value}; expected at least {least}{why}")
        if not 0 < self.learning_rate < 1:
            raise ValueError(
                f"learning_rate: got {self.learning_rate}; expected a number between 0 and 1, such as 1e-4"
            )
