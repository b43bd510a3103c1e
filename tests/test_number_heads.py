"""Columns of numbers among several label columns, from the first row to the last interface."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from folded_models import make_model
from sklearn.metrics import r2_score
from small_models import QUICK
from torch.nn import functional

import textcnn
from textcnn import TextDataModule
from textcnn.artifact import read_artifact
from textcnn.cli import main
from textcnn.data.errors import DataError
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier
from textcnn.runtime.heads import HeadsClassifier
from textcnn.training.bag_start import bag_weights, ridge_of_bag
from textcnn.training.target_scale import TargetScale

WORDS = [f"w{number}" for number in range(12)]
COLUMNS: dict[str, Any] = {"label_columns": ["topic", "stars"], "regression_columns": ["stars"]}
HEADS: list[dict[str, Any]] = [
    {"name": "topic", "problem_type": "single_label_classification", "labels": ["a", "b"], "temperature": 2.0},
    {"name": "stars", "problem_type": "regression", "labels": ["stars"]},
]


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    """Texts of random words, a topic and a number far from 0 that words decide; some are missing."""
    rng = np.random.default_rng(seed)
    words = [rng.choice(WORDS, rng.integers(2, 7)).tolist() for _ in range(count)]
    stars = [500 + 40.0 * own.count("w3") - 60.5 * own.count("w4") for own in words]
    data = pd.DataFrame({
        "text": [" ".join(own) for own in words], "topic": ["a" if "w1" in own else "b" for own in words],
        "stars": stars,
    })  # fmt: skip
    data["topic"] = data["topic"].astype(object)
    data.loc[::10, "topic"] = None
    data.loc[5::10, "stars"] = None
    return data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on generated data with a column of labels and one of numbers."""
    folder = tmp_path_factory.mktemp("numbers")
    frame(400).to_json(folder / "train.jsonl", orient="records", lines=True)
    textcnn.train(str(folder / "train.jsonl"), folder / "run", max_epochs=8, **COLUMNS, **QUICK)
    return folder / "run"


def test_a_run_learns_labels_and_numbers(run: Path, tmp_path: Path) -> None:
    new = frame(200, seed=1)
    model = textcnn.load(run)
    answers = model.predict(new["text"].tolist())
    there = new["stars"].notna()
    assert r2_score(new["stars"][there], answers["stars"][there]) > 0.9
    assert (answers["topic"] == new["topic"])[new["topic"].notna()].mean() > 0.9
    assert list(model.predict_proba(["w1"])) == ["topic"]
    assert model.heads["stars"].predict(["w3"])[0] == pytest.approx(model.predict(["w3"])["stars"][0], rel=1e-6)
    found = textcnn.evaluate(run, new, resamples=5)
    assert list(found.heads["stars"].scores) == ["R2", "MAE", "Spearman"]
    assert found.heads["stars"].scores["R2"].value == pytest.approx(
        r2_score(new["stars"][there], answers["stars"][there]), abs=1e-6
    )
    assert (found.heads["stars"].texts, found.heads["stars"].without_label) == (180, 20)
    alone = textcnn.evaluate(run, new, head="stars", resamples=0, report=tmp_path / "r.html")
    assert alone.scores["MAE"].value == found.heads["stars"].scores["MAE"].value
    scores = textcnn.info(run).scores
    assert scores["val_mean_score"] == pytest.approx(
        (scores["val_topic_micro_f1"] + scores["val_stars_r2"]) / 2, abs=1e-5
    )
    held_out = pd.read_json(run / "held_out.jsonl.gz", lines=True)
    assert set(held_out["stars"].dropna()) <= set(new["stars"]) | set(frame(400)["stars"])
    again = textcnn.evaluate(run, held_out, resamples=0).heads["stars"].scores
    assert again["R2"].value == pytest.approx(scores["val_stars_r2"], abs=1e-4)
    card = (run / "README.md").read_text()
    assert "Label columns: topic (2 labels), stars (a number)." in card
    assert "numbers" in TextDataModule(str(run.parent / "train.jsonl"), **COLUMNS).data_report


@pytest.mark.parametrize("network", [{"bag": "none"}, {"bag_dim": 3}, {"bag_training": "joint"}, {"num_members": 2}])
def test_the_saved_model_predicts_what_training_scored(network: dict[str, Any], tmp_path: Path) -> None:
    textcnn.train(frame(120), tmp_path / "run", max_epochs=2, loss="huber", **COLUMNS, **QUICK, **network)
    held_out = pd.read_json(tmp_path / "run/held_out.jsonl.gz", lines=True)
    scores = textcnn.evaluate(tmp_path / "run", held_out, resamples=0).heads["stars"].scores
    assert scores["MAE"].value == pytest.approx(textcnn.info(tmp_path / "run").scores["val_stars_mae"], rel=1e-3)


