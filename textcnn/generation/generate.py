"""`generate`: texts written by a masked diffusion model, of a label, around kept tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..artifact import MASKED_LM, check_kind, read_artifact
from ..data.io.writers import open_writer
from ..errors import listed, nearest
from ..outputs import check_output
from ..settings import GenerateSettings, takes
from ..tokenization.mask import MASK_TOKEN
from .sampler import uncover

_BATCH = 64  # texts that are written at a time


@takes(GenerateSettings)
def generate(settings: GenerateSettings) -> list[dict[str, str]]:
    """Write texts with a masked diffusion model, as `textcnn pretrain --objective diffusion` trains one.

    `textcnn.GenerateSettings` documents the settings.

    Returns:
        A row for each text: `text` and, of a model with labels, `label`.

    Raises:
        FileNotFoundError: There is no such directory.
        ValueError: The directory holds another model, or the model has no such label.

    Example:
        >>> textcnn.generate("runs/diffusion", label="positive", count=1)
        [{'text': 'a warm and funny film .', 'label': 'positive'}]
    """
    if settings.output is not None:
        check_output(settings.output, settings.force)
    model, tokenizer = read_artifact(check_kind(settings.model, MASKED_LM))
    model.eval()
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]  # type: ignore[index, arg-type]
    if settings.label is not None and settings.label not in labels:
        raise ValueError(
            f"label: got {settings.label!r}; expected one of {listed(labels) or 'none, as the model has none'}"
            f"{nearest(settings.label, labels)}"
        )
    rng = np.random.default_rng(settings.seed)
    generator = torch.Generator().manual_seed(settings.seed)
    chosen = [settings.label or (str(rng.choice(labels)) if labels else None) for _ in range(settings.count)]
    drafts = [_draft(settings, model.config, tokenizer, rng) for _ in range(settings.count)]
    # Texts of like length together.
    order = sorted(range(settings.count), key=lambda row: len(drafts[row]))
    texts: dict[int, str] = {}
    unknown = tokenizer.unk_token_id
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        written = _write(
            model, [drafts[row] for row in rows], [chosen[row] for row in rows], settings, unknown, generator
        )
        for row, ids in zip(rows, written, strict=True):
            texts[row] = str(tokenizer.decode(ids, skip_special_tokens=True))
    rows_out = [
        {"text": texts[row], **({} if chosen[row] is None else {"label": str(chosen[row])})}
        for row in range(settings.count)
    ]
    if settings.output is not None:
        path = Path(settings.output)
        with open_writer(str(path), path.suffix[1:] or "jsonl") as writer:
            writer.write(rows_out)
    return rows_out


def _draft(settings: GenerateSettings, config: Any, tokenizer: Any, rng: np.random.Generator) -> list[int]:
    """Token ids of a text, the mask token's where one is to be written."""
    mask = int(config.mask_token_id)
    if settings.text is not None:
        parts = settings.text.split(MASK_TOKEN)
        pieces = [tokenizer(part)["input_ids"] for part in parts]
        draft = list(pieces[0])
        for piece in pieces[1:]:
            draft += [mask, *piece]
        return draft
    quantiles = config.length_quantiles or [16]
    # Between the quantiles of the lengths of the texts that the model has read.
    drawn = float(np.interp(rng.random(), np.linspace(0, 1, len(quantiles)), quantiles))
    return [mask] * (settings.length or max(1, round(drawn)))


def _write(
    model: Any,
    drafts: list[list[int]],
    labels: list[str | None],
    settings: GenerateSettings,
    unknown: int | None,
    generator: Any,
) -> list[list[int]]:
    config = model.config
    width = max(len(draft) for draft in drafts)
    ids = torch.tensor([draft + [config.pad_token_id] * (width - len(draft)) for draft in drafts])
    mask = torch.tensor([[1] * len(draft) + [0] * (width - len(draft)) for draft in drafts])
    numbers = None
    if config.num_labels:
        numbers = torch.tensor([-1 if label is None else config.label2id[label] for label in labels])

    def predict(ids: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
        logits = model.token_logits(model.states(ids, mask, numbers)[now])
        if unknown is not None:
            logits[:, unknown] = -torch.inf
        return logits

    with torch.inference_mode():
        written = uncover(
            ids, ids == config.mask_token_id, predict, settings.steps, settings.temperature, settings.top_p, generator
        )
    return [row[: len(draft)] for row, draft in zip(written.tolist(), drafts, strict=True)]
