"""Ordered levels among several label columns, from the first row to the last interface."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from folded_models import make_model, word_tokenizer
from safetensors.torch import load_file
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score
from small_models import QUICK
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn import TextCNNClassifier, TextDataModule
from textcnn.artifact import read_artifact, save_artifact
from textcnn.cli import main
from textcnn.data.errors import DataError
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier
from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.model.ordinal import HeadCutPoints, cut_points_of_counts, level_logits
from textcnn.runtime.checks import check_config
from textcnn.runtime.heads import HeadsClassifier
from textcnn.training import ClassificationModule, resume
from textcnn.training.bag_start import bag_weights, ridge_of_bag
from textcnn.training.heads import weighted_loss
from textcnn.training.losses import text_losses

WORDS = [f"w{number}" for number in range(2, 14)]
COLUMNS: dict[str, Any] = {
    "label_columns": ["topic", "stars", "tone", "price"], "ordinal_columns": ["stars"], "regression_columns": ["price"],
}  # fmt: skip
# A head before that of levels, and one after it: outputs 0 and 1, 2, and 3 and 4; labels 0 and 1, 2 to 4, and 5 and 6.
HEADS: list[dict[str, Any]] = [
    {"name": "topic", "problem_type": "single_label_classification", "labels": ["a", "b"], "temperature": 2.0},
    {"name": "stars", "problem_type": "ordinal", "labels": ["1", "2", "5"], "temperature": 1.5,
     "cut_points": [-1.0, 0.5]},
    {"name": "tone", "problem_type": "multi_label_classification", "labels": ["loud", "rude"],
     "thresholds": {"loud": 0.3}},
]  # fmt: skip
TEXTS = ["", "w2", "w3 w4 w5", "w9 w8 w7 w6 w5"]


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    """Texts of random words, and four columns that words decide; some levels are missing."""
    rng = np.random.default_rng(seed)
    words = [rng.choice(WORDS, rng.integers(2, 7)).tolist() for _ in range(count)]
    score = np.array([2.0 * own.count("w3") + own.count("w4") - 2.0 * own.count("w5") for own in words])
    stars = np.array([1, 2, 3, 10])[np.digitize(score, [-1, 0.5, 1.5])].astype(object)
    stars[::10] = None
    return pd.DataFrame({
        "text": [" ".join(own) for own in words], "topic": ["a" if "w7" in own else "b" for own in words],
        "stars": stars,
        "tone": [[tone for tone, word in (("loud", "w8"), ("rude", "w9")) if word in own] for own in words],
        "price": [30.0 + 5 * own.count("w10") for own in words],
    })  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on generated data with one column of each kind."""
    folder = tmp_path_factory.mktemp("levels")
    frame(400).to_json(folder / "train.jsonl", orient="records", lines=True)
    textcnn.train(str(folder / "train.jsonl"), folder / "run", max_epochs=6, **COLUMNS, **QUICK)
    return folder / "run"


def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")


def model_of_heads(**network: Any) -> TextCNNForSequenceClassification:
    """A small model whose cut points are not those of the start."""
    model = make_model(heads=HEADS, **network)
    model.cut_points["1"].set([-0.7, 0.9])
    model.store_cut_points()
    return model


def padded_ids() -> torch.Tensor:
    ids = [[int(word[1:]) for word in text.split()] for text in TEXTS]
    return torch.tensor([[*row, *[0] * (5 - len(row))] for row in ids])


@pytest.mark.parametrize(
    "network",
    [{}, {"bag": "sqrtn", "bag_buckets": 32}, {"bag": "sqrtn", "bag_buckets": 32, "bag_dim": 3},
     {"bag": "mean", "bag_buckets": 32, "kernel_sizes": []}, {"pooling": "segments"}, {"num_experts": 2},
     {"num_members": 2}, {"backbone": "dilated", "num_blocks": 1}],
)  # fmt: skip
def test_a_head_of_levels_has_one_output_and_a_logit_for_each_level(network: dict[str, Any]) -> None:
    model, ids = model_of_heads(**network), padded_ids()
    assert (model.config.num_logits, model.config.num_labels, model.head.out_features) == (5, 7, 5)
    with torch.inference_mode():
        outputs, logits = model.outputs(ids, (ids != 0).long()), model(ids).logits
    assert (outputs.shape, logits.shape) == ((4, 5), (4, 7))
    by_head = model.by_head(logits)
    wanted = {
        "topic": (outputs[:, :2] / 2).softmax(dim=1),
        "stars": level_logits(outputs[:, 2:3] / 1.5, torch.tensor([-0.7, 0.9]) / 1.5).exp(),
        "tone": outputs[:, 3:].sigmoid(),
    }
    torch.testing.assert_close(by_head["topic"].softmax(dim=1), wanted["topic"])
    torch.testing.assert_close(by_head["stars"].softmax(dim=1), wanted["stars"])
    torch.testing.assert_close(by_head["tone"].sigmoid(), wanted["tone"])
    # Logits of labels are not taken for outputs.
    torch.testing.assert_close(model.of_levels(logits), logits)
    folds = "backbone" not in network
    for engine in [TorchClassifier(model, tokenizer()), *([fold(model, word_tokenizer())] if folds else [])]:
        heads = HeadsClassifier(engine)
        np.testing.assert_allclose(engine.logits(TEXTS), outputs, atol=1e-4)
        for name, probabilities in heads.predict_proba(TEXTS).items():
            np.testing.assert_allclose(probabilities, wanted[name], atol=1e-5)
            np.testing.assert_allclose(heads.heads[name].predict_proba(TEXTS), wanted[name], atol=1e-5)
        expected = wanted["stars"] @ torch.tensor([1.0, 2.0, 5.0])
        np.testing.assert_allclose(heads.expected_level(TEXTS)["stars"], expected, atol=1e-4)
        np.testing.assert_allclose(heads.heads["stars"].expected_level(TEXTS), expected, atol=1e-4)
        assert heads.predict_proba([])["stars"].shape == (0, 3)
        why = heads.explain(TEXTS[2], head="stars")
        assert why.logit == pytest.approx(float(outputs[2, 2]) / 1.5, abs=1e-4)
        assert why.label == heads.predict(TEXTS)["stars"][2]
        if folds:
            assert why.bias + sum(part.weight for part in why.contributions) == pytest.approx(why.logit, abs=1e-4)
    if folds:
        assert engine.tensors["head_weight"].shape[0] == 5


