"""A text encoder: features -> linear head -> one vector a text.

Shapes: `B` texts, `T` tokens with padding, `F` features, `D` encoding_dim.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput

from .config import TextCNNConfig
from .heads import LinearHead
from .modeling import TextCNNModel, TextCNNPreTrainedModel


@dataclass
class TextEncoderOutput(ModelOutput):
    """Output of `TextCNNForTextEncoding`.

    Args:
        embeddings: [B, D] vectors of the texts, not normalised.
        pooler_output: [B, F] features, one per filter.
    """

    embeddings: Tensor | None = None
    pooler_output: Tensor | None = None

    @property
    def logits(self) -> Tensor | None:
        """The vectors, by the name that a classifier's outputs have."""
        return self.embeddings


class TextCNNForTextEncoding(TextCNNPreTrainedModel):
    """The encoder with a projection, which folds into the place of a classifier's head.

    Example:
        >>> model = TextCNNForTextEncoding(TextCNNConfig(vocab_size=100, encoding_dim=16))
        >>> model(torch.tensor([[5, 7, 9]])).embeddings.shape
        torch.Size([1, 16])

    Raises:
        ValueError: The configuration has no encoding_dim.
    """

    bag = None

    def __init__(self, config: TextCNNConfig) -> None:
        super().__init__(config)
        if config.encoding_dim is None:
            raise ValueError("encoding_dim: got none; expected the size of a text's vector, such as 384")
        self.textcnn = TextCNNModel(config)
        self.dropout = nn.Dropout(config.dropout)
        filters = config.filters * config.pooled_blocks
        self.head = LinearHead(filters, config.encoding_dim, num_members=config.num_members)
        self.post_init()

    def save_pretrained(self, save_directory: str | os.PathLike[str], **options: Any) -> None:
        """Save as transformers does; the saved code opens as this class."""
        super().save_pretrained(save_directory, **options)
        # A classifier names its bare encoder there; the vectors of this model come after the head.
        self.config.auto_map["AutoModel"] = f"encoding.{type(self).__name__}"
        self.config.save_pretrained(save_directory)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> TextEncoderOutput | tuple[Tensor, ...]:
        """Return the vectors of a batch of padded texts: [B, D].

        Args:
            input_ids, attention_mask, token_type_ids, inputs_embeds: as in `TextCNNModel`.
            return_dict: False returns a tuple.
        """
        features = self.textcnn(input_ids, attention_mask, token_type_ids, inputs_embeds).pooler_output
        output = TextEncoderOutput(embeddings=self.project(features), pooler_output=features)
        return output.to_tuple() if return_dict is False else output

    def outputs(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return the vectors of a batch of padded texts: [B, D]."""
        return self.project(self.textcnn(input_ids, attention_mask).pooler_output)

    def project(self, features: Tensor) -> Tensor:
        """Return the vectors [B, D] of the encoder's features [B, F], after dropout while training."""
        return self.head(self.dropout(features))
