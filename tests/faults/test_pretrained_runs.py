"""Pre-training that is stopped in a step, and training that starts from a damaged encoder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fault_ledger import Ledger
from safetensors.torch import load_file, save_file

import textcnn
from textcnn.cli import main
from textcnn.training import resume
from textcnn.training.tasks.pretraining import PretrainingModule

TEXTS = [f"a {'lovely' if i % 2 else 'dull'} film number {i % 17} with plot {i % 5}" for i in range(80)]
SMALL: dict[str, Any] = {"num_filters": 6, "embedding_dim": 8, "vectors": None, "tokenizer": "word", "batch_size": 8,
                         "max_epochs": 2, "progress": False}  # fmt: skip


def encode(texts: list[str]) -> np.ndarray:
    return np.array([["lovely" in text, "dull" in text, len(text), text.count("1")] for text in texts], np.float32)


LONG = os.environ.get("TEXTCNN_FAULTS") == "long"
OBJECTIVES: dict[str, dict[str, Any]] = {
    "representation": {"encoder": encode},
    "contrastive": {"objective": "contrastive", "encoding_dim": 4},
    "masked": {"objective": "masked", "num_blocks": 1},
    "diffusion": {"objective": "diffusion", "num_blocks": 1},
}


@pytest.mark.parametrize("objective", OBJECTIVES if LONG else ["representation", "diffusion"])
def test_pretraining_that_was_stopped_ends_with_the_same_weights(
    objective: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """With the default dropout; masks and noise are drawn as if nothing had been."""
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))

    def pretrain(name: str, **options: Any) -> dict[str, torch.Tensor]:
        textcnn.pretrain(TEXTS, tmp_path / name, **SMALL, **OBJECTIVES[objective], **options)
        return load_file(tmp_path / name / "model.safetensors")

    from lightning.pytorch.callbacks import Callback as LightningCallback

    class Stop(LightningCallback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step == 12:
                raise RuntimeError("no power")

    whole = pretrain("whole")
    with pytest.raises(RuntimeError, match="no power"):
        pretrain("stopped", callbacks=[Stop()])
    torch.rand(7)
    steps: list[int] = []
    plain = PretrainingModule.training_step
    monkeypatch.setattr(
        PretrainingModule,
        "training_step",
        lambda self, batch, batch_idx: steps.append(batch_idx) or plain(self, batch, batch_idx),
    )
    again = pretrain("stopped")
    assert 0 < len(steps) < 12
    for name, tensor in whole.items():
        assert torch.equal(again[name], tensor), name
    ledger.add("`pretrain` stopped in a step, each objective, and started again", 1, "ended with the same weights")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that `pretrain` wrote."""
    directory = tmp_path_factory.mktemp("encoder") / "encoder"
    textcnn.pretrain(TEXTS, directory, encoder=encode, **{**SMALL, "max_epochs": 1})
    return directory


def copied(encoder: Path, directory: Path) -> Path:
    directory.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (directory / name).write_bytes((encoder / name).read_bytes())
    return directory


@pytest.mark.parametrize("option", ["init", "tokenizer", "vectors"])
def test_training_that_starts_from_a_damaged_encoder_is_refused(
    option: str, encoder: Path, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    count: Callable[[int, int], int], rng: np.random.Generator, ledger: Ledger,
) -> None:  # fmt: skip
    directory = copied(encoder, tmp_path / "damaged")
    command = [
        "train",
        str(reviews),
        "--output",
        str(tmp_path / "run"),
        f"--{option}",
        str(directory),
        "--max_epochs",
        "1",
    ]
    names = {"init": ["config.json", "model.safetensors", "tokenizer.json"], "tokenizer": ["tokenizer.json"],
             "vectors": ["model.safetensors"]}[option]  # fmt: skip
    times = 0
    for name in names:
        content = (encoder / name).read_bytes()
        for number in range(count(3, 40)):
            damaged = bytearray(content)
            if number % 3 == 0:
                damaged = damaged[: rng.integers(len(content))]
            else:
                damaged[rng.integers(len(content) // 2, len(content))] ^= 1 << int(rng.integers(8))
            if name == "config.json" and number % 3:  # some of its entries matter to nobody
                damaged = bytearray(content.replace(b'"embedding_dim": 8', b'"embedding_dim": 9'))
                assert damaged != content
            (directory / name).write_bytes(damaged)
            capsys.readouterr()
            with pytest.raises(SystemExit) as end:
                main(command)
            said = capsys.readouterr().err
            assert end.value.code == 2
            assert name in said.splitlines()[-1], said
            assert "Traceback" not in said
            assert not (tmp_path / "run" / "model.safetensors").exists()
            times += 1
        (directory / name).write_bytes(content)
    ledger.note(
        f"`train --{option}` with an encoder that is cut short or has one bit flipped", times, "refused by name"
    )


def test_training_does_not_start_from_weights_that_are_not_finite(encoder: Path, reviews: Path, tmp_path: Path) -> None:
    directory = copied(encoder, tmp_path / "damaged")
    config = json.loads((directory / "config.json").read_text())
    del config["digests"]
    (directory / "config.json").write_text(json.dumps(config))
    weights = load_file(directory / "model.safetensors")
    name = next(name for name in weights if "embedding" in name)
    weights[name][3, 0] = float("inf")
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=rf"{name}: got 1 of .* not finite; expected numbers; init: copy"):
        textcnn.train(str(reviews), tmp_path / "run", init=directory, tokenizer=directory, max_epochs=1, progress=False)
