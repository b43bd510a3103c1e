"""Weights of classes: found by frequency, by default where a text has one label, and used by the loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.utils.class_weight import compute_class_weight
from small_models import QUICK

import textcnn
from textcnn import Architecture
from textcnn.cli import main
from textcnn.training import ClassificationModule
from textcnn.training.class_weights import balanced_weights
from textcnn.training.losses import classification_losses
from textcnn.training.tasks.distillation import DistillationModule

# 60, 20 and 10 texts.
NAMES = ["bad"] * 60 + ["good"] * 20 + ["odd"] * 10
TEXTS = [f"a {name} film number {i}" for i, name in enumerate(NAMES)]


def weights_of(run: Path) -> Any:
    return json.loads((run / "config.json").read_text())["class_weights"]


def trained(run: Path, labels: Any = NAMES, **settings: Any) -> Any:
    textcnn.train((TEXTS, labels), run, **{**QUICK, "max_epochs": 1, "validation_fraction": 0.1, **settings})
    return weights_of(run)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    classes = np.array([0] * 7 + [1] * 2 + [2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=classes)
    np.testing.assert_allclose(balanced_weights([7, 2, 1]), expected)
    root = np.array(balanced_weights([7, 2, 1], "sqrt_balanced"))
    np.testing.assert_allclose(root / root[0], np.sqrt(expected / expected[0]))
    assert root @ [7, 2, 1] == pytest.approx(10)
    assert balanced_weights([3, 0]) == [4 / 6, 2]  # as if the second class had one text


def test_train_weighs_classes_by_default_by_their_train_texts(tmp_path: Path) -> None:
    data = tmp_path / "films.csv"
    data.write_text("text,label\n" + "".join(f"{text},{name}\n" for text, name in zip(TEXTS, NAMES, strict=True)))
    textcnn.train(data, tmp_path / "run", **QUICK, max_epochs=1, validation_fraction=0.1)
    got = weights_of(tmp_path / "run")
    np.testing.assert_allclose(got, balanced_weights([54, 18, 9], "sqrt_balanced"))
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert written["model"]["architecture"]["class_weights"] == "sqrt_balanced"
    # The same run from its file has the same weights.
    main(["fit", "--config", str(tmp_path / "run" / "config.yaml"), "--output_dir", str(tmp_path / "again"),
          "--trainer.enable_progress_bar", "false"])  # fmt: skip
    assert weights_of(tmp_path / "again") == got


def test_weights_are_none_and_numbers_where_they_are_asked_for(tmp_path: Path) -> None:
    assert trained(tmp_path / "none", class_weights=None) is None
    assert trained(tmp_path / "numbers", class_weights=[1, 2, 3.5]) == [1, 2, 3.5]


@pytest.mark.parametrize(
    ("labels", "settings", "kind"),
    [
        ([[name, "film"] for name in NAMES], {}, "multi_label_classification"),
        ([float(i % 7) + 0.5 for i in range(len(NAMES))], {"problem_type": "regression"}, "regression"),
        ([i % 3 for i in range(len(NAMES))], {"problem_type": "ordinal"}, "ordinal"),
    ],
)
def test_other_tasks_have_none_and_refuse_balanced(tmp_path: Path, labels: Any, settings: Any, kind: str) -> None:
    assert trained(tmp_path / "default", labels, **settings) is None
    with pytest.raises(ValueError, match=f"class_weights: got balanced with problem_type {kind}; expected none"):
        trained(tmp_path / "asked", labels, **settings, class_weights="balanced")


def test_several_columns_refuse_balanced() -> None:
    heads = [{"name": "tone", "problem_type": "single_label_classification", "labels": ["a", "b"]}]
    with pytest.raises(ValueError, match="class_weights: got balanced with several columns of labels"):
        ClassificationModule(
            labels=["tone: a", "tone: b"],
            vocab_size=10,
            heads=heads,
            architecture=Architecture(class_weights="balanced"),
        )


@pytest.mark.parametrize("wrong", ["balance", "1,x"])
def test_a_mistake_is_one_line(capsys: Any, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "reviews.csv", "--output", str(tmp_path / "run"), "--class_weights", wrong])
    assert stop.value.code == 2
    assert "class_weights: got" in (said := capsys.readouterr().err)
    assert "balanced" in said


def test_the_loss_is_a_mean_over_texts_so_that_parts_of_a_batch_add_up() -> None:
    torch.manual_seed(0)
    module = ClassificationModule(
        labels=["a", "b"], vocab_size=10, architecture=Architecture(class_weights=[1.0, 3.0], kernel_sizes=[1])
    )
    logits, labels = torch.randn(4, 2), torch.tensor([0, 1, 1, 1])

    def loss(part: slice) -> torch.Tensor:
        return module.loss({"labels": labels[part]}, logits[part], torch.zeros(2, 1))

    own = classification_losses(logits, labels) * torch.tensor([1.0, 3.0, 3.0, 3.0])
    torch.testing.assert_close(loss(slice(0, 4)), own.mean())
    torch.testing.assert_close((loss(slice(0, 2)) + loss(slice(2, 4))) / 2, own.mean())


def test_the_loss_of_labels_in_distillation_has_the_weights() -> None:
    torch.manual_seed(0)
    module = DistillationModule(
        labels=["a", "b"], vocab_size=10, hard_weight=1.0, architecture=Architecture(class_weights=[1.0, 3.0])
    )
    logits, labels = torch.randn(4, 2), torch.tensor([0, 1, 1, -1])
    batch = {"teacher_logits": torch.zeros(4, 2), "labels": labels}
    losses = classification_losses(logits[:3], labels[:3]) * torch.tensor([1.0, 3.0, 3.0])
    soft = module._soft(logits[3:], torch.zeros(1, 2))
    expected = torch.cat([losses, soft]).mean()
    torch.testing.assert_close(module.loss(batch, logits, torch.zeros(4, 1)), expected)
