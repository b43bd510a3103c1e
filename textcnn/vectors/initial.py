"""The matrix that an embedding starts from: aligned, centred, reduced, rescaled.

Shapes: `V` vocabulary, `S` dimensions of the source, `D` dimensions wanted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..tokenization import vocabulary_size
from ..vectors.align import read_word_file
from ..vectors.checkpoint import checkpoint_dim, read_checkpoint
from ..vectors.word_file import open_word_file

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

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


def vectors_dim(source: str | os.PathLike[str]) -> int:
    """The dimension of the vectors of a checkpoint or word-vector file, from its first bytes.

    Raises FileNotFoundError, or ValueError if the source is neither.
    """
    name, file = _resolve(source)
    return open_word_file(file).dim if file else checkpoint_dim(name)


def base_model(source: str | os.PathLike[str] | None) -> str | None:
    """The Hub id of the checkpoint that vectors come from; None where it is not known.

    It is the source itself, or what the model card of a directory names, as `textcnn vectors` writes it.

    >>> base_model("sentence-transformers/all-MiniLM-L6-v2")
    'sentence-transformers/all-MiniLM-L6-v2'
    """
    if source is None:
        return None
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


def load_vectors(
    source: str | os.PathLike[str],
    tokenizer: PreTrainedTokenizerFast,
    embedding_dim: int | None = None,
    seed: int = 0,
    std: float = INITIAL_STD,
) -> InitialVectors:
    """Initial embeddings from a checkpoint (directory or Hub id) or a word-vector file.

    Rows with a vector are centred, reduced to `embedding_dim` by PCA if that is less than the
    source has, and scaled by one factor to the standard deviation `std`, which keeps the geometry.
    The other rows are drawn from the uniform distribution with that `std`; the pad row is zero.

    Raises FileNotFoundError, or ValueError for a broken source, an `embedding_dim` larger than its
    own, or one that covers no token at all.

    >>> load_vectors("glove.6B.300d.txt", tokenizer, embedding_dim=100).matrix.shape
    (30000, 100)
    """
    name, file = _resolve(source)
    available = open_word_file(file).dim if file else checkpoint_dim(name)
    wanted = available if embedding_dim is None else embedding_dim
    if not 1 <= wanted <= available:
        raise ValueError(
            f"got embedding_dim={wanted} for the vectors {name!r}; expected 1 to {available}, the "
            "dimensions that they have; lower it or leave it out"
        )
    rows = vocabulary_size(tokenizer)
    read = read_word_file if file else read_checkpoint
    vectors, covered, note = read(str(file or name), tokenizer, rows)
    pad = tokenizer.pad_token_id
    real = np.ones(rows, bool)
    if pad is not None:
        real[pad] = covered[pad] = False
    if not covered.any():
        raise ValueError(
            f"got vectors {name!r}, which cover none of the {real.sum():,} tokens; expected vectors "
            "of the words of the texts; check their language, or use another tokenizer"
        )
    known = vectors[covered]
    known -= known.mean(axis=0)
    kept = 1.0
    if wanted < available:
        known, kept = principal_components(known, wanted)
    if (spread := float(known.std())) > 0:
        known *= std / spread
    # drawn for all rows, so that a row's start does not depend on which others are covered
    limit = std * 3**0.5
    matrix = np.random.default_rng(seed).uniform(-limit, limit, (rows, wanted)).astype(np.float32)
    matrix[covered] = known
    if pad is not None:
        matrix[pad] = 0
    coverage = float(covered.sum() / real.sum())
    description = (
        f"{name}: {covered.sum():,} of {real.sum():,} tokens have a vector ({coverage:.1%}; {note}), "
        f"{available} dimensions"
    )
    if wanted < available:
        description += f", reduced to {wanted} by PCA ({kept:.1%} of the variance)"
    return InitialVectors(matrix, coverage, description)


def principal_components(vectors: NDArray[np.float32], dim: int) -> tuple[NDArray[np.float32], float]:
    """Centred vectors [N, S] on their `dim` widest axes [N, D], and the share of variance kept.

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


def _resolve(source: str | os.PathLike[str]) -> tuple[str, Path | None]:
    """The source's name, and its path if it is a word-vector file."""
    name = os.fspath(source)
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
