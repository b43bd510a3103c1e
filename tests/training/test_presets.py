"""The presets of `train`: what they set, and what a caller keeps."""

from __future__ import annotations

import json

import textcnn
from textcnn.settings import TrainSettings, make
from textcnn.settings.presets import FAST, apply_preset


def test_a_preset_sets_what_was_not_given() -> None:
    settings = make(TrainSettings, ("data.csv",), {"fast": True, "max_epochs": 7, "dropout": 0.1})
    apply_preset(settings)
    for name, value in (FAST | {"max_epochs": 7, "dropout": 0.1}).items():
        assert getattr(settings, name) == value


def test_fast_is_a_bag_alone(tmp_path) -> None:
    texts = [f"a {word} film number {i}" for i in range(30) for word in ("lovely", "dull")]
    labels = ["good", "bad"] * 30
    model = textcnn.train((texts, labels), tmp_path / "run", fast=True, progress=False, min_frequency=1)
    assert list(model.predict(["a lovely one", "a dull one"])) == ["good", "bad"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["kernel_sizes"], config["bag"]) == ([], "sqrtn")
    assert "max_epochs: 1" in (tmp_path / "run" / "config.yaml").read_text()
