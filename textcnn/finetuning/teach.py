"""`teach`: a transformer is fine-tuned on labelled texts, so that it can label more of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..artifact import quiet_transformers
from ..data import TextDataModule
from ..data.batches import ResumableLoader
from ..data.headed import refuse_label_columns
from ..data.numbers import refuse_numbers
from ..encoders.checkpoints import check_place, readable_length, unreadable
from ..outputs import begin_output
from ..settings import SourceSettings, TeachSettings, takes
from ..training.best_checkpoint import BestCheckpoint
from ..training.resume import checkpoint_directory, unfinished_run
from .base import (
    WIDTH,
    FineTuning,
    begin_fine_tuning,
    fine_tuning_loader,
    fine_tuning_trainer,
    save_fine_tuned,
    training_settings,
)

_EXPECTED = "a transformer that transformers can make a classifier of"


class TeacherModule(FineTuning):
    """A transformers classifier that is fine-tuned.

    Args:
        model: A directory or Hub id.
        labels: Names of the classes.
        problem_type: As in transformers.
        learning_rate: Highest learning rate.
        precision: 32-true or bf16-mixed.
    """

    def __init__(
        self, model: str, labels: Sequence[str], problem_type: str, learning_rate: float, precision: str = "32-true"
    ) -> None:
        super().__init__(learning_rate, precision)
        from transformers import AutoModelForSequenceClassification

        with quiet_transformers():
            self.model = AutoModelForSequenceClassification.from_pretrained(
                model,
                **training_settings(model),
                num_labels=len(labels),
                id2label=dict(enumerate(labels)),
                label2id={label: i for i, label in enumerate(labels)},
                problem_type=problem_type,
                ignore_mismatched_sizes=True,
            )
        # from_pretrained leaves dropout off, and Lightning leaves modes as they are.
        self.model.train()
        self.multi_label = problem_type.startswith("multi")
        self._right: list[Tensor] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        loss: Tensor = self._read(batch).loss
        self.log("train_loss", loss, prog_bar=True, batch_size=len(batch["labels"]))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self._right.append(self._answers_right(batch))

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self._right.append(self._answers_right(batch))

    def on_validation_epoch_end(self) -> None:
        self.log("val_accuracy", self._accuracy(), prog_bar=True)

    def on_test_epoch_end(self) -> None:
        self.log("test_accuracy", self._accuracy())

    def _read(self, batch: dict[str, Tensor]) -> Any:
        with self.computing():
            return self.model(**batch)

    def _answers_right(self, batch: dict[str, Tensor]) -> Tensor:
        logits = self._read({name: value for name, value in batch.items() if name != "labels"}).logits
        if self.multi_label:
            return ((logits > 0) == batch["labels"].bool()).all(dim=1).cpu()
        return (logits.argmax(dim=1) == batch["labels"]).cpu()

    def _accuracy(self) -> float:
        right = float(torch.cat(self._right).float().mean())
        self._right.clear()
        return right


@takes(TeachSettings)
def teach(settings: TeachSettings) -> dict[str, float]:
    """Fine-tune a transformer, save it as transformers does, and return its accuracy on validation and test.

    The epoch that is best on validation is kept. A run that was killed goes on where it was, to the minute, when it is
    started again with the same settings. `textcnn.TeachSettings` documents the settings.

    Raises:
        FileNotFoundError: There is no such checkpoint or data.
        ValueError: The data cannot be learnt from, or a setting has an unknown name or a value that cannot be used.
    """
    from transformers import AutoTokenizer

    refuse_numbers(settings.problem_type, "teach")
    refuse_label_columns(settings.label_columns, "teach")
    model, batch_size = str(settings.model), settings.batch_size
    check_place("model", model, _EXPECTED)
    directory = begin_output(settings.output, settings.force)
    precision = begin_fine_tuning(settings.seed, settings.precision)
    datamodule = TextDataModule(settings.data, seed=settings.seed, **settings.part(SourceSettings))
    labels, problem_type = datamodule.labels, datamodule.problem_type
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        module = TeacherModule(model, labels, problem_type, settings.learning_rate, precision)
    except Exception as error:  # another kind of model, or whatever a broken file provokes in transformers
        raise unreadable("model", model, _EXPECTED, error) from error

    max_length = readable_length(settings.max_length, tokenizer, module.model.config)

    def loader(role: str) -> ResumableLoader:
        texts, targets = datamodule.texts_and_targets(role)
        return _loader(texts, targets, tokenizer, batch_size, max_length, shuffle=role == "train", seed=settings.seed)

    best = BestCheckpoint(
        checkpoint_directory(directory), "best", "val_accuracy", mode="max", save_weights_only=True,
        enable_version_counter=False, save_on_train_epoch_end=False,
    )  # fmt: skip
    trainer = fine_tuning_trainer(directory, settings.max_epochs, settings.progress, best)
    noted = {**settings.noted(), "data": str(settings.data), "max_length": max_length, "precision": precision}
    texts, held_out = loader("train"), loader("validation") if datamodule.val_dataloader() else None
    trainer.fit(module, texts, held_out, ckpt_path=unfinished_run(directory, noted))
    scores: dict[str, Any] = {}
    if held_out is not None:
        scores |= trainer.validate(module, held_out, ckpt_path=best.best_model_path, verbose=False)[0]
    if datamodule.test_dataloader():
        scores |= trainer.test(module, loader("test"), verbose=False)[0]
    # Whoever opens the teacher has it read no more of a text than it learnt from.
    tokenizer.model_max_length = max_length
    return save_fine_tuned(module.model, tokenizer, scores, directory)


def _loader(
    texts: list[str], targets: np.ndarray, tokenizer: Any, batch_size: int, max_length: int, shuffle: bool, seed: int
) -> ResumableLoader:
    width = WIDTH if max_length % WIDTH == 0 else None

    def collate(positions: Any) -> dict[str, Tensor]:
        some = [texts[position] for position in positions]
        batch = dict(
            tokenizer(
                some,
                padding=True,
                pad_to_multiple_of=width,
                truncation=True,
                max_length=max_length,
                return_tensors="pt",
            )
        )
        batch["labels"] = torch.from_numpy(targets[positions])
        return batch

    return fine_tuning_loader(np.array([len(text) for text in texts]), collate, batch_size, shuffle, seed)
