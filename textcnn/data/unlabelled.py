"""Unlabelled text: read from files, Hub data sets and lists, cut into sentences, selected by domain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..runtime.text_batches import check_column
from .prediction import read_texts

# The end of a sentence: its mark, what closes after it, and space before something that can begin one.
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*(?:\s|<br\s*/?>)+(?=[\"'(\[]*[A-Z0-9\u00c0-\u024f])|\n+|<br\s*/?>")


def split_sentences(text: str, shortest: int = 3) -> list[str]:
    """Return the sentences of a document, without those of fewer than `shortest` words.

    Example:
        >>> split_sentences("A lovely film. Its end, though, is dull! No.")
        ['A lovely film.', 'Its end, though, is dull!']
    """
    return [s for part in _SENTENCE_END.split(text) if part and len((s := part.strip()).split()) >= shortest]


def sample_sentences(documents: Iterable[str], limit: int | None, seed: int = 0) -> list[str]:
    """Return distinct sentences of documents, `limit` of them drawn at random."""
    sentences = list(dict.fromkeys(s for document in documents for s in split_sentences(document)))
    if limit is None or limit >= len(sentences):
        return sentences
    chosen = np.random.default_rng(seed).choice(len(sentences), limit, replace=False)
    return [sentences[i] for i in np.sort(chosen)]


def nearest_sentences(sentences: Sequence[str], texts: Sequence[str], limit: int, seed: int = 0) -> list[str]:
    """Return the sentences most like `texts`.

    A linear classifier of the words separates `sentences` from `texts` (Moore & Lewis 2010,
    https://aclanthology.org/P10-2041/, with a classifier in place of two language models).

    Args:
        sentences: To choose from.
        texts: Texts that the sentences should be like.
        limit: Number of sentences to choose.
        seed: Of the sample that stands for all sentences.
    """
    if limit >= len(sentences):
        return list(sentences)
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    words = HashingVectorizer(n_features=1 << 18, alternate_sign=False)
    rng = np.random.default_rng(seed)
    others = rng.choice(len(sentences), min(len(sentences), len(texts)), replace=False)
    classifier = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=seed)
    classifier.fit(
        words.transform([*texts, *(sentences[i] for i in others)]), np.arange(len(texts) + len(others)) < len(texts)
    )
    parts = [
        classifier.decision_function(words.transform(sentences[start : start + 50_000]))
        for start in range(0, len(sentences), 50_000)
    ]
    chosen = np.argsort(-np.concatenate(parts), kind="stable")[:limit]
    return [sentences[i] for i in np.sort(chosen)]


def read_unlabelled(
    source: Any,
    split_documents: bool,
    limit: int | None,
    near: Sequence[str] | None = None,
    option: str = "texts",
    text_column: str | None = None,
) -> list[str]:
    """Return texts without labels from files, Hub data sets or lists, whole or as sentences, at most `limit`.

    Args:
        source: As `texts` of `distill`; None gives none.
        split_documents: True to cut texts into sentences.
        limit: Number of texts to draw; None takes all.
        near: Takes those most like these texts in place of random ones.
        option: Name of the setting whose value `source` is, for messages.
        text_column: Column of the texts; None finds it by its name.

    Raises:
        DataError: nothing is left, or `limit` is below 1.
    """
    if source is None:
        return []
    found: list[str] = []
    if not isinstance(source, str | Path):
        check_column(source, option, DataError)
    given = [source] if isinstance(source, str | Path) else list(source)
    for one in given:
        if isinstance(one, Path) or isinstance(source, str) or is_file(one):
            found += read_texts(str(one), text_column)
        else:
            found.append(str(one))
    if not found:
        raise DataError(f"{option}: got {named(source):.200} without a text; expected some; give others")
    if limit is not None and limit < 1:
        raise DataError(f"limit: got {limit}; expected at least 1; leave it out to take all")
    if split_documents:
        whole, found = len(found), sample_sentences(found, None if near is not None else limit)
        if not found:
            raise DataError(
                f"{option}: got {whole} texts and no sentence of three words in them; expected some; turn "
                "split_documents off to take the texts as they are"
            )
    if near is not None and limit is not None:
        return nearest_sentences(found, near, limit)
    if split_documents:
        return found
    if limit is None or limit >= len(found):
        return found
    return [found[i] for i in np.random.default_rng(0).choice(len(found), limit, replace=False)]


def named(source: Any) -> str:
    """Return the name of a source of texts, for messages and the model card."""
    return str(source if source is None or isinstance(source, str | Path) else [str(one) for one in source])


def is_file(name: Any) -> bool:
    """Return True for the name of a file; a text is none."""
    try:
        return isinstance(name, str) and Path(name).is_file()
    except OSError:  # a text, longer than a name can be
        return False
