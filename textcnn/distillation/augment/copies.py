"""Changed copies of texts: spans, hidden words, mixes of two texts, words replaced by others."""

from __future__ import annotations

from collections.abc import Sequence

from ...settings import AugmentationSettings
from .neighbours import replace_by_neighbours
from .words import choose, text_generator


def augment(texts: Sequence[str], how: AugmentationSettings, mask_token: str = "[UNK]", seed: int = 0) -> list[str]:
    """Return new texts made from `texts`; none if `how` requests none.

    All new texts but mixes depend on one text only: the teacher's logits of them can be reused when some of the texts
    change.
    """
    words = [text.split() for text in texts]
    made = []
    for text, own in zip(texts, words, strict=True):
        if len(own) < 2:
            continue
        rng = text_generator(text, seed)
        for _ in range(how.spans):
            length = int(rng.integers(1, len(own)))
            start = int(rng.integers(0, len(own) - length + 1))
            made.append(" ".join(own[start : start + length]))
        for _ in range(how.masks):
            hidden = set(choose(len(own), how.mask_share, rng).tolist())
            made.append(" ".join(mask_token if place in hidden else word for place, word in enumerate(own)))
        for _ in range(how.mixes):
            other = words[int(rng.integers(len(words)))]
            made.append(" ".join(own[: len(own) // 2] + other[len(other) // 2 :]))
    if how.neighbours:
        if how.neighbour_vectors is None:
            raise ValueError(
                "neighbours: got no neighbour_vectors and no transformer as teacher; expected a checkpoint whose "
                "vectors say which words are alike; give neighbour_vectors"
            )
        made += replace_by_neighbours(texts, how.neighbour_vectors, how.neighbours, how.mask_share, seed)
    if how.replacements and how.masked_lm is not None:
        from .replacements import replace_words

        made += replace_words(texts, how.masked_lm, how.replacements, how.mask_share, seed)
    return made
