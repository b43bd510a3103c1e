"""The configuration of a TextCNN: what is built (`Architecture`) and what it was built for (`TextCNNConfig`)."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from transformers import PreTrainedConfig

from .compatibility import (
    BACKBONES,
    NUMBER_LOSSES,
    POOLINGS,
    at_least_one,
    check_backbone,
    check_class_weights,
    check_experts,
    check_number_loss,
    check_problem,
    checks_without,
    one_of,
)  # fmt: skip
from .head_columns import named_heads, num_outputs

VARIANTS = ("random", "static", "non-static", "multichannel")
PADDINGS = ("wide", "same", "valid")
# Monotone functions only: they commute with the max over time, which is what lets a trained model fold into tables.
ACTIVATIONS = ("relu", "tanh", "identity", "sigmoid", "elu", "leaky_relu", "softplus")
LONGEST_NGRAM = 64
BAGS = ("none", "sum", "mean", "sqrtn")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression", "ordinal")

Variant = Literal["random", "static", "non-static", "multichannel"]
Padding = Literal["wide", "same", "valid"]
Activation = Literal["relu", "tanh", "identity", "sigmoid", "elu", "leaky_relu", "softplus"]
Backbone = Literal["parallel", "pyramid", "dilated"]
Pooling = Literal["max", "segments", "max_mean"]
Bag = Literal["none", "sum", "mean", "sqrtn"]
NumberLoss = Literal["mse", "huber"]
ClassWeights = Literal["balanced", "sqrt_balanced"]


@dataclass(kw_only=True)
class Architecture:
    """Everything about the network that does not come from the data.

    The defaults are those of Kim 2014, "Convolutional Neural Networks for Sentence Classification",
    https://arxiv.org/abs/1408.5882, with a wide convolution.

    Args:
        embedding_dim: Size of a token's vector; None takes that of the initial vectors, or 300.
        variant: Kim's four: random (no initial vectors), static (vectors kept as they are), non-static
            (vectors trained on), multichannel (one channel of each, side by side).
        backbone: parallel (Kim's convolutions, which fold into tables), pyramid (DPCNN: blocks with skip connections,
            each over half as many positions) or dilated (residual blocks of gated convolutions whose dilation doubles).
        kernel_sizes: Widths of the convolutions, in tokens; an empty list beside a bag leaves convolutions out.
        num_filters: Filters of each width: one number for all, or one for each width. Of another backbone: channels.
        num_blocks: Blocks of the backbones pyramid and dilated.
        squeeze_excitation: Weigh the channels of each block by their means (Hu et al. 2018,
            https://arxiv.org/abs/1709.01507); pyramid and dilated only.
        num_members: Networks of this architecture side by side, whose logits are averaged. Each has its own token
            vectors, filters and head and learns from its own loss (Lakshminarayanan et al. 2017,
            https://arxiv.org/abs/1612.01474); all fold into one table.
        stride: Distance between two windows, in tokens.
        dilation: Distance between two tokens of a window.
        padding: wide (every window that touches the text), same (one window for each token at stride 1),
            valid (only windows that lie inside the text).
        pooling: Features of a filter: max (its maximum over the text), segments (also those over each of
            pooling_segments equal parts) or max_mean (also the mean of its activation over all windows).
        pooling_segments: Parts that the pooling segments cuts a text into.
        num_experts: Banks of convolutions, each of all kernel sizes, among which a router chooses for each text.
        experts_per_text: Banks that a text goes to.
        balance_weight: Weight of the loss that makes the router use all banks alike.
        activation: Monotone function applied to the maximum of each filter.
        embedding_dropout: Dropout on the vectors of the batch's distinct tokens: a token loses the same
            components wherever it stands in the batch (Gal and Ghahramani 2016, https://arxiv.org/abs/1512.05287).
        dropout: Dropout on the pooled features, and on the tokens and n-grams of a bag.
        embedding_norm: Layer norm on each token's vector.
        pooled_norm: Layer norm on the pooled features.
        layer_norm_eps: Added to the variance in both norms.
        head_max_norm: Largest L2 norm of a class's weight vector while training (Kim: 3); None leaves it free.
        class_weights: Weight of each class in the loss, in the order of the labels (multi-label: of its positives);
            "balanced" and "sqrt_balanced" for those that training finds by the frequency of each class; None weighs
            all alike.
        label_smoothing: Share of the target spread evenly over the classes.
        loss: Loss of a regression: mse (squared error) or huber (linear from huber_delta on; Huber 1964,
            https://doi.org/10.1214/aoms/1177703732).
        huber_delta: Error from which huber is linear, in the unit of the logits; training standardises the numbers.
        bag: A bag of tokens and hashed n-grams whose logits are added to those of the convolutions (Joulin et al. 2017,
            https://arxiv.org/abs/1607.01759): their rows are pooled by sum, mean or sqrtn
            (the sum over the square root of their number), or there is none. All members share it.
        bag_ngrams: Longest n-gram of the bag, in tokens; 1 for tokens alone.
        bag_buckets: Rows that n-grams of two and more tokens share by their hash.
        bag_dim: Size of the vectors of which the bag makes logits, as fastText does; None for logits in each row.
    """

    embedding_dim: int | None = None
    variant: Variant = "non-static"
    backbone: Backbone = "parallel"
    kernel_sizes: list[int] = dataclasses.field(default_factory=lambda: [3, 4, 5])
    num_filters: int | list[int] = 100
    num_blocks: int = 4
    squeeze_excitation: bool = False
    num_members: int = 1
    stride: int = 1
    dilation: int = 1
    padding: Padding = "wide"
    pooling: Pooling = "max"
    pooling_segments: int = 4
    num_experts: int = 1
    experts_per_text: int = 1
    balance_weight: float = 0.01
    activation: Activation = "relu"
    embedding_dropout: float = 0.0
    dropout: float = 0.5
    embedding_norm: bool = False
    pooled_norm: bool = False
    layer_norm_eps: float = 1e-5
    head_max_norm: float | None = None
    class_weights: list[float] | ClassWeights | None = None
    label_smoothing: float = 0.0
    loss: NumberLoss = "mse"
    huber_delta: float = 1.0
    bag: Bag = "none"
    bag_ngrams: int = 2
    bag_buckets: int = 1 << 16
    bag_dim: int | None = None

    def check(self) -> None:
        """Raise ValueError, in one line, at the first field that no network can be built from."""
        one_of("variant", self.variant, VARIANTS)
        one_of("backbone", self.backbone, BACKBONES)
        one_of("pooling", self.pooling, POOLINGS)
        for name in ("pooling_segments", "num_experts", "experts_per_text"):
            at_least_one(name, getattr(self, name))
        one_of("padding", self.padding, PADDINGS)
        one_of("activation", self.activation, ACTIVATIONS)
        one_of("bag", self.bag, BAGS)
        one_of("loss", self.loss, NUMBER_LOSSES)
        if not 0 < self.huber_delta < float("inf"):
            raise ValueError(f"huber_delta: got {self.huber_delta}; expected a positive number, such as 1")
        if not self.kernel_sizes and self.bag == "none":
            raise ValueError(
                "kernel_sizes: got an empty list; expected at least one width, such as [3, 4, 5]; "
                "set bag to sum, mean or sqrtn for a model without convolutions"
            )
        for width in self.kernel_sizes:
            at_least_one("kernel_sizes", width)
        filters = self.num_filters if isinstance(self.num_filters, list) else [self.num_filters]
        for count in filters:
            at_least_one("num_filters", count)
        if isinstance(self.num_filters, list) and len(self.num_filters) != len(self.kernel_sizes):
            raise ValueError(
                f"num_filters: got {len(self.num_filters)} numbers for {len(self.kernel_sizes)} kernel sizes; "
                "expected one number, or one for each kernel size"
            )
        self._check_bag()
        at_least_one("num_members", self.num_members)
        if self.num_members > 1 and (self.embedding_norm or self.pooled_norm):
            norm = "embedding_norm" if self.embedding_norm else "pooled_norm"
            raise ValueError(
                f"num_members: got {self.num_members} with {norm}; expected 1, as a norm would mix the members; "
                f"set {norm} to false, or num_members to 1"
            )
        at_least_one("stride", self.stride)
        at_least_one("dilation", self.dilation)
        if self.embedding_dim is not None:
            at_least_one("embedding_dim", self.embedding_dim)
        for name in ("embedding_dropout", "dropout", "label_smoothing"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name}: got {value}; expected a number from 0 up to, but not including, 1")
        if not 0 < self.layer_norm_eps < float("inf"):
            raise ValueError(f"layer_norm_eps: got {self.layer_norm_eps}; expected a positive number, such as 1e-5")
        check_class_weights(self.class_weights)
        if self.head_max_norm is not None and not 0 < self.head_max_norm < float("inf"):
            raise ValueError(f"head_max_norm: got {self.head_max_norm}; expected a positive number, or null for none")
        at_least_one("num_blocks", self.num_blocks)
        check_backbone(self)
        check_experts(self)

    def _check_bag(self) -> None:
        at_least_one("bag_ngrams", self.bag_ngrams)
        if self.bag_ngrams > LONGEST_NGRAM:
            raise ValueError(f"bag_ngrams: got {self.bag_ngrams}; expected at most {LONGEST_NGRAM}")
        at_least_one("bag_buckets", self.bag_buckets)
        if self.bag_buckets >= 1 << 30:
            raise ValueError(f"bag_buckets: got {self.bag_buckets}; expected less than {1 << 30}")
        if self.bag_dim is not None:
            at_least_one("bag_dim", self.bag_dim)
        if self.bag == "none":
            return
        for name, alone in (("backbone", "parallel"), ("pooling", "max"), ("num_experts", 1)):
            value = getattr(self, name)
            if value != alone:
                raise ValueError(
                    f"{name}: got {value} with a bag; expected {alone}, or bag none; choose one of the two"
                )
        if self.kernel_sizes:
            return
        for name, without in (("pooled_norm", False), ("embedding_norm", False), ("num_members", 1)):
            value = getattr(self, name)
            if value != without:
                raise ValueError(
                    f"{name}: got {value} without convolutions; expected {without}; give kernel_sizes, or leave it out"
                )


class TextCNNConfig(Architecture, PreTrainedConfig):
    """A TextCNN as transformers stores it: the architecture, the vocabulary and the labels.

    Example:
        >>> config = TextCNNConfig(vocab_size=30_522, kernel_sizes=[2, 3], id2label={0: "ham", 1: "spam"})
        >>> config.num_labels
        2

    Raises:
        ValueError: a field has a value nothing can be built from, or a name that is a misspelling of one.
    """

    model_type = "textcnn"
    # transformers has a type for `problem_type`, without "ordinal", and some versions check it. It is checked below.
    __validators__: ClassVar[dict[str, Any]] = checks_without(PreTrainedConfig, "problem_type")
    vocab_size: int = 30_522
    pad_token_id: int = 0
    # Divides the logits; found by calibration after training, 1 until then (Guo et al. 2017,
    # https://arxiv.org/abs/1706.04599).
    temperature: float = 1.0
    # A label is given when its probability reaches its threshold. Multi-label: 0.5 where none is named. Single-label: a
    # label without one competes with the others as ever.
    thresholds: dict[str, float] | None = None
    # Single-label: no label is given where the score ("probability", "energy", "fired") is below the threshold, such as
    # {"score": "energy", "threshold": 3.2}.
    abstention: dict[str, Any] | None = None
    # The columns of the training data, which other data of the same kind is likely to have.
    text_column: str | None = None
    label_column: str | None = None
    # Several tasks in one model, each of a slice of the outputs, in their order: {"name": ..., "problem_type": ...,
    # "labels": [...]}, of ordered levels "cut_points" and, once calibrated, "temperature", "thresholds" and
    # "abstention". id2label names a label "name: label". Outputs are then those before any temperature.
    heads: list[dict[str, Any]] | None = None
    # Increasing cut points of a model of ordered levels, one fewer than labels: see `ordinal`.
    cut_points: list[float] | None = None
    # Separator of the parts of labels that are paths, such as science/physics.
    label_separator: str | None = None
    # Size of a text's vector, where the model is an encoder (TextCNNForTextEncoding) and has no labels.
    encoding_dim: int | None = None
    # Id of the token that hides others, where the model is a masked language model (TextCNNForMaskedLM).
    mask_token_id: int | None = None
    # Lengths of the texts that it has read, in tokens, evenly from the shortest to the longest.
    length_quantiles: list[int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        # Of the files of an artifact, not of the network: `save_pretrained` must not write them beside other weights.
        kwargs.pop("digests", None)
        names = [field.name for field in dataclasses.fields(self)]
        for name in kwargs:
            # PreTrainedConfig keeps any name it does not know: a misspelt field would be silently ignored.
            nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
            if nearest and name not in ("num_labels", "torch_dtype"):
                raise ValueError(f"unknown TextCNNConfig field {name!r}; did you mean {nearest[0]!r}?")
        if self.embedding_dim is None:
            self.embedding_dim = 300
        # JSON has no tuples, and a config must compare equal after a round trip through it.
        self.kernel_sizes = [int(width) for width in self.kernel_sizes]
        if not isinstance(self.num_filters, int):
            self.num_filters = [int(count) for count in self.num_filters]
        if self.heads is not None:
            self._name_heads(kwargs)
        if self.encoding_dim is not None:
            at_least_one("encoding_dim", self.encoding_dim)
            # A folded model names its outputs, and an encoder's outputs are dimensions.
            self.id2label = {number: f"dimension_{number}" for number in range(self.encoding_dim)}
            self.label2id = {name: number for number, name in self.id2label.items()}
            kwargs.pop("num_labels", None)
        super().__post_init__(**kwargs)
        self.check()
        if self.problem_type is not None:
            one_of("problem_type", self.problem_type, PROBLEM_TYPES)
            check_problem(self)
        if self.heads is not None and all(head["problem_type"] != "regression" for head in self.heads):
            check_number_loss(self, "heads of labels")
        if not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"pad_token_id: got {self.pad_token_id}; expected an id below vocab_size ({self.vocab_size})"
            )
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature: got {self.temperature}; expected a positive number")
        check_class_weights(self.class_weights, self.num_labels)

    def _name_heads(self, kwargs: dict[str, Any]) -> None:
        """Name the labels after their heads."""
        self.heads, labels = named_heads(self.heads or (), PROBLEM_TYPES)
        self.id2label = dict(enumerate(labels))
        self.label2id = {name: number for number, name in self.id2label.items()}
        # Tasks and temperatures are those of the heads.
        self.problem_type, self.temperature = None, 1.0
        kwargs.pop("num_labels", None)

    @property
    def num_logits(self) -> int:
        """Number of outputs of the network: one for each label, but one score for ordered levels."""
        if self.heads is not None:
            return sum(map(num_outputs, self.heads))
        return 1 if self.problem_type == "ordinal" else int(self.num_labels)

    @property
    def filters(self) -> list[int]:
        """Number of filters of each kernel size, of all members; of a deep backbone, its channels."""
        count = self.num_filters
        if self.backbone != "parallel" and isinstance(count, int):
            return [count]
        counts = count if isinstance(count, list) else [count] * len(self.kernel_sizes)
        return [self.num_members * own for own in counts]

    @property
    def hidden_size(self) -> int:
        """Number of pooled features: what the head reads."""
        return self.pooled_blocks * sum(self.filters)

    @property
    def pooled_blocks(self) -> int:
        """Number of features of each filter, one for each place that the pooling takes it from; times the banks."""
        return self.num_experts * {"max": 1, "segments": 1 + self.pooling_segments, "max_mean": 2}[self.pooling]
