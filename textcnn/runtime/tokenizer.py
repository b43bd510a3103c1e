"""Compiles a tokenizer.json to tables that give exactly the ids of the `tokenizers` library, an order faster.

What is compiled: BERT's pipeline, and others whose words end where the class of a character says so, with
WordPiece, WordLevel, BPE or Unigram inside the word. Anything else is left to `tokenizers`, which is also asked for
single texts that the tables do not cover (added tokens in the text, marks in an unusual order).

Shapes: `N` texts, `T` ids of all texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import chain

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
                _check_surrogates(text, position)
            raise
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=offsets[-1]), offsets

    def encode_pieces(self, text: str, size: int) -> Iterator[NDArray[np.int32]]:
        """Ids of one text, a piece of about `size` characters at a time where that gives the same ids."""
        yield self.encode_batch([text])[0]


class CompiledTokenizer(ReferenceTokenizer):
    """The same ids from tables. Any number of threads may use one object.

    Raises:
        NotCompiled: the tables cannot give exactly these ids.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        # Imported here and not with the module: numba takes a while to import.
        from . import word_lookup

        self._kernels = word_lookup
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

    def encode_pieces(self, text: str, size: int) -> Iterator[NDArray[np.int32]]:
        """Ids of one text, a piece of about `size` characters at a time where that gives the same ids."""
        pipeline = self._pipeline
        begin = 0
        first, last = len(pipeline.prefix), len(pipeline.suffix)
        yield pipeline.prefix
        while begin < len(text):
            end = pipeline.place_to_cut(text, begin + size)
            ids, _ = self.encode_batch([text[begin:end]])
            # With truncation the only piece is the whole text, so that what is cut off stands at its end.
            yield ids[first : len(ids) - last]
            begin = end
        yield pipeline.suffix

    def _encode(self, texts: Sequence[str], workspace: Workspace) -> Encoded:
        pipeline, kernels = self._pipeline, self._kernels
        count = len(texts)
        joined = texts[0] if count == 1 else "".join(texts)
        try:
            encoded = joined.encode()
        except UnicodeEncodeError:
            for position, text in enumerate(texts):
                _check_surrogates(text, position)
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
        at, asked_for = 0, -1
        while at < count:
            pipeline.run(data, ends, at, workspace, out, offsets, result)
            reason, at, code_point, first_missed = result.tolist()
            if first_missed < count:
                at = first_missed
                if workspace.learn(pipeline) and at != asked_for:
                    asked_for = at
                    continue
                # More words than can be kept at once.
                reason = kernels.NEEDS_REFERENCE
            if reason == kernels.NEEDS_BLOCK:
                pipeline.characters.load(code_point)
            elif reason == kernels.NEEDS_ROOM:
                out = np.concatenate([out, np.empty_like(out)])
            elif reason == kernels.NEEDS_REFERENCE:
                ids = self.reference.encode(texts[at]).ids
                begin = int(offsets[at])
                while begin + len(ids) > len(out):
                    out = np.concatenate([out, np.empty_like(out)])
                out[begin : begin + len(ids)] = ids
                offsets[at + 1] = begin + len(ids)
                at += 1
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


def _check_surrogates(text: str, position: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"texts: got half of a surrogate pair in the text at position {position}, character {error.start}; "
            "expected Unicode text; clean it with text.encode('utf-8', 'replace').decode()"
        ) from None
