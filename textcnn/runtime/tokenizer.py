"""Compiles a tokenizer.json to tables that give exactly the ids of the `tokenizers` library, an order faster.

What is compiled: BERT's pipeline, and others whose words end where the class of a character says so, with
WordPiece, WordLevel, BPE or Unigram inside the word. Anything else is left to `tokenizers`, which is also asked for
single texts that the tables do not cover (added tokens in the text, marks in an unusual order).

Shapes: `N` texts, `T` ids of all texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pipeline import NotCompiled, Pipeline, Workspace, read_pipeline

Encoded = tuple[NDArray[np.int32], NDArray[np.int64]]


class ReferenceTokenizer:
    """The `tokenizers` library itself.

    Args:
        text: Content of a tokenizer.json. Its padding is left out, since padding never changes an answer.
    """

    def __init__(self, text: str) -> None:
        import tokenizers

        try:
            self.reference = tokenizers.Tokenizer.from_str(text)
        except Exception as error:
            raise ValueError(f"tokenizer.json cannot be read: {error}; copy it again") from error
        self.reference.no_padding()
        self.vocab_size = 1 + max(self.reference.get_vocab(with_added_tokens=True).values(), default=-1)

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Ids [T] of all texts, and where each text's begin and end [N + 1].

        Raises:
            ValueError: a text holds half of a surrogate pair.
        """
        try:
            rows = [encoding.ids for encoding in self.reference.encode_batch_fast(list(texts))]
        except (TypeError, UnicodeEncodeError):
            for position, text in enumerate(texts):
                _encoded(text, position)
            raise
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=offsets[-1]), offsets


class CompiledTokenizer(ReferenceTokenizer):
    """The same ids from tables. Any number of threads may use one object.

    Raises:
        NotCompiled: the tables cannot give exactly these ids.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Imported here and not with the module: numba takes a while to import.
        from . import word_kernels

        self._kernels = word_kernels
        self._pipeline: Pipeline = read_pipeline(text, self.reference)
        # One for each call in progress: calls take one out and put it back.
        self._free_workspaces: list[Workspace] = []

    def encode_batch(self, texts: Sequence[str]) -> Encoded:
        """Ids [T] of all texts, and where each text's begin and end [N + 1].

        Raises:
            ValueError: a text holds half of a surrogate pair.
        """
        try:
            workspace = self._free_workspaces.pop()
        except IndexError:
            workspace = Workspace(self._pipeline)
        try:
            if workspace.rests(len(texts)):
                return super().encode_batch(texts)
            return self._encode(texts, workspace)
        finally:
            self._free_workspaces.append(workspace)

    def _encode(self, texts: Sequence[str], workspace: Workspace) -> Encoded:
        pipeline, kernels = self._pipeline, self._kernels
        count = len(texts)
        joined = texts[0] if count == 1 else "".join(texts)
        try:
            encoded = joined.encode()
        except UnicodeEncodeError:
            for position, text in enumerate(texts):
                _encoded(text, position)
            raise
        data = np.frombuffer(encoded, dtype=np.uint8)
        if count == 1:
            ends = np.array((len(encoded),), dtype=np.int64)
        else:
            lengths = np.fromiter(map(len, texts), dtype=np.int64, count=count)
            ends = lengths.cumsum() if len(encoded) == len(joined) else kernels.byte_ends(data, lengths)
        offsets = np.zeros(count + 1, dtype=np.int64)
        out = np.empty(len(encoded) + pipeline.added_ids * count + 8, dtype=np.int32)
        result = workspace.result
        text, asked_for = 0, -1
        while text < count:
            pipeline.run(data, ends, text, workspace, out, offsets, result)
            reason, text, code_point, first_missed = result.tolist()
            if first_missed < count:
                text = first_missed
                if workspace.learn(pipeline) and text != asked_for:
                    asked_for = text
                    continue
                # More words than can be kept at once.
                reason = kernels.NEEDS_REFERENCE
            if reason == kernels.NEEDS_BLOCK:
                pipeline.characters.load(code_point)
            elif reason == kernels.NEEDS_ROOM:
                out = np.concatenate([out, np.empty_like(out)])
            elif reason == kernels.NEEDS_REFERENCE:
                ids = self.reference.encode(texts[text]).ids
                begin = int(offsets[text])
                while begin + len(ids) > len(out):
                    out = np.concatenate([out, np.empty_like(out)])
                out[begin : begin + len(ids)] = ids
                offsets[text + 1] = begin + len(ids)
                text += 1
        return out[: offsets[-1]], offsets


def compile_tokenizer(text: str) -> ReferenceTokenizer:
    """The fastest tokenizer that gives exactly the ids of a tokenizer.json.

    Warns:
        RuntimeWarning: nothing faster than `tokenizers` does, and why.
    """
    try:
        return CompiledTokenizer(text)
    except NotCompiled as reason:
        warnings.warn(
            f"this tokenizer.json is not compiled ({reason}): answers are the same, tokenizing is slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return ReferenceTokenizer(text)


def _encoded(text: str, position: int) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"texts: got half of a surrogate pair in the text at position {position}, character {error.start}; "
            "expected Unicode text; clean it with text.encode('utf-8', 'replace').decode()"
        ) from None
