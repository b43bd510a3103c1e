"""Lines of a run that nobody watches, and of one that is stopped."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

import textcnn
from textcnn.cli import main
from textcnn.training import resume
from textcnn.training.tasks.classification import ClassificationModule

QUICK: dict[str, Any] = {"num_filters": 4, "embedding_dim": 8, "max_epochs": 2}


def test_a_line_an_epoch_after_what_was_read(reviews: Path, tmp_path: Path, capsys: Any) -> None:
    textcnn.train(str(reviews), tmp_path, **QUICK)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[0].startswith(f"data: {reviews}, texts from 'text', labels from 'label'")
    assert lines[1] == "rows: train 108, validation 12"
    epochs = [line for line in lines if line.startswith("epoch ")]
    number = r"\d\.\d{4}"
    pattern = rf"epoch 1/2  train_loss {number}  val_loss {number}  val_micro_f1 {number}  at most \d+ s left"
    assert re.fullmatch(pattern, epochs[0])
    assert re.fullmatch(rf"epoch 2/2  train_loss {number}  val_loss {number}  val_micro_f1 {number}", epochs[1])
    assert len(epochs) == 2
    assert lines.index(epochs[0]) > lines.index("rows: train 108, validation 12")
    textcnn.train(str(reviews), tmp_path, **QUICK, progress=False, force=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("after", [3, 30])
def test_a_run_that_is_stopped_says_how_to_go_on(
    reviews: Path, tmp_path: Path, monkeypatch: Any, capsys: Any, after: int
) -> None:
    plain = ClassificationModule.training_step
    steps: list[int] = []

    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        steps.append(batch_idx)
        if len(steps) == after:
            signal.raise_signal(signal.SIGINT)
        return plain(self, batch, batch_idx)

    arguments = ["fit", "--data.path", str(reviews), "--output_dir", str(tmp_path / "run"), "--data.batch_size", "8"]
    with monkeypatch.context() as stopping:
        stopping.setattr(ClassificationModule, "training_step", training_step)
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--trainer.max_epochs", "4"])
    assert stop.value.code == 130
    said = capsys.readouterr().err
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert f"stopped in epoch {1 + (after - 1) // 14}" in said
    command = re.search("to go on: textcnn (.*)", said)
    assert (command is not None) == last.is_file() == (after == 30)
    if command is not None:
        main(command[1].split())
        assert "epoch 4/4" in capsys.readouterr().err
        assert textcnn.load(tmp_path / "run").labels == ["negative", "positive"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_to_resume_is_an_error(reviews: Path, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--data.path", str(reviews), "--output_dir", str(tmp_path / "new"), "--ckpt_path", "last"])
    assert stop.value.code == 2
    assert f"nothing to resume in {tmp_path / 'new'}" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        resume.checkpoint_to_resume(tmp_path / "gone.ckpt", tmp_path)


def test_no_label_above_its_threshold_is_said(tmp_path: Path, capsys: Any) -> None:
    texts = [f"text {i} {'a' * (i % 3)}" for i in range(400)]
    labels = [["x"] * (i % 17 == 0) + ["y"] * (i % 19 == 0) + ["z"] * (i % 13 == 0) for i in range(400)]
    settings = {**QUICK, "max_epochs": 1, "batch_size": 8, "learning_rate": 0.02, "progress": False}
    textcnn.train((texts, labels), tmp_path / "run", **settings)
    said = capsys.readouterr().err
    assert "no label reaches its threshold" in said
    assert f"textcnn calibrate {tmp_path / 'run'} --threshold_for f1" in said


def test_scores_with_labels_that_train_lacks_are_those_of_sklearn() -> None:
    torch.manual_seed(0)
    module = ClassificationModule(["a", "b", "c"], 20)
    module.log = module.log_dict = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(1, 20, (200, 5)))
    for labels in (rng.integers(0, 3, 200), rng.integers(0, 4, 200)):
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.from_numpy(labels)}
        module.eval()
        module.validation_step(batch, 0)
        found = {name: float(value) for name, value in module.metrics["val_metrics"].compute().items()}
        module.metrics["val_metrics"].reset()
        predicted = module(batch).argmax(dim=1).numpy()
        assert found["val_accuracy"] == pytest.approx(accuracy_score(labels, predicted), abs=1e-6)
        wanted = f1_score(labels, predicted, average="macro", zero_division=0)
        assert found["val_macro_f1"] == pytest.approx(wanted, abs=1e-6)


def test_average_precision_is_that_of_sklearn() -> None:
    torch.manual_seed(0)
    module = ClassificationModule(["a", "b", "c"], 20, problem_type="multi_label_classification")
    module.log = module.log_dict = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(1, 20, (200, 5)))
    labels = rng.integers(0, 2, (200, 3))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.from_numpy(labels).float()}
    module.eval()
    module.validation_step(batch, 0)
    found = module.metrics["val_metrics"].compute()
    wanted = average_precision_score(labels, module(batch).detach().sigmoid().numpy(), average="micro")
    assert float(found["val_average_precision"]) == pytest.approx(wanted, abs=1e-5)


def test_a_test_split_with_other_labels_trains(reviews: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    lines = reviews.read_text().splitlines()
    (folder / "train.csv").write_text("\n".join(lines))
    (folder / "test.csv").write_text("\n".join([*lines[:11], *["a film,mixed"] * 10]))
    textcnn.train(folder, tmp_path / "run", **{**QUICK, "max_epochs": 6}, learning_rate=0.01, progress=False)
    card = (tmp_path / "run" / "README.md").read_text()
    assert "10 of 20 test rows have labels that train lacks, mixed: they count as wrong" in card
    assert "| test_accuracy | 0.5000 |" in card
    assert json.loads((tmp_path / "run" / "config.json").read_text())["id2label"] == {"0": "negative", "1": "positive"}