def test_losses_are_those_of_models_of_one_column() -> None:
    model, alone = model_of_heads(), make_model(problem_type="ordinal", id2label={0: "1", 1: "2", 2: "5"})
    alone.cut_points.set([-0.7, 0.9])
    model.config.heads[1]["temperature"] = 1.0
    outputs = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    topics, stars = torch.tensor([0, 1, -1, 1, 0, 0]), torch.tensor([0, 2, 1, -1, 3, 2])  # 3: one that train lacks
    tones = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [torch.nan] * 2, [1.0, 0.0], [0.0, 0.0]])
    labels = {"topic": torch.full_like(topics, -1), "stars": stars, "tone": torch.full_like(tones, torch.nan)}
    known, there = (stars >= 0) & (stars < 3), ~tones.isnan().any(dim=1)
    of_stars = alone.loss(outputs[known, 2:3], stars[known])
    torch.testing.assert_close(model.loss(outputs, labels), of_stars)
    model.loss(outputs, labels).backward()
    assert outputs.grad[:, [0, 1, 3, 4]].abs().max() == 0
    (of_model,), (of_alone,) = (torch.autograd.grad(own.loss(*given), own.cut_points.parameters()) for own, given in (
        (model, (outputs, labels)), (alone, (outputs[known, 2:3], stars[known]))))  # fmt: skip
    torch.testing.assert_close(of_model, of_alone)
    every = {"topic": topics, "stars": stars, "tone": tones}
    of_topics = functional.cross_entropy(outputs[topics >= 0, :2], topics[topics >= 0])
    of_tones = functional.binary_cross_entropy_with_logits(outputs[there, 3:], tones[there])
    torch.testing.assert_close(model.loss(outputs, every), (of_topics + of_stars + of_tones) / 3)
    # With weights of texts and of classes, which are those of labels.
    model.config.class_weights = [1.0, 1.0, 2.0, 1.0, 4.0, 1.0, 1.0]
    weights = torch.arange(1.0, 7.0)
    own = text_losses(alone.of_levels(outputs[known, 2:3]), stars[known], "ordinal", model.config, [2.0, 1.0, 4.0])
    found = weighted_loss(model.of_levels(outputs), labels, weights, model.config)
    torch.testing.assert_close(found, (own * weights[known]).mean())


