"""A token cache of its own for every test, and a small tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from textcnn.tokenization import train_tokenizer


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that takes the place of the datasets cache."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder / "textcnn"


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """Words of a few texts, lower-cased."""
    return train_tokenizer(["good bad film plot a b c d e f g"] * 2, kind="wordpiece", vocab_size=60)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write("train.csv", "text,label", ...) -> the path of a file with these lines."""

    def write_lines(name: str, *lines: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
        return path

    return write_lines


@pytest.fixture
def dataset() -> Callable[..., datasets.Dataset]:
    """dataset(texts, labels) -> a Dataset in memory."""

    def make(texts: Sequence[Any], labels: Sequence[Any]) -> datasets.Dataset:
        return datasets.Dataset.from_dict({"text": list(texts), "label": list(labels)})

    return make


class _Recorder(LightningModule):
    """Learns nothing and notes the batches of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches: dict[int, list[list[list[int]]]] = {}

    def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
        self.batches.setdefault(self.current_epoch, []).append(batch["input_ids"].tolist())
        return self.weight.sum()

    def validation_step(self, batch: dict[str, torch.Tensor], _: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., tuple[dict[int, Any], Path]]:
    """fit(loader or data module, epochs, checkpoint) -> the batches of each epoch, a checkpoint."""

    def run(data: Any, epochs: int, checkpoint: Path | None = None) -> tuple[dict[int, Any], Path]:
        module = _Recorder()
        trainer = Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            default_root_dir=tmp_path,
        )
        role = "datamodule" if isinstance(data, LightningDataModule) else "train_dataloaders"
        trainer.fit(module, **{role: data}, ckpt_path=checkpoint)
        path = tmp_path / f"{epochs}.ckpt"
        trainer.save_checkpoint(path)
        return module.batches, path

    return run
