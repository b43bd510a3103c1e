"""A run that is killed in the middle of an epoch goes on there and ends with the weights of one that was not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import textcnn
from textcnn.finetuning.teach import TeacherModule, teach
from textcnn.training import resume
from textcnn.training.tasks.distillation import DistillationModule

LEARN: dict[str, Any] = {
    "batch_size": 8, "max_epochs": 2, "dropout": 0.0, "num_filters": 8, "learning_rate": 1e-2, "log_every_n_steps": 1,
}  # fmt: skip


def teacher(texts: list[str]) -> np.ndarray:
    good = np.array(["lovely" in text for text in texts], dtype=float)
    return np.stack([1 - good, good], axis=1)


def stop_at(step: int, module: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine goes down in the training step of that number."""
    plain, steps = module.training_step, []

    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        steps.append(batch_idx)
        if len(steps) > step:
            raise RuntimeError("no power")
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(module, "training_step", training_step)


def count_steps(module: type, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes the number of each batch that is trained on."""
    plain, seen = module.training_step, list[int]()
    monkeypatch.setattr(module, "training_step", lambda self, batch, i: seen.append(i) or plain(self, batch, i))
    return seen


@pytest.mark.parametrize("step", [3, 9, 14, 20])  # the reviews make 14 batches an epoch
def test_a_student_goes_on_where_it_was(
    step: int, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))

    def distil(name: str, force: bool = False) -> dict[str, torch.Tensor]:
        textcnn.distill(teacher, str(reviews), None, tmp_path / name, progress=False, force=force, **LEARN)
        return load_file(tmp_path / name / "model.safetensors")

    whole = distil("whole")
    with monkeypatch.context() as down:
        stop_at(step, DistillationModule, down)
        with pytest.raises(RuntimeError, match="no power"):
            distil("killed")
    seen = count_steps(DistillationModule, monkeypatch)
    again = distil("killed")
    # Nothing is done twice and nothing left out.
    assert seen == [*range(14), *range(14)][step:]
    for name, tensor in whole.items():
        torch.testing.assert_close(again[name], tensor, atol=1e-6, rtol=1e-5)
    # A run that has ended is not gone on with.
    seen.clear()
    distil("killed", force=True)
    assert len(seen) == 28


def test_a_teacher_goes_on_where_it_was(
    reviews: Path, tmp_path: Path, transformer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    with monkeypatch.context() as down:
        stop_at(7, TeacherModule, down)
        with pytest.raises(RuntimeError, match="no power"):
            teach(transformer, str(reviews), tmp_path, max_epochs=2, batch_size=8, progress=False)
    seen = count_steps(TeacherModule, monkeypatch)
    teach(transformer, str(reviews), tmp_path, max_epochs=2, batch_size=8, progress=False)
    assert seen == [*range(14), *range(14)][7:]
    assert not (tmp_path / "checkpoints").exists()
