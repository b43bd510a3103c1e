"""Every config trains one step, and opens with the command that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from textcnn.cli import main

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_trains_a_step(config, tmp_path, reviews):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text(
        "".join(f"{word} {i} 0.5 -{i}.25 1\n" for i, word in enumerate(("film", "plot", "great", "dull")))
    )
    settings = yaml.safe_load(config.read_text())
    arguments = ["fit", "--config", str(config), "--output_dir", str(tmp_path / "run")]
    if "path" not in settings["data"]:
        arguments += ["--data.path", str(reviews)]
    if "--data.vectors" in config.read_text():
        arguments += ["--data.vectors", str(vectors)]
    steps = ["--trainer.limit_train_batches", "1", "--trainer.max_epochs", "1", "--trainer.log_every_n_steps", "1"]
    main([*arguments, *steps, "--trainer.enable_progress_bar", "false"])
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_opens_with_its_command(config):
    assert config.read_text().startswith(f"# textcnn fit --config configs/{config.name}")
