"""The network, as transformers users know it; importing this registers it with transformers' Auto classes."""

from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from .config import Architecture, TextCNNConfig
from .encoding import TextCNNForTextEncoding, TextEncoderOutput
from .masked_lm import TextCNNForMaskedLM
from .modeling import TextCNNForSequenceClassification, TextCNNModel, TextCNNOutput

AutoConfig.register(TextCNNConfig.model_type, TextCNNConfig)
AutoModel.register(TextCNNConfig, TextCNNModel)
AutoModelForMaskedLM.register(TextCNNConfig, TextCNNForMaskedLM)
AutoModelForSequenceClassification.register(TextCNNConfig, TextCNNForSequenceClassification)

# A saved model carries the files of this folder, so that it loads where textcnn is not installed.
TextCNNConfig.register_for_auto_class()
TextCNNModel.register_for_auto_class("AutoModel")
TextCNNForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")

TextCNNForTextEncoding.register_for_auto_class("AutoModel")
TextCNNForMaskedLM.register_for_auto_class("AutoModelForMaskedLM")

__all__ = [
    "Architecture",
    "TextCNNConfig",
    "TextCNNForMaskedLM",
    "TextCNNForSequenceClassification",
    "TextCNNForTextEncoding",
    "TextCNNModel",
    "TextCNNOutput",
    "TextEncoderOutput",
]
