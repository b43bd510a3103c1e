"""`textcnn adapt`: a transformer reads texts without labels before it is taught, guessing words that are hidden."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..arguments import VerbParser
from ..data.errors import DataError
from ..runtime.text_batches import text_batches
from ..tokenization import replace_surrogates
from ..training.resume import unfinished_run
from .fine_tuning import (
    WIDTH,
    FineTuning,
    add_fine_tuning_options,
    begin_fine_tuning,
    fine_tuning_loader,
    fine_tuning_trainer,
    save_fine_tuned,
)
from .masked_lm import hidden_logits, open_masked_lm
from .teachers import readable_length
from .transfer import read_unlabelled

DESCRIPTION = """\
Trains a transformer further on texts without labels, by words that are hidden from it: one that has read the texts of
a task learns the task better, and can write copies of them for a student (masked_lm).

  textcnn adapt --model sentence-transformers/all-MiniLM-L6-v2 --texts crawl.txt --output_dir runs/adapted
  textcnn teach --model runs/adapted --data reviews --output_dir runs/teacher
  textcnn distill --teacher runs/teacher --data reviews --options.masked_lm runs/adapted --options.replacements 2"""

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


def adapt(
    model: str,
    texts: str | Path | Sequence[str | Path],
    output_dir: str | Path,
    epochs: int = 3,
    batch_size: int = 32,
    learning_rate: float = 2e-4,
    max_length: int = 128,
    mask_share: float = 0.3,
    max_texts: int | None = None,
    seed: int = 0,
    precision: str = "auto",
    progress: bool = True,
) -> dict[str, float]:
    """Trains a transformer on texts without labels and saves it as a masked language model; returns its loss on texts
    that were held out (Gururangan et al. 2020, https://aclanthology.org/2020.acl-main.740/).

    A run that was killed goes on where it was, to the minute, when it is started again with the same settings.

    Args:
        model: Directory or Hub id; one that was no masked language model gets a new head.
        texts: As `unlabelled` of `textcnn.distill`; the train split of a labelled set, too.
        output_dir: Where the model goes.
        epochs, batch_size, learning_rate: Of the training.
        max_length: Tokens of a piece; a longer text is read in several.
        mask_share: Share of the tokens that are hidden.
        max_texts: Texts drawn, the same for each seed; None takes all.
        seed: Of all else that is random.
        precision: 32-true, bf16-mixed, or auto: the latter where the processor is made for it.
        progress: Whether to show a bar.

    Raises:
        FileNotFoundError: there is no such checkpoint or file.
        ValueError: the model cannot be one of masked words, there are too few texts, or nothing would be learnt.

    Example:
        >>> adapt("sentence-transformers/all-MiniLM-L6-v2", "crawl.txt", "runs/adapted", epochs=10)
        {'val_loss': 3.5264}
    """
    precision = begin_fine_tuning(epochs, batch_size, learning_rate, max_length, seed, precision)
    if not 0 < mask_share < 1:
        raise ValueError(f"mask_share: got {mask_share}; expected a share between 0 and 1, such as 0.3")
    read = read_unlabelled(texts, split_documents=False, limit=max_texts, option="texts")
    opened, tokenizer = open_masked_lm(model, "model", to_train=True)
    longest = readable_length(max_length, tokenizer, opened.config)
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

    directory = Path(output_dir)
    trainer = fine_tuning_trainer(directory, epochs, progress)
    settings = {
        "model": model, "texts": _digest(pieces_of), "epochs": epochs, "batch_size": batch_size,
        "learning_rate": learning_rate, "max_length": max_length, "mask_share": mask_share, "seed": seed,
        "precision": precision,
    }  # fmt: skip
    module = MaskedLMModule(opened, tokenizer, learning_rate, precision, mask_share, seed)
    validation = loader(order[:held_out], shuffle=False)
    train = loader(order[held_out:], shuffle=True)
    trainer.fit(module, train, validation, ckpt_path=unfinished_run(directory, settings))
    scores = dict(trainer.validate(module, validation, verbose=False)[0])
    return save_fine_tuned(opened, tokenizer, scores, directory)


def main(verb: str, args: list[str]) -> None:
    """`textcnn adapt`."""
    parser = VerbParser(f"textcnn {verb}", description=DESCRIPTION)
    parser.add_argument("--texts", nargs="+", required=True, metavar="FILE", help="files or Hub data sets of texts")
    add_fine_tuning_options(
        parser,
        "model",
        epochs=3,
        learning_rate=2e-4,
        max_length=128,
        length_help="tokens of a piece; longer texts are read in several",
    )
    parser.add_argument("--mask_share", type=float, default=0.3, help="of the tokens, hidden (default: %(default)s)")
    parser.add_argument("--max_texts", type=int, metavar="N", help="texts drawn at random (default: all)")
    options = vars(parser.read(args))
    directory = options["output_dir"]
    for name, value in adapt(**{**options, "texts": [Path(name) for name in options["texts"]]}).items():
        print(f"{name:<16}{value:.4f}")
    print(f"The masked language model is in {directory}")


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
