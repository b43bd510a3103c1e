"""Ordered levels from the first row to the last interface: data, training, evaluate, calibrate, score, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from folded_models import make_model, word_tokenizer
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, mean_absolute_error
from small_models import QUICK
from torch.nn import functional

import textcnn
from textcnn import TextCNNClassifier, TextDataModule
from textcnn.artifact import read_artifact
from textcnn.cli import main
from textcnn.data.errors import DataError
from textcnn.evaluation.levels import quadratic_kappa
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier
from textcnn.model.ordinal import CutPoints, cut_points_of_counts, level_logits
from textcnn.runtime.checks import check_config
from textcnn.runtime.decisions import Levels
from textcnn.training.curve import read_curve
from textcnn.training.levels import LevelError, LevelSpearman, QuadraticKappa, fit_levels

WORDS = [f"w{number}" for number in range(2, 14)]
ORDINAL: dict[str, Any] = {"problem_type": "ordinal", "label_column": "stars"}


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    """Texts of random words, and one of the levels 1, 2, 3 and 10 that words decide."""
    rng = np.random.default_rng(seed)
    words = [rng.choice(WORDS, rng.integers(2, 7)).tolist() for _ in range(count)]
    score = np.array([2.0 * own.count("w3") + own.count("w4") - 2.0 * own.count("w5") for own in words])
    return pd.DataFrame({
        "text": [" ".join(own) for own in words], "stars": np.array([1, 2, 3, 10])[np.digitize(score, [-1, 0.5, 1.5])],
    })  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on generated data."""
    folder = tmp_path_factory.mktemp("ordinal")
    frame(400).to_csv(folder / "train.csv", index=False)
    textcnn.train(str(folder / "train.csv"), folder / "run", max_epochs=6, **ORDINAL, **QUICK)
    return folder / "run"


def test_probabilities_are_differences_of_sigmoids() -> None:
    scores, cuts = np.array([[-3.0], [0.2], [40.0], [-60.0]]), np.array([-1.0, 0.5, 0.75])
    cumulative = 1 / (1 + np.exp(scores - cuts))
    wanted = np.diff(np.concatenate([np.zeros((4, 1)), cumulative, np.ones((4, 1))], axis=1), axis=1)
    of_torch = level_logits(torch.tensor(scores), torch.tensor(cuts))
    np.testing.assert_allclose(of_torch.exp(), wanted, atol=1e-12)
    of_runtime = Levels(cuts, np.arange(4.0)).logits(scores)
    np.testing.assert_allclose(of_runtime, of_torch, rtol=1e-6)
    assert np.isfinite(of_runtime).all()
    assert torch.autograd.gradcheck(
        level_logits, (torch.tensor(scores[:2], requires_grad=True), torch.tensor(cuts, requires_grad=True))
    )


def test_cut_points_increase_and_start_at_the_frequencies() -> None:
    points = CutPoints(4)
    points.set(cut_points_of_counts([10, 0, 60, 30]))
    assert (points().diff() > 0).all()
    shares = level_logits(torch.zeros(1, 1), points()).exp()[0]
    torch.testing.assert_close(shares.detach(), torch.tensor([0.1, 0.0001, 0.6, 0.3]), atol=1e-3, rtol=0)


def test_cut_points_that_fall_together_stay_apart() -> None:
    points = CutPoints(4)
    points.raw.data = torch.tensor([-0.6, -9.0, -2.0])
    assert (points().diff() > 0).all()
    logits = level_logits(torch.tensor([[0.3]]), points())
    assert torch.isfinite(logits).all()
    logits.log_softmax(dim=1)[0, 1].backward()
    assert torch.isfinite(points.raw.grad).all()


