"""The matrix that an embedding starts from: aligned, centred, reduced, rescaled.

Shapes: `V` vocabulary, `S` dimensions of the source, `D` dimensions wanted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..tokenization import vocabulary_size
from .align import read_word_file
from .checkpoint import checkpoint_dim, read_checkpoint
from .shipped import AUTO, ENGLISH
from .word_file import open_word_file

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# one checkpoint or word-vector file, or several whose vectors stand side by side
VectorSources: TypeAlias = list[str] | str | os.PathLike[str]

# the standard deviation of Kim's random vectors, drawn from U(-0.25, 0.25)
INITIAL_STD = 0.25 / 3**0.5
# what only a file's name ends with, never a Hub id
FILE_SUFFIXES = (".txt", ".vec", ".bin", ".gz", ".zip", ".kv")


@dataclass(frozen=True)
class InitialVectors:
    """Initial embeddings for one tokenizer.

    matrix: float32 [V, D], its row of the pad token zero.
    coverage: the share of the vocabulary (without padding) that got a vector, the rest is random.
    description: one line to print.
    """

    matrix: NDArray[np.float32]
    coverage: float
    description: str


def source_names(sources: VectorSources | None) -> list[str]:
    """Return the sources as a list of names: none for None, one for a single source.

    "auto" beside other sources is the vectors that ship with the package; alone it stays, for the texts to decide.
    Raises ValueError for an empty list, and FileNotFoundError for a file or directory that is not there.

    >>> source_names("glove.6B.300d.txt")
    ['glove.6B.300d.txt']
    """
    if sources is None:
        return []
    if isinstance(sources, (str, os.PathLike)):
        sources = [os.fspath(sources)]
    if not sources:
        raise ValueError("vectors: got an empty list; expected a checkpoint or word-vector file; or leave it out")
    names = [os.fspath(source) for source in sources]
    if len(names) > 1:
        names = [str(ENGLISH) if name == AUTO else name for name in names]
    for name in names:
        _resolve(name)
    return names


# Vectors of words have components of about 1; the squares of much larger ones overflow in float32.
_LARGEST = 1e6


def vectors_dim(sources: VectorSources) -> int:
    """Return the dimension of the vectors of a checkpoint or word-vector file, or of several, from their first bytes.

    Raises FileNotFoundError, or ValueError if a source is neither.
    """
    return sum(_source_dim(*_resolve(name)) for name in source_names(sources))


def base_model(sources: VectorSources | None) -> str | None:
    """Return the Hub id of the checkpoint that vectors come from, of several the first; None if it is not known.

    It is the source itself, or what the model card of a directory names, as `textcnn vectors` writes it.

    >>> base_model("sentence-transformers/all-MiniLM-L6-v2")
    'sentence-transformers/all-MiniLM-L6-v2'
    """
    return next(filter(None, map(_hub_id, source_names(sources))), None)


def load_vectors(
    sources: VectorSources,
    tokenizer: PreTrainedTokenizerFast,
    embedding_dim: int | None = None,
    seed: int = 0,
    std: float = INITIAL_STD,
    widen: bool = False,
) -> InitialVectors:
    """Load initial embeddings from a checkpoint (directory or Hub id) or a word-vector file, or several side by side.

    Each source's rows are centred and scaled by one factor to the standard deviation `std`, which keeps their
    geometry; where one of several has no vector for a token, its part is zero, which is its mean. Together they are
    reduced to `embedding_dim` by PCA if that is less than they have, and scaled to `std` again. Tokens that no
    source has are drawn from the uniform distribution with that `std`; the pad row is zero. (Concatenation is the
    simplest of the ensembles of Yin and Schütze 2016, https://arxiv.org/abs/1508.04257.)

    With `widen`, dimensions beyond those of the sources are random too.

    Raises FileNotFoundError, or ValueError for a broken source, an `embedding_dim` larger than the
    sources' without `widen`, or one that covers no token at all.

    >>> load_vectors("glove.6B.300d.txt", tokenizer, embedding_dim=100).matrix.shape
    (30000, 100)
    """
    opened = [_resolve(name) for name in source_names(sources)]
    dims = [_source_dim(name, file) for name, file in opened]
    available = sum(dims)
    wanted = available if embedding_dim is None else embedding_dim
    surplus = max(0, wanted - available) if widen else 0
    wanted -= surplus
    if not 1 <= wanted <= available:
        raise ValueError(
            f"got embedding_dim={wanted} for the vectors {' and '.join(repr(name) for name, _ in opened)}; expected 1 "
            f"to {available}, the dimensions that they have; lower it or leave it out"
        )
    rows = vocabulary_size(tokenizer)
    pad = tokenizer.pad_token_id
    real = np.ones(rows, bool)
    if pad is not None:
        real[pad] = False
    vectors = np.zeros((rows, available), np.float32)
    covered = np.zeros(rows, bool)
    lines, begin = [], 0
    for (name, file), dim in zip(opened, dims, strict=True):
        read = read_word_file if file else read_checkpoint
        found, has, note = read(str(file or name), tokenizer, rows)
        has &= real
        if not has.any():
            raise ValueError(
                f"got vectors {name!r}, which cover none of the {real.sum():,} tokens; expected vectors "
                "of the words of the texts; check their language, or use another tokenizer"
            )
        _check_numbers(found, has, tokenizer, name)
        vectors[has, begin : begin + dim] = _scaled(found[has] - found[has].mean(axis=0), std)
        covered |= has
        begin += dim
        lines.append(
            f"{name}: {has.sum():,} of {real.sum():,} tokens have a vector ({has.sum() / real.sum():.1%}; {note}), "
            f"{dim} dimensions"
        )
    known = vectors[covered]
    if wanted < available:
        known, kept = principal_components(known, wanted)
        known = _scaled(known, std)
        lines[-1] += f", reduced to {wanted} by PCA ({kept:.1%} of the variance)"
    # drawn for all rows, so that a row's start does not depend on which others are covered
    limit = std * 3**0.5
    matrix = np.random.default_rng(seed).uniform(-limit, limit, (rows, wanted + surplus)).astype(np.float32)
    matrix[covered, :wanted] = known
    if pad is not None:
        matrix[pad] = 0
    return InitialVectors(matrix, float(covered.sum() / real.sum()), "; ".join(lines))


def _check_numbers(
    vectors: NDArray[np.float32], has: NDArray[np.bool_], tokenizer: PreTrainedTokenizerFast, name: str
) -> None:
    """Raise ValueError at a vector of which sums and squares could overflow, or that is not finite."""
    largest = np.abs(vectors).max(axis=1, initial=0)
    wrong = np.flatnonzero(has & ~(largest <= _LARGEST))  # NaN, too
    if len(wrong):
        row = int(wrong[0])
        token = tokenizer.convert_ids_to_tokens(row)
        raise ValueError(
            f"vectors {name!r}: got a value of {largest[row]:.4g} for the token {token!r}"
            + (f" and {len(wrong) - 1:,} more tokens" if len(wrong) > 1 else "")
            + f"; expected finite numbers of at most {_LARGEST:g}; correct or remove these vectors"
        )


def _scaled(vectors: NDArray[np.float32], std: float) -> NDArray[np.float32]:
    """Centred vectors with the standard deviation `std`."""
    spread = float(vectors.std())
    return vectors * np.float32(std / spread) if spread > 0 else vectors


def principal_components(vectors: NDArray[np.float32], dim: int) -> tuple[NDArray[np.float32], float]:
    """Project centred vectors [N, S] on their `dim` widest axes: [N, D], and the share of variance kept.

    Each axis points to where its largest weight is positive: a sign is otherwise arbitrary.
    """
    covariance = np.zeros((vectors.shape[1],) * 2)
    for start in range(0, len(vectors), 1 << 14):
        chunk = vectors[start : start + (1 << 14)].astype(np.float64)
        covariance += chunk.T @ chunk
    variances, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :dim]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dim)])
    kept = variances[::-1][:dim].sum() / max(variances.sum(), np.finfo(float).tiny)
    return vectors @ axes.astype(np.float32), float(kept)


def _source_dim(name: str, file: Path | None) -> int:
    return open_word_file(file).dim if file else checkpoint_dim(name)


def _hub_id(source: str) -> str | None:
    name, file = _resolve(source)
    if file:
        return None
    card = Path(name).expanduser() / "README.md"
    if not card.parent.is_dir():
        return name
    if not card.is_file():
        return None
    from huggingface_hub import ModelCard

    named = ModelCard.load(card, ignore_metadata_errors=True).data.to_dict().get("base_model")
    return named if isinstance(named, str) else None


def _resolve(name: str) -> tuple[str, Path | None]:
    """The source's name, and its path if it is a word-vector file."""
    path = Path(name).expanduser()
    if path.is_file():
        return name, path
    looks_local = name.startswith((".", "/", "~")) or path.is_absolute() or name.count("/") > 1
    if not path.is_dir() and (not name or looks_local or name.endswith(FILE_SUFFIXES)):
        raise FileNotFoundError(
            f"got vectors {name!r}; expected a word-vector file or a checkpoint; no such file or "
            "directory: check the spelling"
        )
    return name, None
