"""`adapt`: masked-language-model pretraining of a transformer continues on unlabelled texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.errors import DataError
from ..data.unlabelled import read_unlabelled
from ..encoders.checkpoints import readable_length
from ..outputs import begin_output
from ..runtime.text_batches import text_batches
from ..settings import AdaptSettings, takes
from ..tokenization import replace_surrogates
from ..training.resume import unfinished_run
from .base import (
    WIDTH,
    FineTuning,
    begin_fine_tuning,
    fine_tuning_loader,
    fine_tuning_trainer,
    save_fine_tuned,
)
from .masked_lm import hidden_logits, open_masked_lm

_HELD_OUT = 0.02  # share of the texts, on which the loss is reported
_PLACES = 64  # what the hidden tokens of a batch are filled up to a multiple of, as its tokens are to WIDTH


class MaskedLMModule(FineTuning):
    """A transformer that learns to say which tokens were hidden; `mask_share` of them are, all by the mask token.

    A larger share than BERT's, and no tokens left or replaced among those hidden, as Wettig et al. 2022 recommend
    (https://arxiv.org/abs/2202.08005).
    """

    def __init__(
        self, model: Any, tokenizer: Any, learning_rate: float, precision: str, mask_share: float, seed: int
    ) -> None:
        super().__init__(learning_rate, precision)
        self.model = model.train()
        self.mask_token_id = tokenizer.mask_token_id
        self.special = torch.tensor(tokenizer.all_special_ids)
        self.mask_share, self.seed = mask_share, seed

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss = self._loss(batch, self.global_step)
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch["input_ids"]))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        hidden_at = -1 - batch_idx  # the same tokens each time
        self.log("val_loss", self._loss(batch, hidden_at), prog_bar=True, batch_size=len(batch["input_ids"]))

    def _loss(self, batch: dict[str, Tensor], step: int) -> Tensor:
        ids = batch["input_ids"]
        # By the step, so that a run that is taken up again hides what it would have hidden.
        rng = np.random.default_rng([self.seed, step % (1 << 32)])
        chance = torch.from_numpy(rng.random(ids.shape, np.float32)).to(ids.device)
        words = batch["attention_mask"].bool() & ~torch.isin(ids, self.special.to(ids.device))
        chance = chance.masked_fill(~words, 2.0)
        # At least one a text.
        hidden = ((chance < self.mask_share) | (chance == chance.min(dim=1, keepdim=True).values)) & words
        inputs = {**batch, "input_ids": ids.masked_fill(hidden, self.mask_token_id)}
        places = hidden.flatten().nonzero()[:, 0]
        wanted = ids.flatten()[places]
        # Filled up with places that count for nothing: see WIDTH.
        more = -len(places) % _PLACES
        places = torch.nn.functional.pad(places, (0, more))
        wanted = torch.nn.functional.pad(wanted, (0, more), value=-100)
        with self.computing():
            logits = hidden_logits(self.model, inputs, places)
        return torch.nn.functional.cross_entropy(logits.float(), wanted)


@takes(AdaptSettings)
def adapt(settings: AdaptSettings) -> dict[str, float]:
    """Continue masked-language-model pretraining of a transformer, save it and return its loss on held-out texts.

    A transformer that has read the texts of a task learns the task better (Gururangan et al. 2020,
    https://aclanthology.org/2020.acl-main.740/). A run that was killed goes on where it was, to the minute, when it is
    started again with the same settings. `textcnn.AdaptSettings` documents the settings.

    Raises:
        FileNotFoundError: There is no such checkpoint or file.
        ValueError: The model cannot be a masked language model, or there are too few texts, or a setting has an unknown
            name or a value that cannot be used.

    Example:
        >>> textcnn.adapt("sentence-transformers/all-MiniLM-L6-v2", "crawl.txt", "runs/adapted", max_epochs=10)
        {'val_loss': 3.5264}
    """
    model, batch_size, seed = str(settings.model), settings.batch_size, settings.seed
    directory = begin_output(settings.output, settings.force)
    precision = begin_fine_tuning(seed, settings.precision)
    read = read_unlabelled(settings.texts, split_documents=False, limit=settings.limit)
    opened, tokenizer = open_masked_lm(model, "model", to_train=True)
    longest = readable_length(settings.max_length, tokenizer, opened.config)
    pieces_of = _pieces(read, tokenizer, longest)
    if len(pieces_of) < 2:
        raise DataError(
            f"texts: got {len(pieces_of)} with a word that the model knows; expected two at least, one of them held "
            "out; give more"
        )
    order = np.random.default_rng(seed).permutation(len(pieces_of))
    held_out = max(1, round(_HELD_OUT * len(order)))

    def loader(rows: np.ndarray, shuffle: bool) -> Any:
        pieces = [piece for row in rows.tolist() for piece in pieces_of[row]]

        def collate(positions: np.ndarray) -> dict[str, Tensor]:
            return _padded([pieces[position] for position in positions], tokenizer.pad_token_id, longest)

        return fine_tuning_loader(np.array([len(piece) for piece in pieces]), collate, batch_size, shuffle, seed)

    trainer = fine_tuning_trainer(directory, settings.max_epochs, settings.progress)
    noted = {**settings.noted(), "texts": _digest(pieces_of), "precision": precision}
    rate, mask_share = settings.learning_rate, settings.mask_share
    module = MaskedLMModule(opened, tokenizer, rate, precision, mask_share, seed)
    validation = loader(order[:held_out], shuffle=False)
    train = loader(order[held_out:], shuffle=True)
    trainer.fit(module, train, validation, ckpt_path=unfinished_run(directory, noted))
    scores = dict(trainer.validate(module, validation, verbose=False)[0])
    return save_fine_tuned(opened, tokenizer, scores, directory)


def _pieces(texts: Sequence[str], tokenizer: Any, max_length: int) -> list[list[np.ndarray]]:
    """The tokens of each text, of a long one in several pieces; what has no word that the model knows is left out."""
    special = tokenizer.all_special_ids
    found: list[list[np.ndarray]] = []
    for batch in text_batches(replace_surrogates(text) for text in texts):
        encoded = tokenizer(batch, truncation=True, max_length=max_length, return_overflowing_tokens=True)
        pieces: list[list[np.ndarray]] = [[] for _ in batch]
        for text, ids in zip(encoded["overflow_to_sample_mapping"], encoded["input_ids"], strict=True):
            piece = np.array(ids, np.int32)
            if not np.isin(piece, special).all():
                pieces[text].append(piece)
        found += [one for one in pieces if one]
    return found


def _digest(pieces_of: list[list[np.ndarray]]) -> str:
    digest = hashlib.sha256()
    for pieces in pieces_of:
        for piece in pieces:
            digest.update(piece.tobytes())
    return digest.hexdigest()


def _padded(pieces: Sequence[np.ndarray], pad_token_id: int, longest: int) -> dict[str, Tensor]:
    """A batch, as wide as its longest piece or a little wider, at most `longest` tokens."""
    rows = [torch.from_numpy(piece.astype(np.int64)) for piece in pieces]
    lengths = torch.tensor([len(row) for row in rows])
    width = min(-(-int(lengths.max()) // WIDTH) * WIDTH, longest)
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad_token_id)
    ids = torch.nn.functional.pad(ids, (0, width - ids.shape[1]), value=pad_token_id)
    return {"input_ids": ids, "attention_mask": (torch.arange(ids.shape[1]) < lengths[:, None]).long()}
