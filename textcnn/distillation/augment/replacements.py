"""New texts from old ones: some words replaced by the predictions of a masked language model.

Shapes: `B` texts, `T` tokens, `H` hidden words, `V` vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...tokenization import replace_surrogates
from .words import choose, replace_spans, text_generator, with_words, word_spans, word_tokens

_BATCH = {"cpu": 64, "cuda": 128}
_CANDIDATES = 10  # the most probable words, among which one is drawn


def replace_words(
    texts: Sequence[str], checkpoint: str, copies: int = 1, share: float = 0.15, seed: int = 0, max_length: int = 128
) -> list[str]:
    """Return copies of texts with a share of the words replaced by samples from a masked language model.

    The words are masked, and the new ones drawn with the probabilities that the model gives them there (TinyBERT's
    augmentation, Jiao 2020, https://aclanthology.org/2020.findings-emnlp.372/).

    A new word has the capitals of the one that it replaces; all else of a text stays as it is written.

    Args:
        texts: The texts. One without a word gives no copy.
        checkpoint: Directory or Hub id of a masked language model. The words that are one of its tokens are drawn.
        copies: Copies of each text.
        share: Share of the words that are hidden, at least one a copy.
        seed: Of what is hidden and drawn.
        max_length: Tokens of a text that are read at most; words behind them stay.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the checkpoint has no head for masked words, or no token that is a word.

    Example:
        >>> replace_words(["a lovely film"], "google-bert/bert-base-uncased")
        ['a lovely story']
    """
    import torch

    from ...encoders.checkpoints import readable_length
    from ...finetuning.masked_lm import hidden_logits, open_masked_lm

    model, tokenizer = open_masked_lm(checkpoint, "masked_lm")
    tokenizer.truncation_side = "right"  # the words that are read are the first ones
    known = model.get_output_embeddings().weight.shape[0]
    words = [(token_id, word) for token_id, word in word_tokens(tokenizer) if token_id < known]
    if not words:
        raise ValueError(
            f"masked_lm: got {checkpoint}, none of whose tokens is a word; expected a model of texts with spaces "
            "between their words; take another, or neighbours"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.eval().to(device)
    max_length = readable_length(max_length, tokenizer, model.config)
    places_of: dict[str, list[int]] = {}
    for place, (_, word) in enumerate(words):
        places_of.setdefault(word, []).append(place)
    token_ids = torch.tensor([token_id for token_id, _ in words], device=device)
    cleaned = [replace_surrogates(text) for text in texts]
    # A mask of the text's own would be taken for one of ours.
    made = [text for text in cleaned if tokenizer.mask_token not in text and word_spans(text) for _ in range(copies)]
    # Texts of like length together: a batch costs what its longest text costs.
    order = sorted(range(len(made)), key=lambda i: len(made[i]))
    for start in range(0, len(order), _BATCH[device]):
        rows = order[start : start + _BATCH[device]]
        planned = [_plan(made[row], row % copies, share, seed) for row in rows]
        batch = tokenizer(
            [copy.masked(tokenizer.mask_token) for copy in planned],
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        ).to(device)
        hidden = batch["input_ids"] == tokenizer.mask_token_id
        read = hidden.sum(dim=1).tolist()
        old = [word for copy, count in zip(planned, read, strict=True) for word in copy.hidden_words()[:count]]
        # The word that was there is no other one.
        same = [(place, other) for place, word in enumerate(old) for other in places_of.get(word.lower(), [])]
        with torch.inference_mode():
            logits = hidden_logits(model, dict(batch), hidden.flatten().nonzero()[:, 0])[:, token_ids].float()
            logits[tuple(np.array(same, np.int64).reshape(-1, 2).T)] = -torch.inf
        best = logits.topk(min(_CANDIDATES, logits.shape[-1]), dim=-1)
        shares = best.values.softmax(dim=-1).cumsum(dim=-1).cpu().numpy()
        candidates = best.indices.cpu().numpy()
        place = 0
        for row, copy, count in zip(rows, planned, read, strict=True):
            mine = slice(place, place + count)
            place += count
            chosen = (copy.draws[:count, None] > shares[mine]).sum(axis=1).clip(max=shares.shape[1] - 1)
            made[row] = copy.filled([words[int(one[k])][1] for one, k in zip(candidates[mine], chosen, strict=True)])
    return made


class _Copy(NamedTuple):
    """A text, where its hidden words stand, and the random numbers [H] that will choose others for them."""

    text: str
    spans: list[tuple[int, int]]
    draws: np.ndarray

    def hidden_words(self) -> list[str]:
        return [self.text[start:end] for start, end in self.spans]

    def masked(self, mask_token: str) -> str:
        return replace_spans(self.text, self.spans, [mask_token] * len(self.spans))

    def filled(self, words: Sequence[str]) -> str:
        """Return the text with its first hidden words replaced by `words`; those beyond the length read stay."""
        return with_words(self.text, self.spans[: len(words)], words)


def _plan(text: str, number: int, share: float, seed: int) -> _Copy:
    """Choose the words to hide in one of the copies of a text."""
    places = word_spans(text)
    rng = text_generator(text, seed, number)
    spans = [places[place] for place in choose(len(places), share, rng).tolist()]
    return _Copy(text, spans, rng.random(len(spans)))
