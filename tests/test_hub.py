"""Pushing to the Hub and loading from it, against a stand-in for it on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_stand_in import Hub, serve_hub
from huggingface_hub import ModelCard
from small_models import reviews_model

import textcnn
from textcnn.artifact import TrainingRecord, save_artifact

TEXTS = ["a lovely film", "", "boring", "great acting, awful plot"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    model, tokenizer = reviews_model(bag="sum", bag_buckets=50)
    torch.nn.init.normal_(model.bag.rows.weight)
    folder = tmp_path_factory.mktemp("hub") / "artifact"
    record = TrainingRecord(data="me/reviews", scores={"test_accuracy": 0.875}, base_model="me/vectors")
    return save_artifact(model, tokenizer, folder, record)


@pytest.fixture
def hub():
    with serve_hub() as hub:
        yield hub


def python(program: str, hub: Hub, folder: Path) -> str:
    """Runs a program that talks to the stand-in, with caches of its own."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": "hf_stand_in",
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=folder, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_push_and_load(artifact, hub, tmp_path):
    program = f"""
from transformers import AutoModelForSequenceClassification, AutoTokenizer
import textcnn.model
model = AutoModelForSequenceClassification.from_pretrained({str(artifact)!r})
model.push_to_hub("me/classifier")
AutoTokenizer.from_pretrained({str(artifact)!r}).push_to_hub("me/classifier")
from textcnn.model import TextCNNForSequenceClassification
print(type(TextCNNForSequenceClassification.from_pretrained("me/classifier")).__name__)
"""
    assert python(program, hub, tmp_path).endswith("TextCNNForSequenceClassification\n")
    pushed = hub.repositories["me/classifier"]
    assert {"config.json", "model.safetensors", "tokenizer.json", "modeling.py", "ngram_max.py"} <= pushed.keys()
    assert pushed["model.safetensors"] == (artifact / "model.safetensors").read_bytes()
    assert scores_where_textcnn_is_not_installed("me/classifier", hub, tmp_path) == pytest.approx(
        textcnn.load(artifact).predict_proba(TEXTS), abs=1e-5
    )


def test_the_whole_artifact_with_its_card(artifact, hub, tmp_path):
    program = f"""
from huggingface_hub import HfApi, ModelCard
HfApi().create_repo("me/artifact")
HfApi().upload_folder(folder_path={str(artifact)!r}, repo_id="me/artifact")
ModelCard.load("me/artifact").validate()
"""
    python(program, hub, tmp_path)
    pushed = hub.repositories["me/artifact"]
    assert pushed.keys() == {path.name for path in artifact.iterdir()}
    assert hub.cards, "the card was not sent to be validated"
    data = ModelCard(pushed["README.md"].decode()).data.to_dict()
    assert data["base_model"] == "me/vectors"
    assert data["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.875


def scores_where_textcnn_is_not_installed(repository: str, hub: Hub, folder: Path) -> np.ndarray:
    program = f"""
import json, sys
sys.modules["textcnn"] = None  # importing it is now an error
from transformers import pipeline
classify = pipeline("text-classification", {repository!r}, trust_remote_code=True, top_k=None)
for answer in classify({TEXTS!r}):
    print(json.dumps([entry["score"] for entry in sorted(answer, key=lambda entry: entry["label"])]))
"""
    return np.array([json.loads(line) for line in python(program, hub, folder).splitlines()])
