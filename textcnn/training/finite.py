"""A loss that is not finite ends a run before the weights become so."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor


class FiniteLoss(Callback):
    """Callback that stops training at the first loss that is NaN or infinite, before the step that would use it.

    On a GPU, where a look at the loss waits for the device, it is looked at with the log, and any loss since counts.

    Raises:
        ValueError: the loss is not finite; the message has the batch and the likely cause.
    """

    def __init__(self) -> None:
        self._sum: Tensor | None = None

    def on_before_backward(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, loss: Tensor
    ) -> None:
        loss = loss.detach()
        self._sum = loss if self._sum is None else self._sum + loss
        every = max(1, trainer.log_every_n_steps)
        if loss.device.type != "cpu" and trainer.global_step % every and not trainer.is_last_batch:
            return
        if not torch.isfinite(self._sum):
            raise ValueError(self._message(trainer, pl_module, float(loss)))
        self._sum = None

    def _message(self, trainer: lightning.Trainer, module: lightning.LightningModule, loss: float) -> str:
        batch = trainer.fit_loop.epoch_loop.batch_idx
        if trainer.precision == "16-mixed":
            cause = "float16 overflows: set precision to bf16-mixed or 32-true"
        elif (weights := _extreme_weight(module)) is not None:
            cause = f"{weights}: lower learning_rate, or look for extreme values in the vectors"
        else:
            cause = (
                "the weights are finite, so that it comes from this batch: look for extreme targets or weights in it"
            )
        return (
            f"train_loss: got {loss} in batch {batch + 1} of epoch {trainer.current_epoch + 1} (step "
            f"{trainer.global_step + 1}); expected a finite number; {cause}"
        )


def _extreme_weight(module: Any) -> str | None:
    """Return the first weight that is not finite, or the largest where it is larger than any that is learnt."""
    for name, weight in module.named_parameters():
        if weight.numel():
            largest = float(weight.detach().abs().max())
            if not largest < 1e4:  # NaN, too
                return f"{name} has grown to {largest:.3g}"
    return None
