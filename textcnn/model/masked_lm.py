"""A masked language model: the states of a backbone that has one for each token -> logits of the vocabulary.

Shapes: `B` texts, `T` tokens with padding, `H` hidden tokens of all texts, `D` embedding_dim, `F` channels, `V`
vocabulary, `C` labels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init
from transformers.modeling_outputs import MaskedLMOutput

from .config import TextCNNConfig
from .modeling import TextCNNModel, TextCNNPreTrainedModel


class TextCNNForMaskedLM(TextCNNPreTrainedModel):
    """The network with a head that predicts the token at each position.

    The head projects a token's state to the size of the token vectors and multiplies it with them, so that input and
    output share their vectors. Where the configuration has labels, the vector of a text's label is added to all its
    token vectors.

    Example:
        >>> config = TextCNNConfig(vocab_size=100, backbone="dilated", num_filters=16, mask_token_id=99, id2label={})
        >>> TextCNNForMaskedLM(config)(torch.tensor([[5, 99, 9]])).logits.shape
        torch.Size([1, 3, 100])

    Raises:
        ValueError: The configuration has no mask token, or its backbone no state for each token.
    """

    bag = None

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__(config)
        if config.mask_token_id is None:
            raise ValueError("mask_token_id: got none; expected the id of the token that hides others")
        if config.backbone != "dilated" or config.variant == "multichannel":
            name = "backbone" if config.backbone != "dilated" else "variant"
            raise ValueError(
                f"{name}: got {getattr(config, name)!r} for a masked language model; expected "
                + ("dilated, which has a state for each token" if name == "backbone" else "non-static")
            )
        self.textcnn = TextCNNModel(config)
        self.dropout = nn.Dropout(config.dropout)
        size = config.embedding_dim
        self.head = nn.Sequential(
            nn.Linear(config.filters[0], size), nn.GELU(), nn.LayerNorm(size), nn.Linear(size, size)
        )
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        # The last is no label.
        self.labels = nn.Embedding(config.num_labels + 1, size) if config.num_labels else None
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is getattr(self, "labels", None):
            init.zeros_(module.weight)
        elif module is self:
            init.zeros_(self.bias)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        text_labels: Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> MaskedLMOutput | tuple[Tensor, ...]:
        """Return the logits [B, T, V] of the token at each position and, if labels are given, the loss.

        Args:
            input_ids: [B, T] token ids, mask_token_id at hidden tokens.
            attention_mask: [B, T], 0 at pads; without it, pads are where input_ids is pad_token_id.
            token_type_ids: accepted and unused.
            labels: [B, T] ids that the hidden tokens have, -100 elsewhere.
            text_labels: [B] label ids of the texts, -1 for none; of a model with labels.
            return_dict: False returns a tuple.
        """
        logits = self.token_logits(self.states(input_ids, attention_mask, text_labels))
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        output = MaskedLMOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output

    def states(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, text_labels: Tensor | None = None
    ) -> Tensor:
        """Return the states of the tokens, 0 at pads: [B, T, F]."""
        if attention_mask is None:
            attention_mask = input_ids != self.config.pad_token_id
        if self.labels is None:
            return self.textcnn(input_ids, attention_mask).last_hidden_state
        none = self.config.num_labels
        if text_labels is None:
            text_labels = input_ids.new_full((len(input_ids),), none)
        vectors = self.textcnn.get_input_embeddings()(input_ids)
        vectors = vectors + self.labels(torch.where(text_labels < 0, none, text_labels))[:, None]
        return self.textcnn(inputs_embeds=vectors, attention_mask=attention_mask).last_hidden_state

    def token_logits(self, states: Tensor) -> Tensor:
        """Return the logits of states: [..., F] -> [..., V]; the pad and the mask token are never predicted."""
        vectors = self.head(self.dropout(states))
        logits = functional.linear(vectors, self.textcnn.get_input_embeddings().weight, self.bias)
        never = torch.tensor([self.config.pad_token_id, self.config.mask_token_id], device=logits.device)
        return logits.index_fill(-1, never, -torch.inf)
