"""The artifact: what is written, what is refused, and that it opens where textcnn is not installed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from small_models import reviews_model
from transformers import AutoTokenizer, pipeline

import textcnn
from textcnn.artifact import TrainingRecord, check_artifact, read_artifact, save_artifact
from textcnn.tokenization import train_tokenizer

TEXTS = ["a lovely film", "", "boring", "great acting, awful plot"]


@pytest.fixture(scope="module")
def built():
    return reviews_model()


@pytest.fixture
def artifact(built, tmp_path):
    record = TrainingRecord(
        data="me/reviews",
        scores={"test_accuracy": 0.875, "val_macro_f1": 0.9, "val_loss": 0.3},
        data_report="rows: train 120",
        parameters={"seed": 3},
        base_model="me/vectors",
    )
    return save_artifact(*built, tmp_path / "artifact", record)


def without_digests(artifact):
    """Make it an artifact of an earlier version."""
    path = artifact / "config.json"
    config = json.loads(path.read_text())
    del config["digests"]
    path.write_text(json.dumps(config))


def test_files(artifact):
    names = {path.name for path in artifact.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl", ".ckpt"))]
    written = json.loads((artifact / "tokenizer_config.json").read_text())["tokenizer_class"]
    assert written == "PreTrainedTokenizerFast", "transformers before 5 cannot read TokenizersBackend"
    config_mode = (artifact / "config.json").stat().st_mode
    assert (artifact / "model.safetensors").stat().st_mode == config_mode


def test_a_full_disk_leaves_the_artifact_as_it_was(built, artifact, monkeypatch):
    before = {path.name: path.read_bytes() for path in artifact.iterdir()}

    def save_tokenizer(tokenizer, directory):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("textcnn.tokenization.save_tokenizer", save_tokenizer)
    with torch.no_grad():
        built[0].head.weight.add_(1)
    try:
        with pytest.raises(OSError, match="No space left"):
            save_artifact(*built, artifact)
    finally:
        with torch.no_grad():
            built[0].head.weight.sub_(1)
    assert {path.name: path.read_bytes() for path in artifact.iterdir()} == before


def test_model_card(artifact):
    card = ModelCard.load(artifact / "README.md")
    data = card.data.to_dict()
    assert data["pipeline_tag"] == "text-classification"
    assert data["library_name"] == "transformers"
    assert data["datasets"] == ["me/reviews"]
    assert data["base_model"] == "me/vectors"
    assert data["metrics"] == ["accuracy", "f1"]
    assert data["model-index"][0]["name"] == "textcnn-reviews"
    results = {result.metric_name: result for result in card.data.eval_results}
    assert set(results) == {"test_accuracy", "val_macro_f1"}
    assert results["test_accuracy"].metric_value == 0.875
    assert (results["test_accuracy"].metric_type, results["test_accuracy"].dataset_split) == ("accuracy", "test")
    assert (results["val_macro_f1"].metric_type, results["val_macro_f1"].dataset_split) == ("f1", "validation")
    for part in ("rows: train 120", '"seed": 3', "textcnn.load(", "negative, positive"):
        assert part in card.text


def test_every_transformers_door_gives_the_same_answer(built, artifact):
    _, tokenizer = built
    classifier = textcnn.load(artifact)
    probabilities = classifier.predict_proba(TEXTS)
    ours = AutoTokenizer.from_pretrained(artifact)
    assert [ours(text)["input_ids"] for text in TEXTS] == [tokenizer(text)["input_ids"] for text in TEXTS]
    for batch_size in (1, 4):
        classify = pipeline("text-classification", str(artifact), top_k=None, batch_size=batch_size)
        for text, row, answer in zip(TEXTS, probabilities, classify(TEXTS), strict=True):
            scores = {entry["label"]: entry["score"] for entry in answer}
            np.testing.assert_allclose([scores[label] for label in classifier.labels], row, atol=1e-5, err_msg=text)


def test_opens_where_textcnn_cannot_be_imported(artifact, tmp_path):
    expected = textcnn.load(artifact).predict_proba(TEXTS)
    program = f"""
import sys
sys.modules["textcnn"] = None  # importing it is now an error
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline
folder = {str(artifact)!r}
classify = pipeline("text-classification", folder, trust_remote_code=True, top_k=None)
for answer in classify({TEXTS!r}):
    print([entry["score"] for entry in sorted(answer, key=lambda entry: entry["label"])])
assert AutoConfig.from_pretrained(folder, trust_remote_code=True).kernel_sizes == [3, 4, 5]
body = AutoModel.from_pretrained(folder, trust_remote_code=True)
assert body(torch.tensor([[5, 6]])).pooler_output.shape == (1, 15)
again = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
again.save_pretrained({str(tmp_path / "again")!r})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    scores = [json.loads(line) for line in done.stdout.splitlines()]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert (tmp_path / "again" / "model.safetensors").is_file()


def test_no_such_directory_names_the_nearest(artifact):
    with pytest.raises(FileNotFoundError, match=r"did you mean .*artifact\?"):
        check_artifact(artifact.parent / "artefact")


def test_a_file_is_no_directory(artifact, tmp_path):
    (tmp_path / "sms.csv").write_text("text,label\n")
    with pytest.raises(
        ValueError, match=r"got the file .*sms\.csv; expected the directory of a trained model"
    ) as error:
        textcnn.load(tmp_path / "sms.csv")
    assert "did you mean" not in str(error.value)
    with pytest.raises(ValueError, match=r"config\.json; expected the directory of .* did you mean .*artifact\?"):
        textcnn.load(artifact / "config.json")
    # What is no directory is no suggestion for one.
    with pytest.raises(FileNotFoundError, match=r"no directory .*sms$"):
        textcnn.load(tmp_path / "sms")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_file(artifact, name):
    (artifact / name).unlink()
    with pytest.raises(ValueError, match=f"it has no {name}"):
        textcnn.load(artifact)


def test_config_that_is_not_ours(artifact):
    path = artifact / "config.json"
    path.write_text(path.read_text().replace('"model_type": "textcnn"', '"model_type": "bert"'))
    with pytest.raises(ValueError, match="got model_type 'bert'; expected 'textcnn'"):
        textcnn.load(artifact)
    path.write_text("{")
    with pytest.raises(ValueError, match="is no JSON object"):
        textcnn.load(artifact)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_weights(artifact, share):
    without_digests(artifact)
    path = artifact / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"cannot be read .* partial copy"):
        textcnn.load(artifact)


def test_weights_of_another_model(built, artifact):
    from safetensors.torch import load_file, save_file

    without_digests(artifact)
    weights = load_file(artifact / "model.safetensors")
    del weights["head.bias"]
    save_file(weights, artifact / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks head\.bias"):
        textcnn.load(artifact)


def test_tokenizer_of_another_model(built, artifact):
    from textcnn.tokenization import save_tokenizer

    without_digests(artifact)
    save_tokenizer(train_tokenizer(["other words entirely"] * 2, vocab_size=40), artifact)
    with pytest.raises(ValueError, match=r"got a tokenizer of \d+ tokens .* expected the model's own"):
        read_artifact(artifact)
