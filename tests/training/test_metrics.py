"""The metrics of validation against those of torchmetrics."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.classification import MulticlassF1Score, MultilabelExactMatch, MultilabelF1Score

from textcnn.training.metrics import MacroF1, metric_arguments, score_metrics, thresholds_of


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
    kind = "multi_label_classification"
    logits, labels = torch.randn(40, 3), torch.randint(2, (40, 3)).float()
    metrics = score_metrics(kind, 3, "val_")
    metrics.update(**metric_arguments(logits, labels, thresholds_of(kind, "abc", {"a": 0.2, "c": 0.7})))
    given = (logits.sigmoid() >= torch.tensor([0.2, 0.5, 0.7])).long()
    expected = {
        "val_accuracy": MultilabelExactMatch(3),
        "val_macro_f1": MultilabelF1Score(3, average="macro"),
        "val_micro_f1": MultilabelF1Score(3, average="micro"),
    }
    found = metrics.compute()
    for name, metric in expected.items():
        torch.testing.assert_close(found[name], metric(given, labels.long()))
