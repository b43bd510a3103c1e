"""TextCNN as transformers models: token ids -> embedding -> backbone, pooled over time -> head.

Kim 2014, "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882.

Shapes: `B` texts, `T` tokens with padding, `N` tokens without, `U` distinct tokens, `D` vector size,
`F` features, `C` classes, `M` members.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput, SequenceClassifierOutput

from .backbones import make_backbone
from .bag import BagOutput, BagRows, HashedBag
from .config import PROBLEM_TYPES, TextCNNConfig
from .embedding import TokenEmbedding
from .extents import BatchTokens, FlatTexts, batch_tokens
from .head_columns import logits_by_head
from .heads import LinearHead, xavier_bound
from .objectives import heads_loss, task_loss
from .ordinal import cut_points_of


@dataclass
class TextCNNOutput(ModelOutput):
    """Output of `TextCNNModel`.

    Args:
        pooler_output: [B, F] features, one per filter.
        winners: [B, F] number of the window that each feature comes from, -1 where a text has none.
        last_hidden_state: [B, T, F] features of each token before pooling, 0 at pads; of the backbone dilated only.
        gates: [B, X] weight of each expert in each text, 0 where it is not chosen; with num_experts only.
        balance_loss: Imbalance in the use of the experts, at least about 1; with num_experts only.
    """

    pooler_output: Tensor | None = None
    winners: Tensor | None = None
    last_hidden_state: Tensor | None = None
    gates: Tensor | None = None
    balance_loss: Tensor | None = None


class TextCNNPreTrainedModel(PreTrainedModel):
    """Weight initialisation, loading and saving."""

    config_class = TextCNNConfig
    base_model_prefix = "textcnn"
    main_input_name = "input_ids"

    @classmethod
    def from_pretrained(cls, *arguments: Any, **options: Any) -> Any:
        """Load as transformers does; static embeddings stay out of training."""
        loaded = super().from_pretrained(*arguments, **options)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        # Weights are loaded as new parameters, all of them trainable.
        if model.base_model.embeddings is not None:
            model.base_model.embeddings.freeze_static()
        return loaded

    def save_pretrained(self, save_directory: str | os.PathLike[str], **options: Any) -> None:
        """Save as transformers does; the saved code opens a classifier as a bare encoder as well."""
        # transformers notes only the class that is saved.
        auto_map = getattr(self.config, "auto_map", None) or {}
        self.config.auto_map = {**auto_map, "AutoModel": f"modeling.{TextCNNModel.__name__}"}
        code = Path(__file__).with_name("pipeline.py")
        if self.config.heads is not None and code.is_file():
            # transformers' own pipeline would take the logits of all heads for one task.
            impl = {"impl": "pipeline.HeadsPipeline", "pt": ["AutoModelForSequenceClassification"]}
            self.config.custom_pipelines = {"text-classification": impl}
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(code, Path(save_directory) / code.name)
        if getattr(self, "cut_points", None) is not None:
            self.store_cut_points()  # weights of another trainer have moved them
        super().save_pretrained(save_directory, **options)

    def _tokens(
        self, input_ids: Tensor | FlatTexts | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None = None
    ) -> BatchTokens:
        return batch_tokens(self.config.pad_token_id, input_ids, attention_mask, inputs_embeds)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # transformers would draw every weight from N(0, 0.02), which is far too small for vectors that are
        # not followed by a layer norm.
        if isinstance(module, BagRows):
            init.uniform_(module.weight, -module.bound, module.bound)
        elif isinstance(module, BagOutput):
            init.zeros_(module.weight)
        elif isinstance(module, nn.Embedding):
            # The flag says that the weight came from a checkpoint; it is lost on the slice, so look first.
            loaded = getattr(module.weight, "_is_hf_initialized", False)
            init.uniform_(module.weight, -0.25, 0.25)
            if not loaded and module.padding_idx is not None:
                init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, nn.Conv1d | nn.Linear):
            bound = xavier_bound(module)
            init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


class TextCNNModel(TextCNNPreTrainedModel):
    """The encoder: texts to one feature per filter.

    Example:
        >>> model = TextCNNModel(TextCNNConfig(vocab_size=100, embedding_dim=8, num_filters=4))
        >>> model(torch.tensor([[5, 7, 9]])).pooler_output.shape
        torch.Size([1, 12])
    """

    # A saved classifier opens as a bare encoder without complaint.
    _keys_to_ignore_on_load_unexpected = (r"^head\.", r"^bag\.")

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__(config)
        # Without convolutions nothing reads token vectors.
        self.embeddings = TokenEmbedding(config) if config.kernel_sizes else None
        self.convolution = make_backbone(config, self.embeddings.output_dim if self.embeddings is not None else 0)
        self.pooled_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps) if config.pooled_norm else None
        self.post_init()

    def get_input_embeddings(self) -> nn.Module | None:
        """Return the trainable embedding, the only one unless the variant is multichannel.

        A model without convolutions has no token vectors and returns None.
        """
        return None if self.embeddings is None else self.embeddings.channels[-1]

    def set_input_embeddings(self, value: nn.Module) -> None:
        if self.embeddings is None:
            raise ValueError("embeddings: got some for a model without convolutions; expected kernel_sizes")
        self.embeddings.channels[-1] = value

    def forward(
        self,
        input_ids: Tensor | FlatTexts | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> TextCNNOutput | tuple[Tensor, ...]:
        """Return the features of a batch of padded texts.

        Args:
            input_ids: [B, T] token ids; T may be 0. Or FlatTexts, without padding.
            attention_mask: [B, T], 0 at pads; without it, pads are where input_ids is pad_token_id.
            token_type_ids: accepted, because tokenizers made for other models send it, and unused.
            inputs_embeds: [B, T, D] vectors in place of input_ids (all channels side by side).
            return_dict: False returns a tuple.

        Raises:
            ValueError: both or neither of input_ids and inputs_embeds are given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("expected either input_ids or inputs_embeds; got both or neither")
        inside, ids, holes, offsets = self._tokens(input_ids, attention_mask, inputs_embeds)
        if self.embeddings is None:
            vectors, index, holes = torch.zeros(0, 0, device=offsets.device), offsets.new_zeros(0), None
        elif ids is not None:
            distinct, index = ids.unique(return_inverse=True)
            vectors = self.embeddings(distinct)
        else:
            assert inputs_embeds is not None
            vectors = self.embeddings.transform(inputs_embeds[inside])
            index = torch.arange(len(vectors), device=vectors.device)
        if holes is not None:
            index = index.masked_fill(holes, -1)

        states = gates = balance = None
        if self.config.num_experts > 1:
            gates, balance = self.convolution.route(vectors, index, offsets)
            features, winners = self.convolution.features(vectors, index, offsets, gates)
        elif getattr(self.convolution, "has_sequence", False):
            tokens = self.convolution.sequence(vectors, index, offsets)
            features, winners = self.convolution.pool(tokens, index, offsets)
            if inside is not None:
                states = tokens.new_zeros(*inside.shape, tokens.shape[1]).masked_scatter(inside[:, :, None], tokens)
        else:
            features, winners = self.convolution(vectors, index, offsets)
        if self.pooled_norm is not None:
            # A text without any window answers with the head's bias: its features stay 0.
            features = self.pooled_norm(features) * (winners >= 0).any(dim=1, keepdim=True)
        output = TextCNNOutput(features, winners, states, gates, balance)
        return output.to_tuple() if return_dict is False else output


