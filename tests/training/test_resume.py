"""A run that is killed in the middle of an epoch goes on there and ends with the weights of one that was not."""

from __future__ import annotations

import types
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import textcnn
from textcnn.cli import main
from textcnn.finetuning.teach import TeacherModule, teach
from textcnn.training import resume
from textcnn.training.tasks.classification import ClassificationModule
from textcnn.training.tasks.distillation import DistillationModule

LEARN: dict[str, Any] = {
    "batch_size": 8, "max_epochs": 2, "num_filters": 8, "learning_rate": 1e-2, "log_every_n_steps": 1,
}  # fmt: skip
# The reviews' own words, where every step is saved: the shipped vocabulary makes a checkpoint of 30 MB. One step of
# each kind of run is tried with that as well.
WORDS = {"tokenizer": "word"}


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


@pytest.fixture(scope="module")
def wholes() -> dict[str, Any]:
    """Results of runs that nothing stopped, by their settings: each is made once."""
    return {}


@pytest.mark.parametrize("step", [3, 9, 14, 20])  # the reviews make 14 batches an epoch
def test_a_student_goes_on_where_it_was(
    step: int, reviews: Path, tmp_path: Path, wholes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LEARN if step == 9 else {**LEARN, **WORDS}

    def distil(name: str, force: bool = False) -> dict[str, torch.Tensor]:
        textcnn.distill(teacher, str(reviews), None, tmp_path / name, progress=False, force=force, **settings)
        return load_file(tmp_path / name / "model.safetensors")

    whole = wholes.get(f"student {settings}") or distil("whole")
    wholes[f"student {settings}"] = whole
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    # Another function of the same name, as a new process has it.
    monkeypatch.setitem(globals(), "teacher", types.FunctionType(teacher.__code__, globals(), "teacher"))
    with monkeypatch.context() as down:
        stop_at(step, DistillationModule, down)
        with pytest.raises(RuntimeError, match="no power"):
            distil("killed")
    seen = count_steps(DistillationModule, monkeypatch)
    again = distil("killed")
    # Nothing is done twice and nothing left out.
    assert seen == [*range(14), *range(14)][step:]
    for name, tensor in whole.items():
        assert torch.equal(again[name], tensor), name
    if step == 3:
        # A run that has ended is not gone on with.
        seen.clear()
        distil("killed", force=True)
        assert len(seen) == 28


def check_that_a_fit_goes_on(
    step: int, reviews: Path, tmp_path: Path, wholes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **options: Any
) -> None:
    """Compare the steps and the weights of a run that was killed at a step, and goes on, with those of a whole one."""

    def train(name: str) -> None:
        textcnn.train(str(reviews), tmp_path / name, embedding_dropout=0.2, progress=False, **LEARN, **options)

    if f"fit {options}" not in wholes:
        with monkeypatch.context() as counting:
            steps = count_steps(ClassificationModule, counting)
            train("whole")
        wholes[f"fit {options}"] = steps, load_file(tmp_path / "whole" / "model.safetensors")
    steps, whole = wholes[f"fit {options}"]
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    with monkeypatch.context() as down:
        stop_at(step, ClassificationModule, down)
        with pytest.raises(RuntimeError, match="no power"):
            train("killed")
    # Whatever else has drawn random numbers meanwhile.
    torch.rand(7)
    seen = count_steps(ClassificationModule, monkeypatch)
    folder = tmp_path / "killed"
    main(["fit", "--config", str(folder / "config.yaml"), "--output_dir", str(folder), "--ckpt_path", "last"])
    assert seen == steps[step:]
    again = load_file(folder / "model.safetensors")
    for name, tensor in whole.items():
        assert torch.equal(again[name], tensor), name


@pytest.mark.parametrize("step", [4, 14, 17])
def test_a_fit_goes_on_where_it_was(
    step: int, reviews: Path, tmp_path: Path, wholes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The shipped vectors once; their vocabulary takes most of the time.
    options = WORDS if step != 4 else {"embedding_dim": 16}
    check_that_a_fit_goes_on(step, reviews, tmp_path, wholes, monkeypatch, **options)


# The stream has 14 batches an epoch, too.
@pytest.mark.parametrize(("step", "workers"), [(1, 0), (13, 0), (14, 0), (17, 0), (17, 2)])
def test_a_run_on_a_stream_goes_on_where_it_was(
    step: int, workers: int, reviews: Path, tmp_path: Path, wholes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"streaming": True, "validation_fraction": 0.1, "tokenizer": "byte", "num_workers": workers}
    check_that_a_fit_goes_on(step, reviews, tmp_path, wholes, monkeypatch, **options)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    damage: str, reviews: Path, tmp_path: Path, wholes: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    settings = {**LEARN, **WORDS}

    def distil(name: str) -> dict[str, torch.Tensor]:
        textcnn.distill(teacher, str(reviews), None, tmp_path / name, progress=False, **settings)
        return load_file(tmp_path / name / "model.safetensors")

    whole = wholes.get(f"student {settings}") or distil("whole")
    wholes[f"student {settings}"] = whole
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    with monkeypatch.context() as down:
        stop_at(9, DistillationModule, down)
        with pytest.raises(RuntimeError, match="no power"):
            distil("killed")
    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 4
    if damage == "missing":  # killed between the move of the old one and that of the new one
        last.unlink()
    else:
        last.write_bytes(content[: len(content) // 3] if damage == "truncated" else content)
    capsys.readouterr()
    seen = count_steps(DistillationModule, monkeypatch)
    again = distil("killed")
    said = capsys.readouterr().err
    assert ("last.ckpt is damaged" in said) == (damage != "missing")
    assert last.with_name("last.ckpt.damaged").is_file() == (damage != "missing")
    assert seen == [*range(14), *range(14)][8:], "the checkpoint before is one step older"
    for name, tensor in whole.items():
        assert torch.equal(again[name], tensor), name


def test_a_run_with_other_settings_keeps_the_checkpoint(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    with monkeypatch.context() as down:
        stop_at(5, DistillationModule, down)
        with pytest.raises(RuntimeError, match="no power"):
            textcnn.distill(teacher, str(reviews), None, tmp_path / "run", progress=False, **LEARN)
    textcnn.distill(teacher, str(reviews), None, tmp_path / "run", progress=False, **{**LEARN, "learning_rate": 2e-2})
    assert "is of a run with other settings (learning_rate); set aside" in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt.other").is_file()


@pytest.mark.parametrize("step", [7, 14])
def test_a_teacher_goes_on_where_it_was(
    step: int, reviews: Path, tmp_path: Path, transformer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))

    def tune(name: str) -> None:
        teach(transformer, str(reviews), tmp_path / name, max_epochs=2, batch_size=8, progress=False)

    tune("whole")
    with monkeypatch.context() as down:
        stop_at(step, TeacherModule, down)
        with pytest.raises(RuntimeError, match="no power"):
            tune("killed")
    seen = count_steps(TeacherModule, monkeypatch)
    tune("killed")
    assert seen == [*range(14), *range(14)][step:]
    assert not (tmp_path / "killed" / "checkpoints").exists()
    whole, again = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    for name, tensor in whole.items():
        assert torch.equal(again[name], tensor), name
