"""New texts from old ones: some words replaced by what a masked language model would put there.

Shapes: `B` texts, `T` tokens, `V` vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

_BATCH = 64
_CANDIDATES = 10  # the most probable tokens, among which one is drawn


def replace_words(
    texts: Sequence[str], checkpoint: str, copies: int = 1, share: float = 0.15, seed: int = 0, max_length: int = 128
) -> list[str]:
    """Copies of texts in which a share of the tokens is drawn anew by a masked language model.

    Args:
        texts: The texts; empty ones are left out.
        checkpoint: Directory or Hub id of a masked language model.
        copies: Copies of each text.
        share: Share of the tokens that are hidden from the model, at least one a text.
        seed: Of what is hidden and drawn.
        max_length: Tokens of a text that are read; the rest is cut off.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the checkpoint has no head for masked words.

    Example:
        >>> replace_words(["a lovely film"], "google-bert/bert-base-uncased")
        ['a lovely story']
    """
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from ..artifact import quiet_transformers

    try:
        with quiet_transformers():
            model, report = AutoModelForMaskedLM.from_pretrained(checkpoint, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    except OSError as error:
        raise FileNotFoundError(f"masked_lm: got {checkpoint!r}; {' '.join(str(error).split())}") from error
    if report["missing_keys"] or tokenizer.mask_token_id is None:
        raise ValueError(
            f"masked_lm: {checkpoint} has no trained head for masked words; expected a masked language model, such as "
            "google-bert/bert-base-uncased"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.eval().to(device)
    generator = torch.Generator().manual_seed(seed)
    # Texts of like length together: a batch costs what its longest text costs.
    ordered = sorted([text for text in texts for _ in range(copies) if text.strip()], key=len)
    made: list[str] = []
    for start in range(0, len(ordered), _BATCH):
        batch = tokenizer(
            ordered[start : start + _BATCH],
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
            return_special_tokens_mask=True,
        )
        words = ~batch.pop("special_tokens_mask").bool() & batch["attention_mask"].bool()
        chance = torch.rand(words.shape, generator=generator).masked_fill(~words, 2.0)
        # The token with the lowest chance is always hidden, so that no copy is the text itself by default.
        hidden = ((chance < share) | (chance == chance.min(dim=1, keepdim=True).values)) & words
        ids = batch["input_ids"].masked_fill(hidden, tokenizer.mask_token_id)
        inputs = {name: tensor.to(device) for name, tensor in {**batch, "input_ids": ids}.items()}
        with torch.no_grad():
            logits = model(**inputs).logits
        logits[:, :, tokenizer.all_special_ids] = -torch.inf
        best = logits[hidden.to(device)].float().cpu().topk(min(_CANDIDATES, logits.shape[-1]), dim=-1)
        drawn = torch.multinomial(best.values.softmax(dim=-1), 1, generator=generator)
        batch["input_ids"][hidden] = best.indices.gather(1, drawn)[:, 0]
        made += tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)
    return made