def test_gradients_of_scores_and_cut_points() -> None:
    points = HeadCutPoints(HEADS).double()
    points["1"].set([-0.7, 0.9])
    config = TextCNNConfig(heads=HEADS)
    outputs = torch.randn(3, 5, dtype=torch.double, requires_grad=True)

    def logits(outputs: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(points, {"1.raw": raw}, (outputs,))

    points.forward = lambda given: points.logits(given, config)
    assert torch.autograd.gradcheck(logits, (outputs, points["1"].raw.detach().clone().requires_grad_()))


def test_cut_points_start_at_the_frequencies_of_their_own_column() -> None:
    model = make_model(heads=HEADS)
    model.cut_points.start([70, 30, 10, 60, 30, 5, 5], model.config)
    torch.testing.assert_close(
        model.cut_points["1"]().detach(), torch.tensor(cut_points_of_counts([10, 60, 30])), atol=1e-4, rtol=1e-4
    )
    model.store_cut_points()
    assert model.config.heads[1]["cut_points"] == pytest.approx(cut_points_of_counts([10, 60, 30]), abs=1e-4)
    # The heads that the configuration was made of are as they were.
    assert HEADS[1]["cut_points"] == [-1.0, 0.5]
    assert "cut_points" not in model.config.heads[0]
    with pytest.raises(ValueError, match="heads: got 1 ordered level of s; expected at least two"):
        TextCNNConfig(heads=[{"name": "s", "problem_type": "ordinal", "labels": ["1"]}])


def test_models_of_levels_alone_and_of_heads_without_levels_keep_their_weights_names() -> None:
    alone = make_model(problem_type="ordinal", id2label={0: "1", 1: "2", 2: "5"})
    assert [name for name in alone.state_dict() if "cut" in name] == ["cut_points.raw"]
    assert not any("cut" in name for name in make_model(heads=[HEADS[0], HEADS[2]]).state_dict())


def test_a_saved_model_opens_with_its_cut_points(tmp_path: Path) -> None:
    model, ids = model_of_heads(bag="sqrtn", bag_buckets=32), padded_ids()
    save_artifact(model, tokenizer(), tmp_path)
    again, _ = read_artifact(tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(again(ids).logits, model(ids).logits)
    assert again.config.heads == model.config.heads
    # Another trainer, that of transformers for one, moves the weights and saves.
    again.cut_points["1"].set([-2.0, 3.0])
    again.save_pretrained(tmp_path / "moved")
    moved = json.loads((tmp_path / "moved" / "config.json").read_text())["heads"][1]
    assert moved["cut_points"] == pytest.approx([-2.0, 3.0], abs=1e-5)
    assert load_file(tmp_path / "model.safetensors")["cut_points.1.raw"].shape == (2,)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["heads"][1]["cut_points"] == pytest.approx([-0.7, 0.9], abs=1e-5)
    assert len(config["id2label"]) == 7


def test_the_bag_starts_from_the_places_of_the_levels() -> None:
    data = TextDataModule(frame(300), **COLUMNS, vectors=None, tokenizer="word", validation_fraction=0.0)
    assert data.heads is not None
    assert [head["problem_type"].split("_")[0] for head in data.heads] == ["single", "ordinal", "multi", "regression"]
    bag = make_model(heads=data.heads, bag="sqrtn", bag_buckets=64, vocab_size=data.vocab_size).bag
    weights, bias = bag_weights(bag, "linear", data, 6, True, data.heads)
    assert weights.shape[1] == len(bias) == 6
    ids, lengths, targets = data.encoded_train()
    places = np.where(targets["stars"] < 0, np.nan, targets["stars"].astype(float))
    alone, _ = ridge_of_bag(bag, ids, lengths, (places - np.nanmean(places)) / np.nanstd(places))
    np.testing.assert_allclose(weights[:, 2:3], alone, atol=1e-6)
    mean, deviation = data.target_scale()
    assert (mean[:5].tolist(), deviation[:5].tolist()) == ([0] * 5, [1] * 5)
    assert mean[5] == pytest.approx(frame(300)["price"].mean())
    assert "'stars' (4 ordered levels)" in data.data_report


def test_a_run_learns_the_levels_as_a_model_of_them_alone_does(run: Path, tmp_path: Path) -> None:
    new, data = frame(300, seed=1), frame(400).dropna(subset="stars")
    textcnn.train(
        data.astype({"stars": int})[["text", "stars"]], tmp_path / "alone", max_epochs=6, problem_type="ordinal",
        label_column="stars", **QUICK,
    )  # fmt: skip
    there = new.dropna(subset="stars").astype({"stars": int})
    alone = textcnn.evaluate(tmp_path / "alone", there[["text", "stars"]], resamples=0).scores
    found = textcnn.evaluate(run, new, resamples=0)
    own = found.heads["stars"].scores
    of_head = textcnn.evaluate(run, new, resamples=0, head="stars", report=tmp_path / "report.html").scores
    assert of_head["Spearman"].value == own["Spearman"].value
    assert "quadratic kappa" in (tmp_path / "report.html").read_text()
    assert list(own)[:5] == ["accuracy", "macro F1", "MAE of levels", "quadratic kappa", "Spearman"]
    assert own["quadratic kappa"].value > 0.9
    for name in ("quadratic kappa", "Spearman"):
        assert own[name].value == pytest.approx(alone[name].value, abs=0.05)
    assert found.heads["topic"].scores["accuracy"].value > 0.9
    assert found.heads["price"].scores["R2"].value > 0.9
    model, texts = textcnn.load(run), there["text"].tolist()
    places = {label: n for n, label in enumerate(model.deciders["stars"].labels)}
    assert list(places) == ["1", "2", "3", "10"]
    given, wanted = ([places[str(x)] for x in own] for own in (model.predict(texts)["stars"], there["stars"]))
    assert own["quadratic kappa"].value == pytest.approx(cohen_kappa_score(wanted, given, weights="quadratic"))
    assert own["Spearman"].value == pytest.approx(spearmanr(model.expected_level(texts)["stars"], wanted)[0])


def test_scores_of_a_run_and_its_card(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = textcnn.info(run).scores
    chosen = ("topic_micro_f1", "stars_quadratic_kappa", "tone_average_precision", "price_r2")
    assert scores["val_mean_score"] == pytest.approx(np.mean([scores[f"val_{name}"] for name in chosen]), abs=1e-4)
    epochs = pd.read_csv(run / "logs" / "version_0" / "metrics.csv").dropna(subset="val_mean_score")
    means = epochs[[f"val_{name}" for name in chosen]].mean(axis=1)
    np.testing.assert_allclose(epochs["val_mean_score"], means, atol=1e-6)
    assert {"val_stars_mae", "val_stars_spearman", "val_stars_accuracy", "val_stars_macro_f1"} <= set(scores)
    held_out = pd.read_json(run / "held_out.jsonl.gz", lines=True)
    again = textcnn.evaluate(run, held_out, resamples=0).heads["stars"].scores
    assert again["quadratic kappa"].value == pytest.approx(scores["val_stars_quadratic_kappa"], abs=1e-3)
    assert again["MAE of levels"].value == pytest.approx(scores["val_stars_mae"], abs=1e-3)
    card = (run / "README.md").read_text()
    assert "Label columns: topic (2 labels), stars (4 levels), tone (2 labels), price (a number)." in card
    assert "type: cohen_kappa" in card
    main(["info", str(run)])
    assert "ordinal, 4 levels: 1, 2, 3, 10" in capsys.readouterr().out


def test_weights_of_network_and_bag_and_the_cut_points_are_fitted(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    stars = config["heads"][1]
    assert stars["cut_points"] == sorted(stars["cut_points"])
    assert re.search(r'"stars_factor_of_bag": [0-9.]+', (run / "README.md").read_text())
    model, _ = read_artifact(run)
    assert model.cut_points["1"].values() == pytest.approx(stars["cut_points"], abs=1e-6)
    # They have left the frequencies of the levels.
    data = TextDataModule(str(run.parent / "train.jsonl"), **COLUMNS, vectors=None, tokenizer="word")
    assert np.abs(np.subtract(cut_points_of_counts(data.class_counts[2:6]), stars["cut_points"])).max() > 0.5


@pytest.mark.parametrize(
    "network", [{"bag": "none"}, {"bag_dim": 3}, {"bag_training": "joint"}, {"kernel_sizes": [], "bag": "sqrtn"}]
)
def test_the_saved_model_answers_what_training_scored(network: dict[str, Any], tmp_path: Path) -> None:
    textcnn.train(frame(120), tmp_path / "run", max_epochs=2, **{**COLUMNS, **QUICK, **network})
    held_out = pd.read_json(tmp_path / "run/held_out.jsonl.gz", lines=True)
    found = textcnn.evaluate(tmp_path / "run", held_out, resamples=0).heads["stars"].scores
    scores = textcnn.info(tmp_path / "run").scores
    assert found["quadratic kappa"].value == pytest.approx(scores["val_stars_quadratic_kappa"], abs=1e-3)
    assert found["MAE of levels"].value == pytest.approx(scores["val_stars_mae"], abs=1e-3)


def test_a_run_starts_with_cut_points_at_the_frequencies(tmp_path: Path) -> None:
    without_steps = {**QUICK, "learning_rate": 1e-9, "embedding_learning_rate": 1e-9, "bag": "none", "max_epochs": 1}
    textcnn.train(frame(120), tmp_path, force=True, **COLUMNS, **without_steps)
    counts = TextDataModule(frame(120), **COLUMNS, vectors=None, tokenizer="word").class_counts
    found = json.loads((tmp_path / "config.json").read_text())["heads"][1]["cut_points"]
    assert found == pytest.approx(cut_points_of_counts(counts[2:6]), abs=1e-3)


def test_every_engine_answers_as_torch_and_a_saved_head_by_itself(run: Path, tmp_path: Path) -> None:
    texts, model = [*frame(40, seed=2)["text"], ""], textcnn.load(run)
    network, saved_tokenizer = read_artifact(run)
    of_torch = HeadsClassifier(TorchClassifier(network, saved_tokenizer))
    for name, probabilities in model.predict_proba(texts).items():
        np.testing.assert_allclose(probabilities, of_torch.predict_proba(texts)[name], atol=1e-5)
        np.testing.assert_allclose(probabilities, model.heads[name].predict_proba(texts), atol=1e-5)
    wanted = model.predict_proba(texts)["stars"]
    assert list(model.predict(texts)["stars"]) == list(model.heads["stars"].predict(texts))
    rounded = fold(network, saved_tokenizer, int8=True, texts=texts)
    error = json.loads(rounded.metadata["int8_error"])
    assert (
        np.abs(HeadsClassifier(rounded).predict_proba(texts)["stars"] - wanted).max() <= error["max_difference"] + 1e-7
    )
    alone = textcnn.load(model.heads["stars"].save(tmp_path / "stars"))
    np.testing.assert_array_equal(alone.predict_proba(texts), model.heads["stars"].predict_proba(texts))
    np.testing.assert_allclose(alone.expected_level(texts), model.expected_level(texts)["stars"], rtol=1e-5)
    assert alone.config["problem_type"] == "ordinal"
    assert "heads" not in alone.config
    assert textcnn.info(tmp_path / "stars").task == "ordinal"
    found = textcnn.evaluate(tmp_path / "stars", frame(100, seed=1).dropna()[["text", "stars"]], resamples=0).scores
    assert found["quadratic kappa"].value > 0.8


def test_onnx_and_the_pipeline(copy: Path) -> None:
    pytest.importorskip("onnxruntime")
    from transformers import pipeline

    textcnn.calibrate(copy, head="stars")
    texts, model = ["w3 w4", "w5", "w2 w3", ""], textcnn.load(copy)
    assert model.deciders["stars"].temperature != 1
    wanted, labels = model.predict_proba(texts), model.predict(texts)
    written = textcnn.export(copy, copy / "m.onnx")
    for name, probabilities in written.predict_proba(texts).items():
        np.testing.assert_allclose(probabilities, wanted[name], atol=1e-5)
        np.testing.assert_allclose(written.heads[name].predict_proba(texts), wanted[name], atol=1e-5)
    assert json.loads(written.metadata["heads"])[1]["cut_points"] == model.config["heads"][1]["cut_points"]
    assert written.explain("w3 w4", head="stars").label == labels["stars"][0]
    for n, found in enumerate(pipeline("text-classification", str(copy), trust_remote_code=True)(texts)):
        assert found["stars"]["label"] == labels["stars"][n]
        assert found["stars"]["score"] == pytest.approx(float(wanted["stars"][n].max()), abs=1e-5)
        assert found["topic"]["label"] == labels["topic"][n]


def test_the_hub_files_answer_where_textcnn_is_not_installed(copy: Path) -> None:
    import subprocess
    import sys

    textcnn.calibrate(copy, head="stars")
    program = (
        "import json, sys; sys.modules['textcnn'] = None\n"
        "from transformers import AutoModelForSequenceClassification, pipeline\n"
        f"print(json.dumps(pipeline('text-classification', {str(copy)!r}, trust_remote_code=True)(['w3 w4', 'w5'])))\n"
        f"model = AutoModelForSequenceClassification.from_pretrained({str(copy)!r}, trust_remote_code=True)\n"
        "assert model.cut_points['1'].raw.shape == (3,)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=copy)
    assert done.returncode == 0, done.stderr
    answers, model = json.loads(done.stdout.strip().splitlines()[-1]), textcnn.load(copy)
    assert [one["stars"]["label"] for one in answers] == list(model.predict(["w3 w4", "w5"])["stars"])
    most = model.predict_proba(["w3 w4", "w5"])["stars"].max(axis=1)
    assert [one["stars"]["score"] for one in answers] == pytest.approx(most.tolist(), abs=1e-5)


def test_calibration_of_the_levels_leaves_the_other_heads(copy: Path) -> None:
    texts = frame(60, seed=4)["text"].tolist()
    before, outputs = textcnn.load(copy).predict_proba(texts), textcnn.load(copy).heads["stars"].outputs(texts)
    found = textcnn.calibrate(copy, data=frame(400, seed=5), label_column="stars", head="stars")
    assert found.nll[1] <= found.nll[0]
    model = textcnn.load(copy)
    np.testing.assert_array_equal(model.predict_proba(texts)["topic"], before["topic"])
    stars = model.heads["stars"]
    assert stars.temperature == pytest.approx(found.temperature)
    np.testing.assert_allclose(stars.outputs(texts) * found.temperature, outputs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        HeadsClassifier(TorchClassifier(*read_artifact(copy))).predict_proba(texts)["stars"],
        model.predict_proba(texts)["stars"], atol=1e-5,
    )  # fmt: skip
    assert np.abs(model.predict_proba(texts)["stars"] - before["stars"]).max() > 1e-4
    assert list(textcnn.calibrate(copy).heads) == ["topic", "stars", "tone"]
    textcnn.calibrate(copy, head="stars", abstain="probability:coverage=0.5")
    answers = textcnn.load(copy).predict(texts)
    assert None in list(answers["stars"])
    assert None not in list(answers["topic"])
    with pytest.raises(ValueError, match="abstain: got the score energy for a model of problem_type ordinal"):
        textcnn.calibrate(copy, head="stars", abstain="energy:coverage=0.5")


def test_score_scorer_and_server(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from textcnn.serving.app import make_app
    from textcnn.serving.served_models import ServedModels

    texts, model = frame(20, seed=3)["text"].tolist(), textcnn.load(run)
    wanted, expected = model.predict(texts)["stars"].tolist(), model.expected_level(texts)["stars"]
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "new.csv", index=False)
    textcnn.score(run, tmp_path / "new.csv", tmp_path / "new.parquet")
    scored = pd.read_parquet(tmp_path / "new.parquet")
    own = [name for name in scored if name.startswith("stars_")]
    assert own == ["stars_predicted_label", "stars_probability", "stars_expected_level",
                   *(f"stars_probability_{label}" for label in (1, 2, 3, 10))]  # fmt: skip
    assert scored["stars_predicted_label"].tolist() == wanted
    np.testing.assert_allclose(scored["stars_expected_level"], expected, rtol=1e-5)
    two = textcnn.Scorer({"one": run, "two": run}, label_only=True, reasons=1)
    together = two(pd.DataFrame({"text": texts}))
    np.testing.assert_allclose(together["two_stars_expected_level"], expected, rtol=1e-5)
    assert together["one_stars_predicted_label"].tolist() == wanted
    assert set(two.schema.names) == set(together) - {"text"}
    assert len(two(pd.DataFrame({"text": [None, None]}))) == 2
    only = textcnn.LabelFilter(run, "10", 0.5, head="stars")
    assert only.probability(texts) == pytest.approx(model.predict_proba(texts)["stars"][:, 3])
    with TestClient(make_app(ServedModels({"posts": run}))) as client:
        heads = client.post("/predict", json={"texts": texts}).json()["heads"]
        assert [row["label"] for row in heads["stars"]["answers"]] == wanted
        assert [row["expected_level"] for row in heads["stars"]["answers"]] == pytest.approx(
            expected.tolist(), rel=1e-5
        )
        assert heads["stars"]["labels"] == ["1", "2", "3", "10"]
        one = client.post("/predict", json={"model": "posts/stars", "text": texts[0]}).json()["answers"][0]
        assert one["expected_level"] == pytest.approx(expected[0], rel=1e-5)
        why = client.post("/explain", json={"model": "posts/stars", "text": "w3"}).json()
        assert why["label"] == model.predict(["w3"])["stars"][0]


def test_the_order_of_levels_that_are_no_numbers() -> None:
    names = {1: "low", 2: "middle", 3: "high", 10: "urgent"}
    data = frame(120).assign(stars=lambda own: own["stars"].map(names))
    given = {**COLUMNS, "ordinal_columns": ["stars:low,middle,high, urgent"]}
    module = TextDataModule(data, **given)
    assert module.heads is not None
    assert module.heads[1]["labels"] == ["low", "middle", "high", "urgent"]
    # Lists of labels after its name do not make a column of one that is called so.
    odd = data.rename(columns={"stars": "stars:of,posts"})
    columns = ["topic", "stars:of,posts"]
    with pytest.raises(
        DataError, match=r"the column 'stars:of,posts': ordinal_columns: got the labels .*; expected num"
    ):
        _ = TextDataModule(odd, label_columns=columns, ordinal_columns=["stars:of,posts"]).heads


def refused(run: Path, folder: Path) -> dict[str, tuple[Any, str]]:
    """Calls that a column of ordered levels does not take, and what they say, by name."""
    small = frame(60)
    words = small.assign(stars=small["stars"].map({1: "low", 2: "middle", 3: "high", 10: "urgent"}))

    def train(data: pd.DataFrame = small, name: str = "out", **settings: Any) -> Any:
        return textcnn.train(data, folder / name, **{**COLUMNS, **QUICK, **settings})

    return {
        "certify": (
            lambda: textcnn.certify(run, text="w3", head="stars"), "certify: got the head 'stars' of problem_type ord"
        ),
        "certify of the model": (
            lambda: textcnn.load(run).heads["stars"].certify(["w3"]), "certify: got a model of problem_type ordinal"
        ),
        "inspect": (
            lambda: textcnn.inspect(run, small, head="stars"), "inspect: got the head 'stars' of problem_type ordinal"
        ),
        "html": (
            lambda: textcnn.export(run, folder / "x.html"),
            "export as html or js: got the head 'stars' of problem_type ordinal.*choose another head with head",
        ),
        "html of the head": (
            lambda: textcnn.export(run, folder / "x.html", head="stars"), "html or js: got the head 'stars' of problem"
        ),
        "js": (lambda: textcnn.export(run, folder / "x.js", head="stars"), "html or js: got the head 'stars' of"),
        "label": (
            lambda: textcnn.explain(run, "w3", label="3", head="stars"), "label: got '3' for a model of problem_type"
        ),
        "no order": (
            lambda: HeadsClassifier(fold(make_model(heads=[HEADS[0]]), word_tokenizer())).expected_level(["w3"]),
            "expected_level: got heads without order",
        ),
        "without label_columns": (
            lambda: textcnn.train(small, folder / "a", label_column="stars", ordinal_columns=["stars"]),
            "ordinal_columns: got stars without label_columns.*problem_type ordinal",
        ),
        "problem_type": (
            lambda: train(problem_type="ordinal"), "problem_type: got 'ordinal' with label_columns.*in ordinal_columns"
        ),
        "misspelt": (lambda: train(ordinal_columns=["star"]), "ordinal_columns: got 'star'.*did you mean 'stars'"),
        "misspelt with levels": (lambda: train(ordinal_columns=["star:1,2"]), "got 'star'.*did you mean 'stars'"),
        "one level": (lambda: train(ordinal_columns=["stars:1"]), "got 'stars:1'; expected two or more different"),
        "a level twice": (lambda: train(ordinal_columns=["stars:1,2,1"]), "expected two or more different levels"),
        "twice": (lambda: train(ordinal_columns=["stars", "stars:1,2"]), "ordinal_columns: got 'stars' twice"),
        "numbers too": (
            lambda: train(ordinal_columns=["stars", "price"]), "ordinal_columns: got 'price', which is in regression"
        ),
        "words": (
            lambda: train(words), "'stars': ordinal_columns: got the labels .*give them with ordinal_columns stars:low"
        ),
        "a level that is not named": (
            lambda: train(words, ordinal_columns=["stars:low,midle,high,urgent"]),
            "'stars': ordinal_columns: got the label 'middle'.*did you mean 'midle'",
        ),
        "one number": (
            lambda: train(small.assign(stars=small["stars"].where(small["stars"] == 1))), "column 'stars': the train"
        ),
        "the same number": (
            lambda: train(small.assign(stars=["1", "1.0", "2"] * 20)), "ordinal_columns: got the labels '1' and '1.0'"
        ),
        "lists": (
            lambda: train(ordinal_columns=["stars", "tone"]), "column 'tone': ordinal_columns: got lists of labels"
        ),
        "naive_bayes": (
            lambda: train(bag_start="naive_bayes", regression_columns=None, label_columns=["topic", "stars"]),
            "bag_start: got naive_bayes with the ordered levels of stars",
        ),
        "tune": (
            lambda: textcnn.tune(small, output=folder / "t", **COLUMNS), "label_columns: got topic, stars, tone, price"
        ),
        "stream": (lambda: train(streaming=True), "streaming: got it with label_columns"),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(refused(Path(), Path())))
def test_what_is_refused_is_said_in_one_line(name: str, run: Path, tmp_path: Path) -> None:
    call, said = refused(run, tmp_path)[name]
    with pytest.raises(ValueError, match=said) as error:
        call()
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.html").exists()


def test_the_c_interface_refuses_the_model_and_the_head_by_itself(run: Path, tmp_path: Path) -> None:
    from textcnn.core.library import last_error, library

    core, model = library(), textcnn.load(run)
    model.heads["stars"].save(tmp_path)
    for folder, said in (
        (run, "got several heads; expected one"),
        (tmp_path, "got problem_type ordinal; expected lab"),
    ):
        files = [(folder / name).read_bytes() for name in ("config.json", "tokenizer.json", "folded.safetensors")]
        assert not core.textcnn_open_memory(*(part for file in files for part in (file, len(file))))
        assert said in str(last_error())


def test_a_page_of_another_head_has_that_head(run: Path) -> None:
    from textcnn.exporting.inlined import models_of

    assert [model.name for model in models_of([run], head="topic")] == ["run topic"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cut_points": None}, "heads: cut_points: got None; expected 2 increasing numbers"),
        ({"cut_points": [1.0]}, "heads: cut_points: got [1.0]; expected 2 increasing numbers"),
        ({"cut_points": [1.0, 1.0]}, "heads: cut_points: got [1.0, 1.0]; expected 2"),
        ({"cut_points": [1.0, float("nan")]}, "heads: cut_points: got [1.0, nan]; expected 2"),
        ({"problem_type": "ordinals"}, "heads: problem_type: got 'ordinals'; expected one of"),
    ],
)
def test_damaged_heads_are_named(change: dict[str, Any], said: str) -> None:
    labels = [f"{head['name']}: {label}" for head in HEADS for label in head["labels"]]
    config = {"id2label": {str(n): label for n, label in enumerate(labels)}, "heads": HEADS}
    check_config(config)
    with pytest.raises(ValueError, match=re.escape(said)):
        check_config({**config, "heads": [HEADS[0], {**HEADS[1], **change}, HEADS[2]]})


def test_a_job_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame(120).to_json(tmp_path / "data.jsonl", orient="records", lines=True)
    (tmp_path / "job.yaml").write_text(
        "seed_everything: 0\ndata:\n  label_columns: [topic, stars, tone, price]\n  ordinal_columns: [stars]\n"
        f"  regression_columns: [price]\n  path: {tmp_path / 'data.jsonl'}\n  tokenizer: word\n  vectors: null\n"
        "  batch_size: 8\nmodel:\n  learning_rate: 0.01\n  architecture:\n    num_filters: 8\n    embedding_dim: 8\n"
        "    bag_buckets: 256\n"
        "trainer:\n  max_epochs: 2\n  enable_progress_bar: false\n",
        encoding="utf-8",
    )

    def fit(name: str, *more: str) -> dict[str, torch.Tensor]:
        main(["fit", "--config", str(tmp_path / "job.yaml"), "--output_dir", str(tmp_path / name), *more])
        return load_file(tmp_path / name / "model.safetensors")

    whole = fit("whole")
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    plain, steps = ClassificationModule.training_step, list[int]()

    def training_step(self: Any, batch: Any, batch_idx: int) -> Any:
        steps.append(batch_idx)
        if len(steps) > 9:
            raise RuntimeError("no power")
        return plain(self, batch, batch_idx)

    with monkeypatch.context() as down:
        down.setattr(ClassificationModule, "training_step", training_step)
        with pytest.raises(RuntimeError, match="no power"):
            fit("killed")
    went_on = fit("killed", "--ckpt_path", "last")
    assert set(went_on) == set(whole)
    assert "cut_points.1.raw" in whole
    for name, weight in whole.items():
        assert torch.equal(went_on[name], weight), name
    assert textcnn.load(tmp_path / "killed").deciders["stars"].labels == ["1", "2", "3", "10"]


def test_the_command_line_and_yaml_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data.csv", str(tmp_path / "run")
    frame(150)[["text", "topic", "stars"]].to_csv(data, index=False)
    quick = ["--num_filters", "4", "--embedding_dim", "8", "--max_epochs", "1", "--vectors", "none"]
    columns = ["--label_columns", "stars", "topic", "--ordinal_columns", "stars"]
    main(["train", str(data), "--output", out, *columns, *quick])
    captured = capsys.readouterr()
    assert "val_stars_quadratic_kappa" in captured.out
    assert "val stars" in captured.err or "validation stars" in captured.err
    main(["evaluate", out, "--data", str(data), "--resamples", "5"])
    printed = capsys.readouterr().out
    assert "stars: 135 texts, 4 classes" in printed
    assert "quadratic kappa" in printed
    main(["explain", out, "w3 w4", "--head", "stars"])
    assert "probability" in capsys.readouterr().out
    main(["calibrate", out, "--data", str(data), "--head", "stars"])
    assert "temperature" in capsys.readouterr().out
    main(["validate", "--config", f"{out}/config.yaml", "--trainer.enable_progress_bar", "false"])
    assert "val_stars_quadratic_kappa" in capsys.readouterr().out
    # The settings of the run, and of an order that is given, are those of a YAML job.
    job = (tmp_path / "run" / "config.yaml").read_text()
    assert re.search(r"ordinal_columns:\n *- stars", job)
    order = ["--label_columns", "stars", "topic", "--ordinal_columns", "stars:10,3,2,1"]
    main(["train", str(data), "--output", out + "2", *order, *quick, "--no_summary"])
    capsys.readouterr()
    assert textcnn.load(out + "2").deciders["stars"].labels == ["10", "3", "2", "1"]
    with pytest.raises(SystemExit) as end:
        main(["train", str(data), "--output", out + "3", *columns[:3], "--ordinal_columns", "star", *quick])
    assert end.value.code == 2
    assert capsys.readouterr().err.strip().count("\n") == 0


def test_the_estimator(tmp_path: Path) -> None:
    settings = {name: value for name, value in QUICK.items() if name not in ("progress", "summary")}
    data = frame(300).dropna(subset="stars").astype({"stars": int})
    y, texts = data[["topic", "stars"]], data["text"].tolist()
    model = TextCNNClassifier(**settings, ordinal=["stars"], max_epochs=6, min_frequency=1).fit(texts, y)
    assert model.classes_[1].tolist() == [1, 2, 3, 10]
    saved = textcnn.load(model.save(tmp_path / "saved"))
    assert saved.deciders["stars"].labels == ["1", "2", "3", "10"]
    assert saved.config["heads"][1]["problem_type"] == "ordinal"
    probabilities = model.predict_proba(texts)
    np.testing.assert_allclose(
        model.expected_level(texts, column="stars"), probabilities[1] @ model.classes_[1], rtol=1e-4
    )
    assert (model.predict(texts)[:, 1] == data["stars"]).mean() > 0.8
    assert model.explain("w3", column="stars").label in ("3", "10")
    with pytest.raises(ValueError, match="column: got None; expected one of topic, stars"):
        model.expected_level(texts)
    with pytest.raises(ValueError, match="expected_level: got labels without order"):
        model.expected_level(texts, column="topic")
    half = np.stack([data["stars"].to_numpy() / 2, data["stars"].to_numpy()], axis=1)
    every = TextCNNClassifier(**settings, ordinal=True, max_epochs=1, min_frequency=1).fit(texts, half)
    assert textcnn.load(every.save(tmp_path / "every")).deciders["y0"].labels == ["0.5", "1.0", "1.5", "5.0"]
    for targets, ordinal, said in (
        (y, ["star"], "ordinal_columns: got 'star'.*did you mean 'stars'"),
        (y["stars"], ["stars"], "ordinal: got stars for one column of y; expected True"),
        (y, True, "the column 'topic': ordinal_columns: got the labels"),
    ):
        with pytest.raises(ValueError, match=said):
            TextCNNClassifier(**settings, ordinal=ordinal).fit(texts, targets)