def test_losses_scale_and_bag_are_those_of_each_column() -> None:
    model = make_model(heads=HEADS, bag="sqrtn", bag_buckets=32)
    torch.nn.init.normal_(model.bag.rows.weight)
    logits, numbers = torch.randn(3, 3), torch.tensor([1.0, torch.nan, 3.0])
    wanted = functional.mse_loss(logits[[0, 2], 2], numbers[[0, 2]])
    torch.testing.assert_close(model.loss(logits, {"topic": torch.tensor([-1, -1, -1]), "stars": numbers}), wanted)
    ids = torch.tensor([[3, 4, 5]])
    before = model(ids).logits.detach()
    scale = TargetScale(3)
    scale.set([0.0, 0.0, 100.0], [1.0, 1.0, 20.0])
    expected = before.clone()
    expected[:, 2] = before[:, 2] * 20 + 100
    scale.multiply_into(model)
    torch.testing.assert_close(model(ids).logits, expected)
    data = TextDataModule(frame(200), **COLUMNS, vectors=None, tokenizer="word")
    mean, deviation = data.target_scale()
    assert mean.tolist()[:2] == [0, 0]
    assert deviation.tolist()[:2] == [1, 1]
    bag = make_model(heads=data.heads, bag="sqrtn", bag_buckets=64, vocab_size=data.vocab_size).bag
    weights, _ = bag_weights(bag, "linear", data, 3, True, data.heads)
    tokens, lengths, targets = data.encoded_train()
    alone, _ = ridge_of_bag(bag, tokens, lengths, (targets["stars"].astype(float) - mean[2]) / deviation[2])
    np.testing.assert_allclose(weights[:, 2:], alone, atol=1e-6)


def test_every_engine_gives_the_number(run: Path, tmp_path: Path) -> None:
    texts = [*frame(30, seed=2)["text"], ""]
    model = textcnn.load(run)
    network, tokenizer = read_artifact(run)
    wanted = model.predict(texts)["stars"]
    of_torch = HeadsClassifier(TorchClassifier(network, tokenizer)).predict(texts)["stars"]
    np.testing.assert_allclose(wanted, of_torch, rtol=1e-5)
    why = model.explain("w3 w4 w9", head="stars")
    assert why.bias + sum(part.weight for part in why.contributions) == pytest.approx(why.logit, rel=1e-5)
    assert why.probability is None
    rounded = fold(network, tokenizer, int8=True, texts=texts)
    error = json.loads(rounded.metadata["int8_error"])
    assert error["max_difference"] == pytest.approx(
        np.abs(HeadsClassifier(rounded).predict(texts)["stars"] - wanted).max(), rel=1e-3
    )
    assert error["label_agreement"] <= 1
    saved = textcnn.load(model.heads["stars"].save(tmp_path / "stars"))
    np.testing.assert_allclose(saved.predict(texts), wanted, rtol=1e-6)