@pytest.mark.parametrize(
    "network",
    [{}, {"bag": "sqrtn", "bag_buckets": 32}, {"bag": "sqrtn", "bag_buckets": 32, "bag_dim": 3},
     {"bag": "mean", "bag_buckets": 32, "kernel_sizes": []}, {"pooling": "segments"}, {"num_experts": 2},
     {"num_members": 2}, {"backbone": "dilated", "num_blocks": 1}],
)  # fmt: skip
def test_every_engine_answers_as_torch(network: dict[str, Any], tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    model = make_model(problem_type="ordinal", id2label={0: "1", 1: "2", 2: "5"}, temperature=2.0, **network)
    model.cut_points.raw.data *= 0.1
    model.store_cut_points()
    texts = ["", "w2", "w3 w4 w5", "w9 w8 w7 w6 w5"]
    ids = [[int(word[1:]) for word in text.split()] for text in texts]
    padded = torch.tensor([[*row, *[0] * (5 - len(row))] for row in ids])
    with torch.inference_mode():
        logits = model(padded).logits
        scores = model.outputs(padded, (padded != 0).long())
    assert logits.shape == (4, 3)
    wanted = logits.softmax(dim=1)
    torch.testing.assert_close(wanted, level_logits(scores, model.cut_points() / 2).exp())
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    folds = "backbone" not in network
    engines = [TorchClassifier(model, tokenizer), *([fold(model, word_tokenizer())] if folds else [])]
    for engine in engines:
        np.testing.assert_allclose(engine.predict_proba(texts), wanted, atol=1e-5)
        assert list(engine.predict(texts)) == [("1", "2", "5")[n] for n in wanted.argmax(dim=1).tolist()]
        assert engine.predict(["w2"])[0] == engine.predict(texts)[1]
        np.testing.assert_allclose(engine.expected_level(texts), wanted @ torch.tensor([1.0, 2.0, 5.0]), atol=1e-4)
        why = engine.explain("w3 w4 w5")
        assert why.logit == pytest.approx(float(scores[2, 0]), abs=1e-4)
        assert why.label == engine.predict(texts)[2]
        assert why.probability == pytest.approx(float(wanted[2].max()), abs=1e-5)
        if folds:
            assert why.bias + sum(part.weight for part in why.contributions) == pytest.approx(why.logit, abs=1e-4)
    if folds:
        assert engines[-1].tensors["head_weight"].shape[0] == 1
        assert fold(model, word_tokenizer(), int8=True, texts=texts).predict_proba(texts).shape == (4, 3)
    if model.config.num_members == 1:
        levels = torch.tensor([0, 1, 2, 1])
        with torch.inference_mode():
            torch.testing.assert_close(model(padded, labels=levels).loss, functional.nll_loss(wanted.log(), levels))


def test_a_run_learns_the_order(run: Path, tmp_path: Path) -> None:
    new = frame(200, seed=1)
    model = textcnn.load(run)
    assert model.labels == ["1", "2", "3", "10"]
    predicted = model.predict(new["text"].tolist())
    found = textcnn.evaluate(run, new, resamples=20, report=tmp_path / "report.html").scores
    place = {label: n for n, label in enumerate(model.labels)}
    given, wanted = ([place[str(x)] for x in values] for values in (predicted, new["stars"]))
    assert found["accuracy"].value == (predicted == new["stars"].astype(str)).mean() > 0.8
    assert found["MAE of levels"].value == pytest.approx(mean_absolute_error(wanted, given))
    assert found["quadratic kappa"].value == pytest.approx(cohen_kappa_score(wanted, given, weights="quadratic"))
    expected = model.expected_level(new["text"].tolist())
    assert found["Spearman"].value == pytest.approx(spearmanr(expected, new["stars"])[0])
    config = json.loads((run / "config.json").read_text())
    assert config["problem_type"] == "ordinal"
    assert sorted(config["cut_points"]) == config["cut_points"]
    card = (run / "README.md").read_text()
    assert "An ordinal text classifier" in card
    assert "Levels (4): 1, 2, 3, 10." in card
    scores = textcnn.info(run).scores
    assert {"val_accuracy", "val_mae", "val_quadratic_kappa", "val_spearman"} <= set(scores)
    held_out = pd.read_json(run / "held_out.jsonl.gz", lines=True)
    again = textcnn.evaluate(run, held_out, resamples=0).scores
    assert again["quadratic kappa"].value == pytest.approx(scores["val_quadratic_kappa"], abs=1e-3)
    assert again["Spearman"].value == pytest.approx(
        spearmanr(model.predict_proba(held_out["text"].tolist()) @ model.levels.values, held_out["label"])[0]
    )


def test_metrics_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    logits, levels = torch.from_numpy(rng.normal(size=(60, 4))), torch.from_numpy(rng.integers(0, 4, 60))
    unknown = torch.cat([levels, torch.tensor([4])])
    padded = functional.pad(torch.cat([logits, logits[:1]]), (0, 1), value=-torch.inf)
    given = logits.argmax(dim=1)
    found = [metric(4)(padded, unknown).item() for metric in (LevelError, QuadraticKappa, LevelSpearman)]
    kappa = cohen_kappa_score(levels, given, weights="quadratic")
    expected = logits.softmax(dim=1) @ torch.arange(4.0, dtype=torch.double)
    assert found == pytest.approx([mean_absolute_error(levels, given), kappa, spearmanr(expected, levels)[0]], abs=1e-5)
    assert quadratic_kappa(given.numpy(), levels.numpy(), 4) == pytest.approx(kappa)
    assert quadratic_kappa(np.zeros(3, int), np.zeros(3, int), 4) == 0


def test_weights_and_cut_points_are_fitted_together() -> None:
    rng = np.random.default_rng(0)
    score = torch.from_numpy(rng.normal(size=(2000, 1)) * 2)
    noise = torch.from_numpy(rng.logistic(size=(2000, 1)))
    levels = torch.bucketize((score + noise)[:, 0], torch.tensor([-2.0, 0.0, 1.0], dtype=torch.double))
    model = make_model(problem_type="ordinal", id2label={n: str(n) for n in range(4)})
    model.cut_points.set([-1.0, 0.0, 1.0])
    weights = fit_levels(score / 2, torch.zeros_like(score), levels, model.cut_points)
    assert weights is not None
    assert weights.network == pytest.approx(2, rel=0.1)
    torch.testing.assert_close(model.cut_points().detach(), torch.tensor([-2.0, 0.0, 1.0]), atol=0.15, rtol=0)
    assert fit_levels(score[:0], score[:0], levels[:0], model.cut_points) is None


def test_calibration_keeps_the_order_and_the_score_of_all_engines(copy: Path) -> None:
    texts = frame(60, seed=4)["text"].tolist()
    before = textcnn.load(copy)
    found = textcnn.calibrate(copy, data=frame(300, seed=5), label_column="stars")
    assert found.nll[1] <= found.nll[0]
    after = textcnn.load(copy)
    assert after.temperature == pytest.approx(found.temperature)
    np.testing.assert_allclose(after.outputs(texts) * found.temperature, before.outputs(texts), rtol=1e-4)
    of_torch = TorchClassifier(*read_artifact(copy))
    np.testing.assert_allclose(of_torch.predict_proba(texts), after.predict_proba(texts), atol=1e-5)
    textcnn.calibrate(copy, abstain="probability:coverage=0.5")
    assert None in list(textcnn.load(copy).predict(texts))
    with pytest.raises(ValueError, match="abstain: got the score energy for a model of problem_type ordinal"):
        textcnn.calibrate(copy, abstain="energy:coverage=0.5")


def test_onnx_and_the_pipeline(copy: Path) -> None:
    pytest.importorskip("onnxruntime")
    from transformers import pipeline

    textcnn.calibrate(copy)
    texts, model = ["w3 w4", "w5", "w2 w3"], textcnn.load(copy)
    written = textcnn.export(copy, copy / "m.onnx")
    np.testing.assert_allclose(written.predict_proba(texts), model.predict_proba(texts), atol=1e-5)
    assert written.explain("w3 w4").label == model.predict(["w3 w4"])[0]
    classify = pipeline("text-classification", str(copy), trust_remote_code=True)
    for n, found in enumerate(classify(texts)):
        assert found["label"] == model.predict(texts)[n]
        assert found["score"] == pytest.approx(float(model.predict_proba(texts)[n].max()), abs=1e-5)


def test_score_scorer_and_server(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from textcnn.serving.app import make_app
    from textcnn.serving.served_models import ServedModels

    texts, model = frame(20, seed=3)["text"].tolist(), textcnn.load(run)
    expected = model.expected_level(texts)
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "new.csv", index=False)
    textcnn.score(run, tmp_path / "new.csv", tmp_path / "new.parquet")
    scored = pd.read_parquet(tmp_path / "new.parquet")
    assert list(scored) == ["text", "predicted_label", "probability", "expected_level",
                            *(f"probability_{label}" for label in model.labels)]  # fmt: skip
    np.testing.assert_allclose(scored["expected_level"], expected, rtol=1e-5)
    scorer = textcnn.Scorer({"a": run, "b": run}, label_only=True, reasons=1)
    together = scorer(pd.DataFrame({"text": texts}))
    np.testing.assert_allclose(together["b_expected_level"], expected, rtol=1e-5)
    assert textcnn.LabelFilter(run, "10", 0.5).probability(texts) == pytest.approx(model.predict_proba(texts)[:, 3])
    with TestClient(make_app(ServedModels({"stars": run}))) as client:
        rows = client.post("/predict", json={"texts": texts}).json()["answers"]
        assert [row["label"] for row in rows] == list(model.predict(texts))
        assert [row["expected_level"] for row in rows] == pytest.approx(expected.tolist(), rel=1e-5)
        assert client.post("/explain", json={"text": "w3"}).json()["label"] == model.predict(["w3"])[0]


def test_order_of_levels() -> None:
    names = frame(80).assign(stars=lambda data: data["stars"].map({1: "bad", 2: "fair", 3: "good", 10: "best"}))
    order = ["bad", "fair", "good", "best"]
    assert TextDataModule(names, **ORDINAL, labels=order).labels == order
    assert TextDataModule(frame(80), **ORDINAL).labels == ["1", "2", "3", "10"]
    assert TextDataModule(frame(80), **ORDINAL).problem_type == "ordinal"
    values = Levels.of({"problem_type": "ordinal", "cut_points": [0, 1, 2]}, order)
    assert values is not None
    assert values.values.tolist() == [0, 1, 2, 3]
    with pytest.raises(
        DataError, match=r"got ordinal and the labels .*; expected numbers, or the labels in their order"
    ):
        _ = TextDataModule(names, **ORDINAL).labels


def refused(run: Path, folder: Path) -> dict[str, tuple[Any, str]]:
    """Calls that need labels without order, and what they say, by name."""
    small = frame(40)
    return {
        "certify": (lambda: textcnn.certify(run, text="w3"), "certify: got a model of problem_type ordinal"),
        "certify of the model": (lambda: textcnn.load(run).certify(["w3"]), "certify: got a model of problem_type"),
        "inspect": (lambda: textcnn.inspect(run, small), "inspect: got a model of problem_type ordinal"),
        "html": (lambda: textcnn.export(run, folder / "x.html"), "export as html or js: got a model of problem_type"),
        "js": (lambda: textcnn.export(run, folder / "x.js"), "export as html or js: got a model of problem_type"),
        "label": (lambda: textcnn.explain(run, "w3", label="3"), "label: got '3' for a model of problem_type ordinal"),
        "tune": (lambda: textcnn.tune(small, output=folder / "t", **ORDINAL), "problem_type: got ordinal for tune"),
        "compare": (lambda: textcnn.compare(small, output=folder / "c", **ORDINAL), "got ordinal for compare"),
        "distill": (lambda: textcnn.distill(run, small, output=folder / "d", **ORDINAL), "got ordinal for distill"),
        "teach": (lambda: textcnn.teach("m", small, output=folder / "m", **ORDINAL), "got ordinal for teach"),
        "stream": (
            lambda: textcnn.train(small, folder / "s", streaming=True, **ORDINAL), "streaming: got it with problem_type"
        ),
        "lists": (
            lambda: textcnn.train(small.assign(stars=[["a", "b"]] * 40), folder / "l", **ORDINAL),
            "problem_type: got ordinal; expected multi_label",
        ),
        "naive_bayes": (
            lambda: textcnn.train(small, folder / "n", **ORDINAL, **QUICK, bag_start="naive_bayes"),
            "bag_start: got naive_bayes with problem_type ordinal",
        ),
        "huber": (lambda: textcnn.train(small, folder / "h", **ORDINAL, **QUICK, loss="huber"), "loss: got huber"),
        "other labels": (
            lambda: fold(make_model(), word_tokenizer()).expected_level(["w3"]),
            "expected_level: got labels without order",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(refused(Path(), Path())))
def test_what_needs_labels_without_order_is_refused(name: str, run: Path, tmp_path: Path) -> None:
    call, said = refused(run, tmp_path)[name]
    with pytest.raises(ValueError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


def test_the_c_interface_refuses(run: Path) -> None:
    from textcnn.core.library import last_error, library

    core, _ = library(), textcnn.load(run)
    files = [(run / name).read_bytes() for name in ("config.json", "tokenizer.json", "folded.safetensors")]
    assert not core.textcnn_open_memory(*(part for file in files for part in (file, len(file))))
    assert "got problem_type ordinal; expected labels without order" in str(last_error())


@pytest.mark.parametrize("points", [None, [1.0], [1.0, 1.0], [2.0, 1.0], [1.0, float("nan")], "x"])
def test_damaged_cut_points_are_named(points: Any) -> None:
    config = {"id2label": {"0": "a", "1": "b", "2": "c"}, "problem_type": "ordinal", "cut_points": points}
    with pytest.raises(ValueError, match=r"cut_points: got .*; expected 2 increasing numbers"):
        check_config(config)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data.csv", str(tmp_path / "run")
    frame(150).to_csv(data, index=False)
    quick = ["--num_filters", "4", "--embedding_dim", "8", "--max_epochs", "1", "--vectors", "none"]
    main(["train", str(data), "--output", out, "--problem_type", "ordinal", "--label_column", "stars", *quick])
    assert "val_quadratic_kappa" in capsys.readouterr().out
    curve = read_curve(out)
    assert curve is not None
    assert curve.metric == "val_quadratic_kappa"
    main(["evaluate", out, "--data", str(data), "--resamples", "5"])
    assert "quadratic kappa" in capsys.readouterr().out
    main(["info", out])
    assert "ordinal" in capsys.readouterr().out
    main(["validate", "--config", f"{out}/config.yaml", "--trainer.enable_progress_bar", "false"])
    assert "val_quadratic_kappa" in capsys.readouterr().out
    predict = ["predict", "--config", f"{out}/config.yaml", "--data.predict_path", str(data)]
    main([*predict, "--output", str(tmp_path / "predicted.csv"), "--trainer.enable_progress_bar", "false"])
    predicted = pd.read_csv(tmp_path / "predicted.csv")
    texts = frame(150)["text"].tolist()
    np.testing.assert_allclose(predicted["expected_level"], textcnn.load(out).expected_level(texts), rtol=1e-4)


def test_the_estimator() -> None:
    settings = {name: value for name, value in QUICK.items() if name not in ("progress", "summary")}
    data = frame(300)
    model = textcnn.TextCNNClassifier(**settings, ordinal=True, max_epochs=8, min_frequency=1)
    model.fit(data["text"], data["stars"], sample_weight=np.ones(300))
    assert model.classes_.tolist() == [1, 2, 3, 10]
    assert model.score(data["text"], data["stars"]) > 0.8
    probabilities = model.predict_proba(data["text"])
    np.testing.assert_allclose(model.expected_level(data["text"]), probabilities @ model.classes_, rtol=1e-4)
    assert model.explain("w3").label in ("3", "10")
    for y, said in ((["a", "b"], "ordinal: got the classes a, b"), ([[1, 0], [0, 1]], "ordinal: got several labels")):
        with pytest.raises(ValueError, match=said):
            model.fit(["x", "y"], y)


def test_levels_that_are_real_numbers(tmp_path: Path) -> None:
    half = frame(200)
    half["stars"] = half["stars"] / 2
    half.to_csv(tmp_path / "half.csv", index=False)
    model = textcnn.train(str(tmp_path / "half.csv"), tmp_path / "run", max_epochs=1, **ORDINAL, **QUICK)
    assert model.labels == ["0.5", "1", "1.5", "5"]
    assert model.expected_level(["w3"])[0] <= 5
    scores = textcnn.evaluate(tmp_path / "run", str(tmp_path / "half.csv")).scores
    assert scores["accuracy"].value > 0.4
    half[half["stars"] > 0.5].to_csv(tmp_path / "higher.csv", index=False)
    textcnn.evaluate(tmp_path / "run", str(tmp_path / "higher.csv"))


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (["1", "1.0", "2"], "got ordinal and the labels '1' and '1.0', the same number; expected one name for a level"),
        ([1.0, 2.0, float("inf")], "got ordinal and the labels .*inf.*; expected numbers"),
    ],
)
def test_levels_that_are_refused(levels: list[Any], said: str) -> None:
    data = TextDataModule((["a b", "c d", "e f"] * 5, levels * 5), problem_type="ordinal", vectors=None)
    with pytest.raises(DataError, match=said):
        list(data.labels)


def test_the_labels_of_rows_without_text_are_not_missed() -> None:
    table = pd.DataFrame({"text": ["a b", "c d", None] * 8, "label": ["x", "y", "z"] * 8})
    assert TextDataModule(table, vectors=None).labels == ["x", "y"]


@pytest.mark.parametrize("kind", [str, int, float])
def test_an_estimator_orders_levels_by_their_numbers(kind: Any) -> None:
    data = frame(400)
    # As numbers that are not whole, they are levels all the same.
    stars = data["stars"] / 2 if kind is float else data["stars"]
    texts, levels = data["text"].tolist(), stars.to_numpy().astype(kind)
    options = {name: value for name, value in QUICK.items() if name not in ("progress", "summary")}
    model = TextCNNClassifier(ordinal=True, max_epochs=4, **options)
    model.fit(texts, levels, eval_set=(texts[:50], levels[:50]))
    assert model.classes_.tolist() == sorted(set(levels.tolist()))
    assert model._model().labels == (["0.5", "1.0", "1.5", "5.0"] if kind is float else ["1", "2", "3", "10"])
    probabilities = model.predict_proba(texts)
    numbers = np.array([float(name) for name in model.classes_])
    np.testing.assert_allclose(probabilities @ numbers, model.expected_level(texts), rtol=1e-5)
    assert (model.predict(texts) == model.classes_[probabilities.argmax(axis=1)]).all()
    assert spearmanr(model.expected_level(texts), data["stars"]).statistic > 0.6


def test_an_estimator_refuses_a_level_twice() -> None:
    with pytest.raises(ValueError, match=r"the labels '1' and '1\.0', the same number"):
        TextCNNClassifier(ordinal=True).fit(["a b", "c d", "e f"], ["1", "1.0", "2"])
