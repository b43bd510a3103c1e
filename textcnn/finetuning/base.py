"""Common parts of fine-tuning a transformer: AdamW, warm-up, bfloat16, batches of texts of similar length."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from torch import Tensor

from ..artifact import save_weights
from ..data.batches import LengthBatchSampler, ResumableLoader
from ..encoders.precision import resolve_precision
from ..training.checkpoints import WholeCheckpoints
from ..training.resume import checkpoint_directory, last_checkpoints
from ..training.run import quiet_lightning

# Tokens that batches are a multiple of. With tensors of any size, one a batch, what the C library keeps of freed memory
# grows without end: to 7 GB in 3,500 steps of MiniLM, where those of a few sizes stay at 2.
WIDTH = 8


class FineTuning(lightning.LightningModule):
    """A transformer, trained with AdamW, warm-up and linear decay; `model` is the subclass's.

    Args:
        learning_rate: Highest learning rate.
        precision: 32-true or bf16-mixed.
    """

    model: Any

    def __init__(self, learning_rate: float, precision: str) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.halved = precision == "bf16-mixed"

    def configure_optimizers(self) -> Any:
        # Fused: a step over all weights costs an eighth of the plain one on a CPU.
        optimizer = torch.optim.AdamW(self.parameters(), self.learning_rate, weight_decay=0.01, fused=True)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, steps // 10)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def computing(self) -> torch.autocast:
        """Return the context that sets the precision of the model.

        It is set here, not in the trainer, which refuses to clip the gradients of a fused optimizer.
        """
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.halved)


def begin_fine_tuning(seed: int, precision: str) -> str:
    """Seed all random generators and return the precision, with "auto" resolved."""
    quiet_lightning()
    lightning.seed_everything(seed, workers=True, verbose=False)
    return resolve_precision(precision)


def training_settings(model: str) -> dict[str, Any]:
    """Return the settings with which a checkpoint trains fastest, in float32 whatever it was saved in.

    On CPUs drawing the numbers of attention's dropout takes longer than attention (256 tokens: half a step), and
    without it the fused kernel, whose backward pass is the slower one, would be chosen.
    """
    from transformers import AutoConfig

    names = ("attention_probs_dropout_prob", "attention_dropout")
    config = AutoConfig.from_pretrained(model)
    quick: dict[str, Any] = {name: 0.0 for name in names if isinstance(getattr(config, name, None), float)}
    quick["dtype"] = torch.float32
    if not torch.cuda.is_available():
        quick["attn_implementation"] = "eager"
    return quick


def fine_tuning_trainer(output_dir: str | Path, epochs: int, progress: bool, *callbacks: Callback) -> lightning.Trainer:
    """Return a Trainer whose run can be resumed, at most a minute behind; for one process, as the batches are."""
    return lightning.Trainer(
        max_epochs=epochs,
        devices=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        callbacks=[*callbacks, *last_checkpoints(output_dir), *([RichProgressBar()] if progress else [])],
        num_sanity_val_steps=0,
        plugins=WholeCheckpoints(),
    )


def fine_tuning_loader(
    lengths: np.ndarray, collate: Callable[[Any], dict[str, Tensor]], batch_size: int, shuffle: bool, seed: int
) -> ResumableLoader:
    """Return batches of texts of similar length; `collate` makes a batch of their positions."""
    sampler = LengthBatchSampler(lengths, batch_size, shuffle=shuffle, seed=seed)
    return ResumableLoader(_Positions(), batch_size=None, sampler=sampler, collate_fn=collate)


def save_fine_tuned(model: Any, tokenizer: Any, scores: dict[str, Any], directory: Path) -> dict[str, float]:
    """Save a fine-tuned model as transformers does, with its scores.json, and remove the checkpoints of the run."""
    save_weights(model, directory)
    tokenizer.save_pretrained(directory)
    scores = {name: float(value) for name, value in scores.items()}
    (directory / "scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    # Many times the size of the model, and of no use without a run to go on with.
    shutil.rmtree(checkpoint_directory(directory))
    return scores


class _Positions(torch.utils.data.Dataset[Any]):
    """Dataset that returns the positions it is given: a batch is made of them at once."""

    def __getitem__(self, positions: Any) -> Any:
        return positions
