"""A converted fastText model in the form that a page contains, with its dictionary as lines of text.

An artifact has numbers that no answer needs, and 8 bytes for the end of each word. Here a word ends with a line break,
and the buckets that have a row are steps from each to the next, of which gzip makes a byte or less.

Shapes: `N` texts, `K` columns of the scores.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.library import address, check, last_error, library
from ..runtime.fasttext import FoldedFastText
from ..runtime.storage import write_tensors
from ..runtime.tokenizer import Utf8Texts

FORMAT = "textcnn-fasttext-lines-1"


def write_lines(path: Path, model: FoldedFastText) -> None:
    """Write the tables of a model as the core's `FastTextModel` reads them.

    Raises:
        ValueError: A word holds a line break, which no text of fastText can.
    """
    words = [model.words[row] for row in range(len(model.words))]
    if broken := next((word for word in words if b"\n" in word), None):
        raise ValueError(f"word: got {broken[:80]!a}, with a line break; expected none; convert the model again")
    needed = ("table", "scale", "output", "tree")
    tensors = {name: tensor for name, tensor in model.tensors.items() if name in needed}
    tensors["words"] = np.frombuffer(b"".join(word + b"\n" for word in words), dtype=np.int8)
    if "buckets" in model.tensors:
        tensors["bucket_gaps"] = np.diff(model.tensors["buckets"], prepend=np.int32(0)).astype(np.int32)
    write_tensors(path, tensors, {"format": FORMAT, "config": json.dumps(model.settings)})


def scores_of_lines(config: bytes, tables: bytes, model: FoldedFastText, texts: list[str]) -> NDArray[np.float32]:
    """Return the scores [N, K] of texts by the core's `FastTextModel` of these files, as `model.scores` has them.

    Raises:
        ValueError: The core cannot read a file.
    """
    core = library()
    handle = core.textcnn_fasttext_open_memory(config, len(config), tables, len(tables))
    if not handle:
        raise last_error()
    try:
        encoded = Utf8Texts.of(texts)
        scores = np.empty((len(texts), model.bag.classes), dtype=np.float32)
        words, bag = core.textcnn_fasttext_words(handle), core.textcnn_fasttext_bag(handle)
        check(
            core.textcnn_words_logits(
                words, bag, encoded.address, address(encoded.ends), len(texts), 1, address(scores), None
            )
        )
    finally:
        core.textcnn_fasttext_close(handle)
    return scores
