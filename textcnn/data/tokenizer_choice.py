"""The tokenizer and the initial vectors of a data module."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings import TokenizerSettings
from ..vectors.shipped import AUTO, ENGLISH, LEAST_KNOWN, known_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from ..settings import DataSettings
    from ..vectors import InitialVectors

# Largest vocabulary of a tokenizer that is trained, and of word pieces and characters where the shipped vectors know
# too few words. On held-out rows of two sets in many languages (docs/lab-log.md), 8,000 pieces were better than 30,000
# by 1.1 points.
_MOST_TOKENS, _MOST_PIECES = 30_000, 8000
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model")


class TokenizerChoice:
    """Base of TextDataModule: the tokenizer, given or trained, and the vectors for its tokens."""

    tokenizer_source: Any
    vocab_size_given: int | None
    options: DataSettings
    # Kind to train where none is given and the initial vectors bring none.
    default_kind = "wordpiece"
    _vectors: dict[int | None, InitialVectors]

    @cached_property
    def vectors(self) -> Any:
        """Sources of the initial vectors; None for random ones. With `vectors="auto"`, the texts decide."""
        if self.options.vectors != AUTO:
            return self.options.vectors
        return str(ENGLISH) if self._reason_against_shipped() is None else None

    def _reason_against_shipped(self) -> str | None:
        """Return why the shipped vectors do not fit, or None where they do."""
        kind = self.tokenizer_source
        if kind not in (None, "wordpiece", "word"):
            return f"those that ship are for words and word pieces, not for the tokenizer {self._tokenizer_name()}"
        share = self._known_share
        if share < LEAST_KNOWN:
            return f"{share:.0%} of the words are among those that ship; {LEAST_KNOWN:.0%} would do"
        return None

    @property
    def suits_characters(self) -> bool:
        """True where the shipped vectors know too few words of the texts, and no tokens or vectors are asked for."""
        given = (self.tokenizer_source, self.vocab_size_given) != (None, None) or self.options.vectors != AUTO
        return not given and self._known_share < LEAST_KNOWN

    @property
    def has_characters(self) -> bool:
        """True where the tokenizer is trained and its tokens are characters."""
        return bool(self._source_of_tokenizer() == "char")

    @cached_property
    def _known_share(self) -> float:
        return known_words(self.tokenizer_texts())

    @property
    def vocab_size_limit(self) -> int:
        """Largest vocabulary of a tokenizer that is trained."""
        if self.vocab_size_given is not None:
            return self.vocab_size_given
        pieces = self.options.vectors == AUTO and self.tokenizer_source in (None, "wordpiece")
        return _MOST_PIECES if pieces and self._known_share < LEAST_KNOWN else _MOST_TOKENS

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer, loaded, or trained on the train texts."""
        from ..tokenization import KINDS, load_tokenizer, prepare_tokenizer

        source = self._source_of_tokenizer()
        if not isinstance(source, (str, os.PathLike)):
            return prepare_tokenizer(source)
        if source not in KINDS:
            from ..runtime.digests import verify_ours

            if os.fspath(source):
                verify_ours(Path(source).expanduser(), ("tokenizer.json", "tokenizer_config.json"))
            return load_tokenizer(source)
        return self.new_tokenizer(self.tokenizer_texts(), str(source))

    def new_tokenizer(self, texts: Iterable[str], kind: str) -> PreTrainedTokenizerFast:
        """Return a tokenizer of a kind, trained on texts with the options of this data."""
        from ..tokenization import train_tokenizer

        return train_tokenizer(texts, kind, self.vocab_size_limit, self.options.lowercase, self.options.min_frequency)

    def tokenizer_texts(self) -> Iterable[str]:
        """Return the texts that a tokenizer is trained on."""
        raise NotImplementedError

    @property
    def vocab_size(self) -> int:
        """Number of rows of an embedding for this tokenizer's ids."""
        from ..tokenization import vocabulary_size

        return vocabulary_size(self.tokenizer)

    @property
    def pad_token_id(self) -> int:
        """Id of the padding token."""
        return int(self.tokenizer.pad_token_id)

    @cached_property
    def embedding_dim(self) -> int | None:
        """Dimension of `vectors`, or None without them."""
        if self.vectors is None:
            return None
        from ..vectors import vectors_dim

        return vectors_dim(self.vectors)

    def initial_vectors(self, embedding_dim: int | None = None) -> InitialVectors | None:
        """Return the rows of `vectors` for this tokenizer, or None without `vectors`."""
        if self.vectors is None:
            return None
        if embedding_dim not in self._vectors:
            from ..vectors import load_vectors

            self._vectors[embedding_dim] = load_vectors(
                self.vectors, self.tokenizer, embedding_dim, seed=self.options.seed, widen=self.options.vectors == AUTO
            )
        return self._vectors[embedding_dim]

    def tokenizer_report(self) -> list[str]:
        """Return lines about tokenizer and vectors."""
        lines = [f"tokenizer: {self._tokenizer_name()}, {self.vocab_size:,} ids"]
        if self.vectors is not None:
            vectors = next(iter(self._vectors.values()), None) or self.initial_vectors()
            assert vectors is not None
            lines.append(f"vectors: {vectors.description}")
        elif self.options.vectors == AUTO:
            lines.append(f"vectors: random ({self._reason_against_shipped()})")
        return lines

    def _source_of_tokenizer(self) -> str | Any:
        """Return the given tokenizer, else the first of the vectors that has one, else the kind to train."""
        if self.tokenizer_source is not None:
            return self.tokenizer_source
        if self.options.vectors == AUTO and any(
            getattr(self.options, name) != getattr(TokenizerSettings, name)
            for name in ("vocab_size", "lowercase", "min_frequency")
        ):
            return self.default_kind  # one is trained as these settings say, and its tokens are looked up
        from ..vectors import source_names

        return next(filter(_has_tokenizer, source_names(self.vectors)), self.default_kind)

    def _tokenizer_name(self) -> str:
        source = self._source_of_tokenizer()
        return str(source) if isinstance(source, (str, os.PathLike)) else type(source).__name__


def _has_tokenizer(vectors: str) -> bool:
    """Return True if vectors are a checkpoint with a tokenizer: a folder that holds one, or a Hub id."""
    folder = Path(vectors).expanduser()
    if folder.is_dir():
        return any((folder / name).exists() for name in TOKENIZER_FILES)
    return not folder.exists()
