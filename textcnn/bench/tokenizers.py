"""Speed of tokenizing beside other tokenizers, on the same texts and with the same ids."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .figures import Figures
from .peers import import_peer

Encode = Callable[[], Any]


def measure_tokenizers(figures: Figures, texts: list[str], wanted: Sequence[str]) -> None:
    """Measure word pieces against tokie, and byte-level BPE against gigatoken, each on one thread.

    Both tokenizers are trained on the texts.

    Raises:
        RuntimeError: the other one gives other ids.
    """
    makers = {
        "tokie": ("wordpiece_vs_tokie", "wordpiece", _tokie),
        "gigatoken": ("bpe_vs_gigatoken", "bpe", _gigatoken),
    }
    for name in [name for name in wanted if name in makers]:
        key, kind, make = makers[name]
        ours, tokenizer = _compiled(texts, kind)
        theirs, ids = make(tokenizer, texts)
        if not np.array_equal(ours.encode_batch(texts)[0], ids):
            raise RuntimeError(f"{name} gives other ids than `tokenizers` on these texts; expected the same")
        figures.ratio(
            key, f"texts to ids, {kind}, against {name}, one thread",
            lambda ours=ours: ours.encode_batch(texts), theirs, len(texts),
        )  # fmt: skip


def _compiled(texts: list[str], kind: str) -> tuple[Any, str]:
    from ..runtime.tokenizer import compile_tokenizer
    from ..tokenization import train_tokenizer

    # gigatoken reads no normalizer, so that its peer keeps the case.
    tokenizer = train_tokenizer(texts, kind, vocab_size=30_000, lowercase=kind == "wordpiece")
    text = tokenizer.backend_tokenizer.to_str()
    return compile_tokenizer(text), text


def _tokie(tokenizer: str, texts: list[str]) -> tuple[Encode, np.ndarray]:
    os.environ["RAYON_NUM_THREADS"] = "1"  # it has no setting for it, and reads this when it first encodes a batch
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(tokenizer, encoding="utf-8")
        peer = import_peer("tokie").Tokenizer.from_json(str(path))

    def encode() -> Any:
        return peer.encode_batch_flat(texts, add_special_tokens=False)

    return encode, encode()[0]


def _gigatoken(tokenizer: str, texts: list[str]) -> tuple[Encode, np.ndarray]:
    peer = import_peer("gigatoken").Tokenizer.from_json(tokenizer)

    def encode() -> Any:
        return peer.encode_batch(texts, parallel=False)

    return encode, np.concatenate([np.asarray(ids) for ids in encode()])
