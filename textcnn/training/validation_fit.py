"""Choices made on the validation texts at the end of a run: weights of network and bag, and a threshold.

Shapes: `B` texts of a batch, `N` validation texts, `C` classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor

from ..model.head_columns import head_slices
from ..model.objectives import labelled
from ..model.ordinal import CutPoints
from ..runtime.thresholds import f1_threshold
from .levels import fit_levels
from .part_weights import fit_part_weights

# Key of a checkpoint whose weights have been fitted: they are not fitted a second time.
FITTED = "fitted_on_validation"
# Texts from which on a threshold is chosen: fewer have too few of most labels.
_TEXTS_OF_A_THRESHOLD = 100


def fit_on_validation(trainer: lightning.Trainer, module: Any, data: Any, checkpoint_path: str) -> dict[str, float]:
    """Fit the weights of network and bag, and choose the threshold of several labels, on the validation texts.

    Each head of a model has its own.
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
    tasks = list(_tasks(module.model))
    weighed = getattr(module, "separate_bag", False) and module.hparams["bag_weight"] is None
    several = any(task.problem_type == "multi_label_classification" for task in tasks)
    if not (weighed or several) or trainer.limit_val_batches == 0:
        return {}
    checkpoint = trainer.strategy.load_checkpoint(checkpoint_path)
    module.load_state_dict(checkpoint["state_dict"])
    network, bag, labels_of = part_logits(module.model, data.val_dataloader())
    found: dict[str, float] = {}
    for task in tasks:
        labels, parts = labels_of[task.name], [network[:, task.columns], bag[:, task.columns]]
        if weighed and FITTED not in checkpoint:
            number = task.problem_type == "regression"
            numbers = module.target_scale.standardized(labels, task.columns) if number else labels
            delta = module.model.config.huber_delta if module.model.config.loss == "huber" else None
            if task.cut_points is not None:
                weights = fit_levels(parts[0], parts[1], labels, task.cut_points)
            else:
                weights = fit_part_weights(parts[0], parts[1], numbers, task.problem_type, delta)
            if weights is not None:
                weights.multiply_into(module.model, task.columns)
                parts = [parts[0] * weights.network, parts[1] * weights.bag]
                found[f"{task.prefix}factor_of_network"] = round(weights.network, 4)
                found[f"{task.prefix}factor_of_bag"] = round(weights.bag, 4)
        if task.problem_type == "multi_label_classification":
            threshold = _threshold((parts[0] + parts[1]).sigmoid(), labels)
            if threshold is not None:
                task.set_threshold(threshold)
                found[f"{task.prefix}threshold"] = threshold
    if weighed and FITTED not in checkpoint:
        state = module.state_dict()
        trainer.strategy.save_checkpoint({**checkpoint, "state_dict": state, FITTED: True}, checkpoint_path)
        trainer.strategy.barrier()  # the others read what the first process wrote
    return found


@dataclass(frozen=True)
class _Task:
    """One task of a model: all of its logits, or those of a head.

    Args:
        name: Name of the head, or None.
        problem_type: As transformers names it.
        columns: Its outputs.
        entry: Mapping that its thresholds belong to.
        labels: Its labels.
        cut_points: Those of ordered levels, or None.
    """

    name: str | None
    problem_type: str
    columns: slice
    entry: Any
    labels: list[str]
    cut_points: CutPoints | None

    @property
    def prefix(self) -> str:
        return "" if self.name is None else f"{self.name}_"

    def set_threshold(self, threshold: float) -> None:
        thresholds = dict.fromkeys(self.labels, threshold)
        if self.name is None:
            self.entry.thresholds = thresholds
        else:
            self.entry["thresholds"] = thresholds


def _tasks(model: Any) -> Iterator[_Task]:
    config, points = model.config, getattr(model, "cut_points", None)
    if config.heads is None:
        yield _Task(None, config.problem_type, slice(None), config, list(config.id2label.values()), points)
        return
    for number, (head, columns) in enumerate(head_slices(config.heads)):
        own = None if points is None else points.of_head(number)
        yield _Task(head["name"], head["problem_type"], columns, head, list(head["labels"]), own)


def _threshold(probabilities: Tensor, labels: Tensor) -> float | None:
    """Return the one threshold of all labels with the largest micro-F1; None where few texts have labels.

    One for all, because most labels of most data sets are too rare for one of their own.
    """
    known = labelled(labels, probabilities.shape[1])
    if int(known.sum()) < _TEXTS_OF_A_THRESHOLD or not labels[known].any():
        return None
    threshold = f1_threshold(probabilities[known].flatten().numpy(), labels[known].flatten().numpy() > 0)
    return max(0.0, round(threshold, 6))


@torch.no_grad()
def part_logits(model: Any, batches: Iterable[dict[str, Any]]) -> tuple[Tensor, Tensor, dict[str | None, Tensor]]:
    """Return the outputs of the network [N, C] and of the bag [N, C], 0 without one, and the labels.

    The labels [N] or [N, C] are those of each head by its name; of a model with one task, under None.

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
            labels = batch["labels"] if isinstance(batch["labels"], Mapping) else {None: batch["labels"]}
            parts.append((network, torch.zeros_like(network) if bag is None else bag.float(), labels))
    model.train(training)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gathered: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(gathered, parts)
        parts = [part for of_process in gathered for part in of_process]
    if not parts:
        nothing = torch.zeros(0, model.config.num_logits)
        return nothing, nothing, {task.name: torch.zeros(0) for task in _tasks(model)}
    networks, bags, labels_of = zip(*parts, strict=True)
    joined = {name: torch.cat([labels[name] for labels in labels_of]) for name in labels_of[0]}
    return torch.cat(networks), torch.cat(bags), joined
