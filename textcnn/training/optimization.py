"""Optimizer, learning rate schedule and gradient clipping of the training modules.

Shapes: `B` texts, `T` tokens.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from .optimizers import RowAdamW, clip_gradient_norm


class OptimizationModule(LightningModule):
    """Optimization of `self.model` by the hyperparameters of OptimizationSettings.

    The embedding, and the rows of a bag, take the steps of dense AdamW at the cost of the rows that a batch reads.
    """

    _row_embeddings: list[torch.nn.Module]

    @property
    def _bag_rows(self) -> Any:
        """The rows of a bag that is trained, else None."""
        bag = self.model.bag
        return None if bag is None or not bag.rows.weight.requires_grad else bag.rows

    def on_train_batch_start(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Bring the rows that the batch reads up to date."""
        if self._row_embeddings:
            rows = batch["input_ids"].flatten()
            for channel in self._row_embeddings:
                if channel is not self._bag_rows:
                    self._row_optimizer.touch(channel.weight, rows)
                else:
                    own = self.model.bag_rows(batch["input_ids"], batch["attention_mask"])
                    self._row_optimizer.touch(channel.weight, own)

    def on_validation_start(self) -> None:
        self._settle()

    def on_train_epoch_end(self) -> None:
        self._settle()

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        if gradient_clip_val and self._row_embeddings and gradient_clip_algorithm in (None, "norm"):
            clip_gradient_norm([p for group in optimizer.param_groups for p in group["params"]], gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> dict[str, Any]:
        hparams = self.hparams
        embeddings: list[Any] = []
        decayed: list[Any] = []
        others: list[Any] = []
        for name, parameter in self.named_parameters():
            if not parameter.requires_grad:
                continue
            if ".embeddings.channels." in name or name == "model.bag.rows.weight":
                embeddings.append(parameter)
            else:
                (decayed if parameter.ndim > 1 else others).append(parameter)
        # Gradients by rows: a batch touches a few thousand of a vocabulary's tokens. Not across processes, where
        # sparse gradients cannot be averaged everywhere.
        self._row_embeddings = []
        if hparams["optimizer"] == "adamw" and self.trainer.world_size == 1:
            channels: Any = [] if self.model.textcnn.embeddings is None else self.model.textcnn.embeddings.channels
            self._row_embeddings = [channel for channel in channels if channel.weight.requires_grad]
            if self._bag_rows is not None:
                self._row_embeddings.append(self._bag_rows)
        for channel in self._row_embeddings:
            channel.sparse = True
        rate = hparams["learning_rate"]
        embedding_rate = hparams["embedding_learning_rate"]
        if embedding_rate is None:
            # Chosen on folds of TREC's and MR's train texts: 1, 3, 5, 10 and 30 times were tried.
            embedding_rate = 5 * rate if hparams["vectors_dim"] is None and hparams["init"] is None else rate
        groups = [
            {"params": decayed, "lr": rate, "weight_decay": hparams["weight_decay"]},
            {"params": others, "lr": rate, "weight_decay": 0.0},
            {"params": embeddings, "lr": embedding_rate, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        optimizer: torch.optim.Optimizer
        if hparams["optimizer"] == "adadelta":
            optimizer = torch.optim.Adadelta(groups)
        else:
            # The fused kernel is the fast one on CPU; with fp16 it cannot be clipped.
            optimizer = RowAdamW(groups, fused=not str(self.trainer.precision).startswith("16"))
        steps = self.trainer.estimated_stepping_batches
        if not math.isfinite(steps):
            raise ValueError("max_epochs: got no limit; expected one; the learning rate schedule needs to know the end")
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, _schedule(hparams["schedule"], round(hparams["warmup"] * steps), int(steps))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    @property
    def _row_optimizer(self) -> RowAdamW:
        optimizer = self.trainer.optimizers[0]
        assert isinstance(optimizer, RowAdamW)
        return optimizer

    def _settle(self) -> None:
        """Take the steps that rows have skipped, before the embedding is read as a whole."""
        # After a fit there is nothing to take, and its optimizer's state is no longer where the weights are.
        if self._row_embeddings and self.trainer.state.fn == TrainerFn.FITTING:
            self._row_optimizer.settle()


def _schedule(kind: str, warmup: int, steps: int):  # type: ignore[no-untyped-def]
    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if kind == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))

    return factor
