"""Initial embeddings: the input embeddings of a checkpoint, or a file of word vectors.

Both are aligned to our tokenizer, centred, rotated to fewer dimensions where asked for (PCA) and
rescaled to the spread of a random start, so that one learning rate suits every source.
"""

from ..vectors.initial import (
    INITIAL_STD,
    InitialVectors,
    base_model,
    load_vectors,
    vectors_dim,
)

__all__ = ["INITIAL_STD", "InitialVectors", "base_model", "load_vectors", "vectors_dim"]
