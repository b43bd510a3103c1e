"""The metrics of validation against those of torchmetrics."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.classification import MulticlassF1Score, MultilabelExactMatch, MultilabelF1Score

from textcnn.model import TextCNNConfig
from textcnn.training.metrics import MacroF1, metric_arguments, score_metrics


@pytest.mark.parametrize("classes", [2, 7, 60])
def test_macro_f1_is_that_of_torchmetrics(classes) -> None:
    torch.manual_seed(0)
    ours, theirs = MacroF1(classes), MulticlassF1Score(classes, average="macro")
    for size in (1, 20, 33):
        scores, target = torch.randn(size, classes), torch.randint(classes, (size,))
        scores[torch.arange(size), target] += 1
        ours.update(scores, target)
        theirs.update(scores, target)
        torch.testing.assert_close(ours.compute(), theirs.compute())


def test_labels_of_a_multi_label_model_are_scored_at_its_thresholds() -> None:
    torch.manual_seed(0)
    config = TextCNNConfig(
        vocab_size=9, id2label={0: "a", 1: "b", 2: "c"}, problem_type="multi_label_classification",
        thresholds={"a": 0.2, "c": 0.7},
    )  # fmt: skip
    logits, labels = torch.randn(40, 3), torch.randint(2, (40, 3)).float()
    metrics = score_metrics(config, "val_")
    metrics.update(**metric_arguments(config, logits, labels))
    given = (logits.sigmoid() >= torch.tensor([0.2, 0.5, 0.7])).long()
    expected = {
        "val_accuracy": MultilabelExactMatch(3),
        "val_macro_f1": MultilabelF1Score(3, average="macro"),
        "val_micro_f1": MultilabelF1Score(3, average="micro"),
    }
    found = metrics.compute()
    for name, metric in expected.items():
        torch.testing.assert_close(found[name], metric(given, labels.long()))
