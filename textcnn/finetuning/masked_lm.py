"""A masked language model: opened from a checkpoint, it predicts masked tokens.

Shapes: `B` texts, `T` tokens, `H` hidden tokens of them all, `V` vocabulary.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..encoders.checkpoints import check_place, unreadable
from ..tokenization import load_tokenizer
from .base import training_settings

_EXPECTED = "a transformer that can guess hidden words, such as sentence-transformers/all-MiniLM-L6-v2"


def open_masked_lm(checkpoint: str, option: str, to_train: bool = False) -> tuple[Any, Any]:
    """Open the model and the tokenizer of a checkpoint.

    Args:
        checkpoint: Directory or Hub id.
        option: Option that gave the checkpoint, for messages.
        to_train: True to prepare it for training: its head may be new then, and its attention is set to train fast.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: it has no head for masked words and needs one, or can have none.
    """
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from ..artifact import quiet_transformers

    check_place(option, checkpoint, _EXPECTED)
    try:
        settings = training_settings(checkpoint) if to_train else {}
        with quiet_transformers():
            model, report = AutoModelForMaskedLM.from_pretrained(checkpoint, output_loading_info=True, **settings)
        load_tokenizer(checkpoint)  # says what is wrong with one that is missing, broken or not fast
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    except Exception as error:  # another kind of model, or whatever a broken file provokes in transformers
        raise unreadable(option, checkpoint, _EXPECTED, error) from error
    if not to_train and report["missing_keys"]:
        raise ValueError(
            f"{option}: {checkpoint} has no trained head for masked words; expected a masked language model, such as "
            "google-bert/bert-base-uncased, or what `textcnn adapt` makes of this one"
        )
    for name in ("mask", "pad"):
        if getattr(tokenizer, f"{name}_token_id") is None:
            raise ValueError(f"{option}: got {checkpoint}, whose tokenizer has no {name} token; expected {_EXPECTED}")
    return model, tokenizer


def hidden_logits(model: Any, inputs: dict[str, Tensor], places: Tensor) -> Tensor:
    """Return the model's logits at masked positions: [H, V], of places [H] in the flattened [B, T].

    Only they go through the head, which costs a small model as much as all its layers do.
    """

    def keep_hidden(_module: Any, _args: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state.flatten(0, 1)[places][None]
        return output

    handle = model.base_model.register_forward_hook(keep_hidden)
    try:
        logits: Tensor = model(**inputs).logits[0]
    finally:
        handle.remove()
    return logits