def test_onnx_and_the_pipeline(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from transformers import pipeline

    folder, texts = Path(shutil.copytree(run, tmp_path / "run")), ["w1 w3", "w2 w4 w5"]
    wanted = textcnn.load(folder).predict(texts)
    written = textcnn.export(folder, folder / "m.onnx")
    np.testing.assert_allclose(written.predict(texts)["stars"], wanted["stars"], rtol=1e-5)
    for n, found in enumerate(pipeline("text-classification", str(folder), trust_remote_code=True)(texts)):
        assert found["stars"] == {"label": "stars", "score": pytest.approx(float(wanted["stars"][n]), rel=1e-5)}
        assert found["topic"]["label"] == wanted["topic"][n]


def test_score_scorer_and_server(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from textcnn.serving.app import make_app
    from textcnn.serving.served_models import ServedModels

    texts = frame(20, seed=3)["text"].tolist()
    wanted = textcnn.load(run).predict(texts)["stars"]
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "new.csv", index=False)
    textcnn.score(run, tmp_path / "new.csv", tmp_path / "new.parquet", label_only=True)
    scored = pd.read_parquet(tmp_path / "new.parquet")
    assert list(scored) == ["text", "topic_predicted_label", "topic_probability", "stars_prediction"]
    np.testing.assert_allclose(scored["stars_prediction"], wanted, rtol=1e-6)
    scorer = textcnn.Scorer(run, reasons=1, top_k=1, thresholds={"topic": {"a": 0.5}}, label_only=True)
    of_scorer = scorer(pd.DataFrame({"text": texts}))
    assert {"topic_top_labels", "stars_prediction", "stars_reasons", "topic_keep_a"} <= set(of_scorer)
    assert "stars_top_labels" not in of_scorer
    assert set(scorer.schema.names) == set(of_scorer) - {"text"}
    with TestClient(make_app(ServedModels({"posts": run}))) as client:
        heads = client.post("/predict", json={"texts": texts, "top_k": 1}).json()["heads"]
        assert [row["prediction"] for row in heads["stars"]["answers"]] == pytest.approx(wanted.tolist(), rel=1e-6)
        one = client.post("/predict", json={"model": "posts/stars", "text": texts[0]}).json()
        assert one["answers"][0]["prediction"] == pytest.approx(float(wanted[0]), rel=1e-6)
        assert [model["name"] for model in client.get("/models").json()["models"]] == ["posts/topic"]
        assert client.post("/explain", json={"model": "posts/stars", "text": "w3"}).status_code == 200


def test_calibrate_leaves_numbers_alone(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    assert list(textcnn.calibrate(folder).heads) == ["topic"]
    np.testing.assert_array_equal(textcnn.load(folder).predict(["w3"])["stars"],
                                  textcnn.load(run).predict(["w3"])["stars"])  # fmt: skip


def refused(run: Path, folder: Path) -> dict[str, tuple[Any, str]]:
    """Calls that no column of numbers takes, and what they say, by name."""
    small = frame(40)
    return {
        "calibrate": (lambda: textcnn.calibrate(run, head="stars"), "calibrate: got a model of problem_type"),
        "certify": (lambda: textcnn.certify(run, text="w1", head="stars"), "certify: got the head 'stars' of"),
        "inspect": (lambda: textcnn.inspect(run, small, head="stars"), "inspect: got the head 'stars' of"),
        "filter": (lambda: textcnn.LabelFilter(run, "stars", head="stars"), "filter: got a model of problem_type"),
        "thresholds": (
            lambda: textcnn.Scorer(run, thresholds={"stars": {"stars": 0.5}}), "thresholds: got a model of problem_type"
        ),
        "alone": (
            lambda: textcnn.train(small, folder / "a", label_column="stars", regression_columns=["stars"]),
            "regression_columns: got stars without label_columns",
        ),
        "misspelt": (
            lambda: textcnn.train(small, folder / "m", **{**COLUMNS, "regression_columns": ["star"]}),
            "did you mean 'stars'",
        ),
        "infinite": (
            lambda: textcnn.train(small.assign(stars=np.inf), folder / "i", **COLUMNS), "holds inf in row 1"
        ),
        "labels": (
            lambda: textcnn.train(small, folder / "l", label_columns=["topic", "stars"], regression_columns=["topic"]),
            "'topic' .* holds '[ab]' in row .*expected numbers, as regression_columns names it",
        ),
        "constant": (
            lambda: textcnn.train(small.assign(stars=1.0), folder / "c", **COLUMNS), "column 'stars': the train split"
        ),
        "not named": (
            lambda: textcnn.train(small, folder / "n", label_columns=["topic", "stars"]),
            "holds real numbers; expected labels .*name it in regression_columns",
        ),
        "naive_bayes": (
            lambda: textcnn.train(small, folder / "b", **COLUMNS, **QUICK, bag_start="naive_bayes"), "bag_start: got"
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(refused(Path(), Path())))
def test_what_a_column_of_numbers_refuses(name: str, run: Path, tmp_path: Path) -> None:
    call, said = refused(run, tmp_path)[name]
    with pytest.raises((ValueError, DataError), match=said) as error:
        call()
    assert "\n" not in str(error.value)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data.jsonl", str(tmp_path / "run")
    frame(150).to_json(data, orient="records", lines=True)
    quick = ["--num_filters", "4", "--embedding_dim", "8", "--max_epochs", "1", "--vectors", "none"]
    columns = ["--label_columns", "stars", "topic", "--regression_columns", "stars"]
    main(["train", str(data), "--output", out, *columns, *quick])
    captured = capsys.readouterr()
    assert "val_stars_r2" in captured.out
    assert "R2" in captured.err
    main(["evaluate", out, "--data", str(data), "--resamples", "5"])
    assert "stars: 135 texts, numbers" in capsys.readouterr().out
    main(["info", out])
    assert "head stars" in capsys.readouterr().out
    main(["validate", "--config", f"{out}/config.yaml", "--trainer.enable_progress_bar", "false"])
    assert "val_stars_r2" in capsys.readouterr().out


def test_a_column_of_numbers_is_a_page_of_its_own(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The export compares the answers of the page with those of the runtime.
    textcnn.export(run, tmp_path / "stars.html", head="stars")
    assert (tmp_path / "stars.html").stat().st_size > 0
    main(["export", str(run), "--output", str(tmp_path / "stars.mjs"), "--head", "stars"])
    assert "MB, 1 number\n" in capsys.readouterr().out
