"""The torch-free runtime: folded tables, a compiled tokenizer and the kernels between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .folded import FoldedTextCNN

__all__ = ["FoldedTextCNN"]


def __getattr__(name: str) -> Any:
    if name == "FoldedTextCNN":
        from .folded import FoldedTextCNN

        return FoldedTextCNN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
