"""Choices made on the validation texts at the end of a run: weights of network and bag, and a threshold.

Shapes: `B` texts of a batch, `N` validation texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning
import torch
from torch import Tensor

from ..runtime.thresholds import f1_threshold
from .part_weights import fit_part_weights

# Key of a checkpoint whose weights have been fitted: they are not fitted a second time.
FITTED = "fitted_on_validation"
# Texts from which on a threshold is chosen: fewer have too few of most labels.
_TEXTS_OF_A_THRESHOLD = 100


def fit_on_validation(trainer: lightning.Trainer, module: Any, data: Any, checkpoint_path: str) -> dict[str, float]:
    """Fit the weights of network and bag, and choose the threshold of several labels, on the validation texts.

    The weights are multiplied into the module and into the checkpoint, which is written anew; the threshold goes into
    the config of the model.

    Args:
        trainer: Trainer of the run.
        module: A TrainingModule; it has the weights of the checkpoint afterwards.
        data: Data module.
        checkpoint_path: Path of the best checkpoint.

    Returns:
        What was found, for the model card; empty where there is nothing to find.
    """
    config = module.model.config
    weighed = getattr(module, "separate_bag", False) and module.hparams["bag_weight"] is None
    multi_label = config.problem_type == "multi_label_classification"
    if not (weighed or multi_label) or trainer.limit_val_batches == 0:
        return {}
    checkpoint = trainer.strategy.load_checkpoint(checkpoint_path)
    module.load_state_dict(checkpoint["state_dict"])
    network, bag, labels = part_logits(module.model, data.val_dataloader())
    found: dict[str, float] = {}
    if weighed and FITTED not in checkpoint:
        numbers = labels if module.target_scale is None else module.target_scale.standardized(labels)
        weights = fit_part_weights(network, bag, numbers, config.problem_type)
        if weights is not None:
            weights.multiply_into(module.model)
            network, bag = network * weights.network, bag * weights.bag
            found |= {"factor_of_network": round(weights.network, 4), "factor_of_bag": round(weights.bag, 4)}
            state = module.state_dict()
            trainer.strategy.save_checkpoint({**checkpoint, "state_dict": state, FITTED: True}, checkpoint_path)
            trainer.strategy.barrier()  # the others read what the first process wrote
    if multi_label and len(labels) >= _TEXTS_OF_A_THRESHOLD and labels.any():
        # One for all labels, by the micro-F1: most labels of most data sets are too rare for one of their own.
        threshold = f1_threshold((network + bag).sigmoid().flatten().numpy(), labels.flatten().numpy() > 0)
        found["threshold"] = max(0.0, round(threshold, 6))
        config.thresholds = dict.fromkeys(config.id2label.values(), found["threshold"])
    return found


@torch.no_grad()
def part_logits(model: Any, batches: Iterable[dict[str, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the logits of the network [N, C] and of the bag [N, C], 0 without one, and the labels [N] or [N, C].

    In a distributed run each process has some of the batches, and returns the logits of all.

    Args:
        model: A TextCNNForSequenceClassification.
        batches: Batches of texts with labels.
    """
    parts = []
    training = model.training
    model.eval()
    for batch in batches:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        if len(ids):
            network = model.member_logits(model.textcnn(ids, mask).pooler_output).mean(dim=0).float()
            bag = model.bag_logits(ids, mask)
            parts.append((network, torch.zeros_like(network) if bag is None else bag.float(), batch["labels"]))
    model.train(training)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gathered: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(gathered, parts)
        parts = [part for of_process in gathered for part in of_process]
    if not parts:
        nothing = torch.zeros(0, model.config.num_labels)
        return nothing, nothing, torch.zeros(0)
    network, bag, labels = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return network, bag, labels
