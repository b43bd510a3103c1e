"""The functions of fastText's Python module over textcnn: `import textcnn.fasttext as fasttext`.

Models are fastText's own files or artifacts; fastText is not needed.

Example:
    >>> import textcnn.fasttext as fasttext
    >>> model = fasttext.load_model("filter.bin")
    >>> model.predict("free entry, call now", k=2)
    (('__label__spam', '__label__ham'), array([0.98123, 0.01879]))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import FastText, load_model
    from .tokens import tokenize
    from .training import train_supervised

EOS, BOW, EOW = "</s>", "<", ">"

# Module of each name. It is imported when the name is first used.
_HOMES = {"FastText": "model", "load_model": "model", "tokenize": "tokens", "train_supervised": "training"}

__all__ = ["BOW", "EOS", "EOW", "FastText", "load_model", "tokenize", "train_supervised"]


def __getattr__(name: str) -> Any:
    if name == "train_unsupervised":
        raise AttributeError(
            "textcnn.fasttext: got train_unsupervised; expected a classifier, as textcnn trains no word vectors alone; "
            "use train_supervised, or fastText itself for vectors"
        )
    if name not in _HOMES:
        raise AttributeError(f"module 'textcnn.fasttext' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
