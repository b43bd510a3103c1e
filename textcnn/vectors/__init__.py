"""Initial embeddings: the input embeddings of a checkpoint, a file of word vectors, or several of these side by side.

They are aligned to our tokenizer, centred, rotated to fewer dimensions where asked for (PCA) and
rescaled to the spread of a random start, so that one learning rate suits every source.
"""

from .initial import (
    INITIAL_STD,
    InitialVectors,
    base_model,
    load_vectors,
    principal_components,
    source_names,
    vectors_dim,
)

__all__ = [
    "INITIAL_STD",
    "InitialVectors",
    "base_model",
    "load_vectors",
    "principal_components",
    "source_names",
    "vectors_dim",
]
