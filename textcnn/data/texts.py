"""TextsDataModule: texts without labels as batches, a part of them held out.

Shapes: `N` texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from lightning.pytorch import LightningDataModule

from ..settings import DataSettings
from .batches import BatchDataset, FieldArray, length_loader
from .collator import TextCollator
from .defaults import batch_size_for
from .encoding import EncodedTexts, encode_texts
from .errors import DataError
from .io.formats import valid_unicode
from .tokenizer_choice import TokenizerChoice


class TextsDataModule(TokenizerChoice, LightningDataModule):
    """Texts as batches of token ids, with fields of their own.

    Args:
        texts: N texts.
        fields: Arrays whose first dimension is N, by name: a teacher's vectors, labels.
        label_names: Names of the ids of the field `labels`, where there is one.
        settings: Fields of DataSettings: tokenizer, vectors, batches, seed, validation_fraction.

    Raises:
        DataError: There are fewer than two texts.
    """

    def __init__(
        self,
        texts: Sequence[str],
        fields: dict[str, np.ndarray] | None = None,
        label_names: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        super().__init__()
        # batches come whole from numpy, so that a worker would cost more than it saves
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        if len(texts) < 2:
            raise DataError(f"texts: got {len(texts)}; expected two at least, one of them held out; give more")
        self.texts = [valid_unicode(text) for text in texts]
        self.fields = {name: FieldArray(values) for name, values in (fields or {}).items()}
        self.label_names = list(label_names)
        self.options = DataSettings(**settings)
        self.tokenizer_source, self.vocab_size_given = self.options.tokenizer, self.options.vocab_size
        self._vectors = {}
        order = np.random.default_rng(self.options.seed).permutation(len(texts))
        held_out = max(1, round((self.options.validation_fraction or 0.0) * len(texts)))
        self._rows = {"train": np.sort(order[held_out:]), "validation": np.sort(order[:held_out])}

    def tokenizer_texts(self) -> Iterable[str]:
        """Return the texts that a tokenizer is trained on: those that are not held out."""
        return [self.texts[row] for row in self._rows["train"]]

    @property
    def data_report(self) -> str:
        """Lines about texts, tokenizer and vectors."""
        counts = f"{len(self._rows['train']):,} texts to train on, {len(self._rows['validation']):,} held out"
        cut = int(self.encoded.cut.sum())
        if cut:
            counts += f"; {cut:,} are cut to {self.options.max_length} tokens"
        return "\n".join([counts, *self.tokenizer_report()])

    @cached_property
    def encoded(self) -> EncodedTexts:
        """Token ids of all texts."""
        texts = pa.chunked_array([pa.array(self.texts, pa.large_string())])
        return encode_texts(texts, self.tokenizer, self.options.max_length)

    def train_dataloader(self) -> Any:
        """Return batches of the texts to train on: grouped by length, shuffled anew each epoch."""
        return self._loader("train")

    def val_dataloader(self) -> Any:
        """Return batches of the texts that are held out, longest first."""
        return self._loader("validation")

    def _loader(self, role: str) -> Any:
        options, train = self.options, role == "train"
        dataset = BatchDataset(self.encoded, self._rows[role], self.fields, 0, TextCollator(self.pad_token_id))
        batch_size = (options.batch_size or batch_size_for(len(self._rows[role]))) if train else options.eval_batch_size
        return length_loader(dataset, batch_size, shuffle=train, seed=options.seed, num_workers=options.num_workers)