class TextCNNForSequenceClassification(TextCNNPreTrainedModel):
    """The classifier: features -> dropout -> linear head, with the loss of its problem type.

    Example:
        >>> model = TextCNNForSequenceClassification(TextCNNConfig(vocab_size=100, id2label={0: "ham", 1: "spam"}))
        >>> model(torch.tensor([[5, 7, 9]]), labels=torch.tensor([1])).logits.shape
        torch.Size([1, 2])
    """

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__(config)
        self.textcnn = TextCNNModel(config)
        self.dropout = nn.Dropout(config.dropout)
        filters = config.filters * config.pooled_blocks
        self.head = LinearHead(filters, config.num_logits, config.head_max_norm, config.num_members)
        self.bag = None if config.bag == "none" else HashedBag(config)
        self.cut_points = cut_points_of(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | FlatTexts | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | dict[str, Tensor] | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Return the logits [B, C], divided by the temperature, and, if labels are given, the mean loss of the members.

        Args:
            input_ids, attention_mask, token_type_ids, inputs_embeds: as in `TextCNNModel`.
            labels: [B] class ids, [B, C] zeros and ones when the problem is multi-label, or the numbers of a
                regression, [B] or [B, C]; with heads, a dict of these by head, whose logits `by_head` takes apart.
            return_dict: False returns a tuple.
        """
        encoded = self.textcnn(input_ids, attention_mask, token_type_ids, inputs_embeds)
        members = self.member_logits(encoded.pooler_output, self.bag_logits(input_ids, attention_mask))
        logits = members.mean(dim=0)
        loss = None if labels is None else torch.stack([self.loss(member, labels) for member in members]).mean()
        if loss is not None and self.training and encoded.balance_loss is not None:
            loss = loss + self.config.balance_weight * encoded.balance_loss
        output = SequenceClassifierOutput(loss=loss, logits=self.of_levels(logits))
        return output.to_tuple() if return_dict is False else output

    def member_logits(self, features: Tensor, bag: Tensor | None = None) -> Tensor:
        """Return the logits of each member, divided by the temperature: [M, B, C].

        Args:
            features: [B, F] of the encoder.
            bag: [B, C] of `bag_logits`, which all members add; None for a model without a bag.
        """
        logits = self.head.of_members(self.dropout(features))
        return (logits if bag is None else logits + bag) / self.config.temperature

    def of_levels(self, scores: Tensor) -> Tensor:
        """Return the logits [B, C] of all labels from the outputs of the network; logits stay as they are.

        Only the outputs of ordered levels, one score [B, 1] for all of them, differ from their logits.
        """
        if self.cut_points is not None and scores.shape[-1] == self.config.num_logits:
            scores = self.cut_points.logits(scores, self.config)
        return scores

    def outputs(self, input_ids: Tensor | FlatTexts, attention_mask: Tensor | None) -> Tensor:
        """Return the outputs of the network, divided by the temperature: [B, C], or the scores [B, 1] of levels."""
        features = self.textcnn(input_ids, attention_mask).pooler_output
        return self.member_logits(features, self.bag_logits(input_ids, attention_mask)).mean(dim=0)

    def store_cut_points(self) -> None:
        """Write the cut points into the configuration, which every interface reads."""
        if self.cut_points is not None:
            self.cut_points.store(self.config)

    def bag_logits(self, input_ids: Tensor | FlatTexts | None, attention_mask: Tensor | None = None) -> Tensor | None:
        """Return the logits of the bag, before the temperature: [B, C]; None for a model without one.

        Raises:
            ValueError: there are no token ids, of which the bag is made.
        """
        if self.bag is None:
            return None
        return self.bag(*self._bag_tokens(input_ids, attention_mask))

    def bag_rows(self, input_ids: Tensor | FlatTexts, attention_mask: Tensor | None = None) -> Tensor:
        """Return the rows of the bag that a batch reads, one for each of its features.

        Raises:
            ValueError: the model has no bag.
        """
        if self.bag is None:
            raise ValueError("bag_rows: got a model without a bag; expected bag 'sum', 'mean' or 'sqrtn'")
        rows: Tensor = self.bag.features(*self._bag_tokens(input_ids, attention_mask))[0]
        return rows

    def _bag_tokens(
        self, input_ids: Tensor | FlatTexts | None, attention_mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """The tokens of a batch one text after the other: ids [N], holes [N] or None, offsets [B + 1]."""
        if input_ids is None:
            raise ValueError("inputs_embeds: got vectors; expected input_ids, as the bag of this model reads token ids")
        _, ids, holes, offsets = self._tokens(input_ids, attention_mask)
        assert ids is not None
        return ids, holes, offsets

    def loss(self, logits: Tensor, labels: Tensor | dict[str, Tensor]) -> Tensor:
        """Return the mean loss of logits [B, C], by problem type; see `objectives.task_loss` and `heads_loss`."""
        config, logits = self.config, self.of_levels(logits)
        # No buffer: from_pretrained leaves garbage in those that are not saved.
        weight = None if config.class_weights is None else logits.new_tensor(config.class_weights)
        of_loss = (config.label_smoothing, config.loss, config.huber_delta)
        if config.heads is not None:
            if not isinstance(labels, dict):
                raise ValueError(f"labels: got a {type(labels).__name__}; expected a dict of labels by head")
            return heads_loss(logits, labels, config.heads, weight, *of_loss)
        assert isinstance(labels, Tensor)
        if config.problem_type is None:  # as in transformers
            kind = "multi_label_classification" if labels.is_floating_point() else "single_label_classification"
            config.problem_type = "regression" if config.num_labels == 1 else kind
        if config.problem_type not in PROBLEM_TYPES:
            raise ValueError(f"problem_type: got {config.problem_type!r}; expected one of {', '.join(PROBLEM_TYPES)}")
        return task_loss(logits, labels, config.problem_type, weight, *of_loss)

    def by_head(self, logits: Tensor) -> dict[str, Tensor]:
        """Return the logits [B, C] of a model with heads by head, each at the temperature of its head."""
        return logits_by_head(logits, self.config.heads or [])
