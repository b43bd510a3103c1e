"""Every backbone, pooling and mixture of experts where a user meets it: Hub, killed runs, estimator, command line."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.base import clone
from small_models import reviews_model

import textcnn
from textcnn.artifact import save_artifact
from textcnn.cli import main
from textcnn.core.library import library
from textcnn.training import ClassificationModule, resume

VARIANTS: dict[str, dict[str, Any]] = {
    "pyramid": {"backbone": "pyramid", "num_blocks": 2, "squeeze_excitation": True},
    "dilated": {"backbone": "dilated", "num_blocks": 2, "squeeze_excitation": True},
    "segments": {"pooling": "segments", "pooling_segments": 3},
    "max_mean": {"pooling": "max_mean"},
    "experts": {"num_experts": 3, "experts_per_text": 2},
}
TEXTS = ["a lovely film with great acting", "", "boring", "a dull film, awful plot " * 20]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> dict[str, Path]:
    saved = {}
    for variant, settings in VARIANTS.items():
        model, tokenizer = reviews_model(num_filters=6, **settings)
        saved[variant] = save_artifact(model, tokenizer, tmp_path_factory.mktemp(variant) / "artifact")
    return saved


@pytest.fixture(params=VARIANTS, ids=str)
def artifact(request, artifacts) -> Path:
    return artifacts[request.param]


@pytest.fixture(scope="module")
def opened_elsewhere(artifacts, tmp_path_factory) -> dict[str, Any]:
    """Probabilities, or the error, of each artifact in one process that has no textcnn: the imports take seconds."""
    program = f"""
import json
import traceback
import sys
sys.modules["textcnn"] = None  # importing it is now an error
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

def probabilities(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()
    batch = tokenizer({TEXTS!r}, padding=True, return_tensors="pt")
    with torch.no_grad():
        answer = model(**batch).logits.softmax(-1).tolist()
    body = AutoModel.from_pretrained(folder, trust_remote_code=True)
    assert body(torch.tensor([[5, 6]])).pooler_output.shape == (1, model.config.hidden_size)
    return answer

answers = {{}}
for folder in {[str(folder) for folder in artifacts.values()]!r}:
    try:
        answers[folder] = probabilities(folder)
    except Exception:
        answers[folder] = traceback.format_exc()
print(json.dumps(answers))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path_factory.mktemp("elsewhere"))
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_it_opens_where_textcnn_cannot_be_imported(artifact, opened_elsewhere):
    answer = opened_elsewhere[str(artifact)]
    assert isinstance(answer, list), answer
    np.testing.assert_allclose(answer, textcnn.load(artifact).predict_proba(TEXTS), atol=1e-5)


def test_the_c_interface_answers_or_refuses_by_name(artifact):
    if textcnn.info(artifact).unfolded:
        pytest.skip("no tables, which the C interface refuses as a missing file")
    wanted = textcnn.load(artifact).predict_proba(TEXTS)  # folds
    core = library()
    core.textcnn_open.restype, core.textcnn_open.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
    model = core.textcnn_open(str(artifact).encode())
    if artifact_pooling(artifact) == "max_mean":
        for text, row in zip(TEXTS, wanted, strict=True):
            got = np.empty_like(row)
            core.textcnn_classify(model, text.encode(), len(text.encode()), got.ctypes.data)
            np.testing.assert_allclose(got, row, atol=1e-6)
        core.textcnn_close(model)
        return
    assert model is None
    message = core.textcnn_error().decode()
    assert "config.json: " in message
    assert "the C interface has the poolings max and max_mean and one bank" in message


def artifact_pooling(artifact: Path) -> str:
    """Return the pooling of an artifact, of its config.json."""
    return str(json.loads((artifact / "config.json").read_text(encoding="utf-8")).get("pooling", "max"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_killed_run_goes_on_where_it_was(variant, reviews, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    plain = ClassificationModule.training_step
    network = {"num_filters": 8, "embedding_dim": 8, "dropout": 0.0, **VARIANTS[variant]}
    words = [word for name, value in network.items() for word in (f"--model.architecture.{name}", str(value).lower())]
    # With the reviews' own words, a checkpoint after every step is of kilobytes; with the shipped ones, of megabytes.
    words += ["--data.tokenizer", "word", "--data.batch_size", "8"]
    words += ["--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "1"]

    def fit(name: str, *more: str) -> dict[str, torch.Tensor]:
        main(["fit", "--data.path", str(reviews), "--output_dir", str(tmp_path / name), *words, *more,
              "--trainer.enable_progress_bar", "false"])  # fmt: skip
        return load_file(tmp_path / name / "model.safetensors")

    whole = fit("whole")
    steps = []

    def failing(self: Any, batch: Any, batch_idx: int) -> Any:
        steps.append(batch_idx)
        if len(steps) > 9:
            raise RuntimeError("no power")
        return plain(self, batch, batch_idx)

    with monkeypatch.context() as down:
        down.setattr(ClassificationModule, "training_step", failing)
        with pytest.raises(RuntimeError, match="no power"):
            fit("killed")
    seen: list[int] = []
    monkeypatch.setattr(
        ClassificationModule, "training_step", lambda self, batch, i: seen.append(i) or plain(self, batch, i)
    )
    again = fit("killed", "--ckpt_path", "last")
    assert seen == [*range(14), *range(14)][9:]
    for name, tensor in whole.items():
        torch.testing.assert_close(again[name], tensor, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_estimator_and_command_line(variant, reviews, tmp_path):
    settings = {"num_filters": 8, "embedding_dim": 8, "max_epochs": 1, **VARIANTS[variant]}
    texts = [f"{word} film {i}" for word in ("lovely", "dull") for i in range(10)]
    estimator = textcnn.TextCNNClassifier(**settings)
    fitted = clone(estimator).fit(texts, ["good"] * 10 + ["bad"] * 10)
    assert fitted.predict_proba(texts).shape == (20, 2)
    words = []
    for name, value in settings.items():
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    main(["train", str(reviews), "--output", str(tmp_path / "run"), *words])
    config = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert VARIANTS[variant].items() <= config.items()
    copied = (tmp_path / "run" / "config.yaml").read_text(encoding="utf-8")
    for name, value in VARIANTS[variant].items():
        assert f"{name}: {json.dumps(value) if isinstance(value, bool) else value}" in copied


@pytest.mark.parametrize("variant", ["pyramid", "dilated"])
def test_long_texts_are_not_laid_side_by_side_with_many(variant, monkeypatch):
    """A batch of a deep network is bounded in tokens, with its padding; each text has the answer that it has alone."""
    from textcnn import loading

    model, tokenizer = reviews_model(num_filters=6, **VARIANTS[variant])
    classifier = loading.TorchClassifier(model, tokenizer)
    texts = ["a dull film " * 40, *TEXTS, "boring " * 30, *TEXTS]
    wanted = [classifier.predict_proba([text])[0] for text in texts]
    shapes, explained = [], classifier.explain(texts[0])
    outputs = model.outputs

    def watched(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(ids.shape))
        return outputs(ids, mask)

    monkeypatch.setattr(model, "outputs", watched)
    monkeypatch.setattr(loading, "_MOST_TOKENS", 300)
    np.testing.assert_allclose(classifier.predict_proba(texts), wanted, atol=1e-6)
    assert sum(rows for rows, _ in shapes) == len(texts)
    assert all(rows * longest <= 300 for rows, longest in shapes)
    assert len(shapes) < len(texts)
    assert classifier.explain(texts[0]) == explained
    assert all(rows * longest <= 300 or rows == 1 for rows, longest in shapes)
