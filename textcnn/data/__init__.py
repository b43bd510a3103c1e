"""Texts and labels, from where they are to batches of token ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .collator import TextCollator
    from .datamodule import TextDataModule
    from .errors import DataError

_HOME = {"DataError": "errors", "TextCollator": "collator", "TextDataModule": "datamodule"}
__all__ = ["DataError", "TextCollator", "TextDataModule"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is used (lightning alone takes seconds)."""
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
