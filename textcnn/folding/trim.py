"""Tables without the tokens that do not occur in texts.

Shapes: `V` vocabulary.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..progress import batches_with_progress


def trim_tokens(
    tensors: dict[str, NDArray[Any]], config: dict[str, Any], tokenizer_json: str, texts: list[str]
) -> tuple[NDArray[np.int64], str]:
    """Drop the rows of tokens that do not occur in the texts; return those kept, and the savings and the cost."""
    from ..runtime.tokenizer import compile_tokenizer

    tokenizer = compile_tokenizer(tokenizer_json)
    vocab_size = int(config["vocab_size"])
    counts = np.zeros(vocab_size, dtype=np.int64)
    for some in batches_with_progress(texts, description="counting tokens"):
        ids, _ = tokenizer.encode_batch(some)
        counts += np.bincount(ids, minlength=vocab_size)
    unknown = json.loads(tokenizer_json)["model"].get("unk_token")
    unknown_id = None if unknown is None else tokenizer.reference.token_to_id(unknown)
    pad_id = int(config["pad_token_id"])
    keep = counts > 0
    if unknown_id is not None:
        keep[unknown_id] = True
    keep[pad_id] = False
    kept = np.flatnonzero(keep)
    table = tensors["table"]
    # Without an unknown token, a token that was trimmed adds nothing but is still a token: a zero row of its own.
    blank = [] if unknown_id is not None else [vocab_size]
    # Frequent rows side by side share pages of memory.
    kept = kept[np.argsort(-counts[kept], kind="stable")]
    row_of_id = np.full(vocab_size, len(kept), dtype=np.int32)
    row_of_id[kept] = np.arange(len(kept), dtype=np.int32)
    if unknown_id is not None and unknown_id != pad_id:
        row_of_id[~keep] = row_of_id[unknown_id]
    row_of_id[pad_id] = -1
    rows = np.concatenate([kept, blank, [vocab_size]]).astype(np.int64)
    tensors["table"] = table[rows]
    tensors["row_of_id"] = row_of_id
    cost = {
        "texts": len(texts),
        "tokens_kept": len(kept),
        "tokens_before": vocab_size,
        # Good 1953: tokens seen once, over all tokens, estimates the share of tokens not seen so far.
        "expected_unseen_share": float((counts == 1).sum() / max(1, counts.sum())),
    }
    return rows, json.dumps(cost)
