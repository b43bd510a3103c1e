"""Regression from the first row to the last interface: data, training, evaluate, score, explain, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone, is_regressor
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

import textcnn
from textcnn import TextCNNRegressor, TextDataModule
from textcnn.cli import main
from textcnn.data.errors import DataError
from textcnn.evaluation.numbers import determination, rank_correlation
from textcnn.training.target_scale import TargetScale

RNG = np.random.default_rng(0)
WORDS = {word: float(RNG.normal() * 50) for word in "abcdefghijklmnopqrstuvwxyz"}
QUICK: dict[str, Any] = {
    "kernel_sizes": [1, 2], "num_filters": 20, "embedding_dim": 24, "vectors": None, "tokenizer": "word",
    "progress": False, "summary": False, "learning_rate": 5e-3,
}  # fmt: skip


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    """Texts of random words, and the sum of the values of their words, far from 0."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(list(WORDS), rng.integers(2, 8))) for _ in range(count)]
    return pd.DataFrame({"text": texts, "price": [2000 + sum(WORDS[word] for word in text.split()) for text in texts]})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on generated data."""
    folder = tmp_path_factory.mktemp("regression")
    frame(500).to_csv(folder / "train.csv", index=False)
    options = {**QUICK, "problem_type": "regression", "label_column": "price", "max_epochs": 15}
    textcnn.train(str(folder / "train.csv"), folder / "run", **options)
    return folder / "run"


def test_it_learns_the_numbers_and_evaluate_is_sklearns(run: Path, tmp_path: Path) -> None:
    new = frame(200, seed=1)
    new.to_csv(tmp_path / "new.csv", index=False)
    model = textcnn.load(run)
    predicted = model.predict(new["text"].tolist())
    assert predicted.shape == (200,)
    assert spearmanr(predicted, new["price"])[0] > 0.9
    report = tmp_path / "report.html"
    found = textcnn.evaluate(run, tmp_path / "new.csv", report=report, resamples=50).scores
    assert list(found) == ["R2", "MAE", "Spearman"]
    assert found["R2"].value == pytest.approx(r2_score(new["price"], predicted), abs=1e-6)
    assert found["MAE"].value == pytest.approx(mean_absolute_error(new["price"], predicted), rel=1e-6)
    assert found["Spearman"].value == pytest.approx(spearmanr(predicted, new["price"])[0], abs=1e-6)
    assert all(score.low <= score.value <= score.high for score in found.values())
    page = report.read_text()
    assert "Largest errors" in page
    assert "Confusion" not in page
    scores = textcnn.info(run).scores
    assert {"val_r2", "val_mae", "val_spearman"} <= set(scores)
    held_out = pd.read_json(run / "held_out.jsonl.gz", lines=True)
    again = textcnn.evaluate(run, held_out, text_column="text", label_column="label", resamples=0).scores
    assert again["R2"].value == pytest.approx(scores["val_r2"], abs=1e-4)
    assert again["MAE"].value == pytest.approx(scores["val_mae"], rel=1e-3)


@pytest.mark.parametrize("bag", [{"bag": "none"}, {"bag_weight": 0.5}, {"bag_training": "joint"}, {"bag": "sum"}])
def test_the_saved_model_predicts_what_training_scored(bag: dict[str, Any], tmp_path: Path) -> None:
    data = frame(120)
    options = {**QUICK, "problem_type": "regression", "label_column": "price", "max_epochs": 2, **bag}
    options["validation_fraction"] = 0.2
    model = textcnn.train(data, tmp_path / "run", **options)
    scores, held_out = (
        textcnn.info(tmp_path / "run").scores,
        pd.read_json(tmp_path / "run/held_out.jsonl.gz", lines=True),
    )
    predicted = model.predict(held_out["text"].tolist())
    assert mean_absolute_error(held_out["label"], predicted) == pytest.approx(scores["val_mae"], rel=1e-3)


def test_explanations_add_up_to_the_number(run: Path) -> None:
    model = textcnn.load(run)
    why = model.explain("a b c a")
    assert why.probability is None
    assert why.label == "price"
    assert why.logit == pytest.approx(float(model.predict(["a b c a"])[0]), rel=1e-6)
    assert why.bias + sum(part.weight for part in why.contributions) == pytest.approx(why.logit, rel=1e-6)
    assert str(why).splitlines()[0] == f"price: {why.logit:.3f}"
    assert "logit" not in str(why) + why.to_html()


def test_eight_bits_state_their_error_in_numbers(run: Path, tmp_path: Path) -> None:
    texts = frame(100, seed=2)["text"].tolist()
    from textcnn.artifact import read_artifact
    from textcnn.folding.fold import fold

    model, tokenizer = read_artifact(run)
    exact, rounded = fold(model, tokenizer), fold(model, tokenizer, int8=True, texts=texts)
    error = json.loads(rounded.metadata["int8_error"])
    difference = np.abs(exact.predict(texts) - rounded.predict(texts))
    assert error["max_difference"] == pytest.approx(difference.max(), rel=1e-5)
    assert error["mean_difference"] == pytest.approx(difference.mean(), rel=1e-3)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data.csv", str(tmp_path / "run")
    frame(150).to_csv(data, index=False)
    quick = ["--num_filters", "4", "--embedding_dim", "8", "--max_epochs", "1", "--vectors", "none"]
    quick += ["--validation_fraction", "0.2"]
    main(["train", str(data), "--output", out, "--problem_type", "regression", "--label_column", "price", *quick])
    assert "val_r2" in capsys.readouterr().out
    main(["evaluate", out, "--data", str(data), "--resamples", "20"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["R2", "MAE", "Spearman"]
    main(["score", out, str(data), "--output", str(tmp_path / "scored.parquet")])
    scored = pd.read_parquet(tmp_path / "scored.parquet")
    assert list(scored) == ["text", "price", "prediction"]
    np.testing.assert_allclose(scored["prediction"], textcnn.load(out).predict(scored["text"].tolist()), rtol=1e-6)
    main(["explain", out, "a b"])
    assert capsys.readouterr().out.startswith("price: ")
    main(["info", out])
    described = capsys.readouterr().out
    assert "predicts" in described
    assert "calibrate" not in described
    # The run continues as a YAML job, and labels files of its own.
    predict = ["predict", "--config", f"{out}/config.yaml", "--data.predict_path", str(data)]
    main([*predict, "--output", str(tmp_path / "predicted.csv"), "--trainer.enable_progress_bar", "false"])
    predicted = pd.read_csv(tmp_path / "predicted.csv")["prediction"]
    np.testing.assert_allclose(predicted, scored["prediction"], rtol=1e-5)


def test_a_scorer_has_the_column_and_refuses_labels(run: Path) -> None:
    scorer = textcnn.Scorer(run, reasons=2)
    scored = scorer(pd.DataFrame({"text": ["a b", None]}))
    assert list(scored) == ["text", "prediction", "reasons"]
    assert len(scored["reasons"][0]) == 2
    assert scorer.schema.names == ["prediction", "reasons"]
    for options in ({"top_k": 2}, {"labels": ["price"]}, {"thresholds": {"price": 0.5}}):
        with pytest.raises(ValueError, match="got a model of problem_type regression"):
            textcnn.Scorer(run, **options)


def refused(run: Path, tmp_path: Path) -> dict[str, Any]:
    """Calls that need labels, by name."""
    data = {"problem_type": "regression"}
    return {
        "calibrate": lambda: textcnn.calibrate(run),
        "certify": lambda: textcnn.certify(run, text="a"),
        "certify of the model": lambda: textcnn.load(run).certify(["a"]),
        "inspect": lambda: textcnn.inspect(run, frame(5)),
        "predict_proba": lambda: textcnn.load(run).predict_proba(["a"]),
        "predict_top_k": lambda: textcnn.load(run).predict_top_k(["a"]),
        "confidence": lambda: textcnn.load(run).confidence(["a"]),
        "filter": lambda: textcnn.LabelFilter(run, "price"),
        "tune": lambda: textcnn.tune(frame(5), output=tmp_path / "t", **data),
        "compare": lambda: textcnn.compare(frame(5), output=tmp_path / "c", **data),
        "distill": lambda: textcnn.distill(run, frame(5), output=tmp_path / "d", **data),
        "teach": lambda: textcnn.teach("model", frame(5), output=tmp_path / "m", **data),
    }


@pytest.mark.parametrize("name", list(refused(Path(), Path())))
def test_what_needs_labels_is_refused_in_one_line(name: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="regression") as error:
        refused(run, tmp_path)[name]()
    assert "\n" not in str(error.value)
    assert "expected" in str(error.value)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([1.0, None, 3.0, 4.0], "holds no number in row 2; expected a finite number"),
        ([1.0, 2.0, float("inf"), 4.0], "holds inf in row 3"),
        (["1.5", "x", "2", "3"], "holds 'x' in row 2; expected one number"),
        ([[1.0], [2.0], [3.0], [4.0]], "in row 1; expected one number"),
        ([5.0] * 4, "only the number 5; expected at least two different"),
    ],
)
def test_numbers_that_cannot_be_learnt(numbers: list[Any], said: str) -> None:
    data = TextDataModule(
        pd.DataFrame({"text": list("abcd"), "price": numbers}), problem_type="regression", label_column="price"
    )
    with pytest.raises(DataError, match=said) as error:
        data.target_scale()
    assert "\n" not in str(error.value)


def test_numbers_in_any_form() -> None:
    for numbers in ([1, 2, 3, 4], [1.5, 2, 3, 4], ["1.5", "2", "3e0", " 4"]):
        table = pd.DataFrame({"text": list("abcd"), "price": numbers})
        data = TextDataModule(table, problem_type="regression", label_column="price")
        assert data.labels == ["price"]
        assert data.problem_type == "regression"
        assert data.texts_and_targets("train")[1].tolist() == [float(number) for number in numbers]


def test_numbers_without_the_setting_name_it() -> None:
    for numbers in ([1.5, 2.5, 3.0, 4.0], [7, 7, 7, 7]):
        table = pd.DataFrame({"text": list("abcd"), "price": numbers})
        with pytest.raises(DataError, match="set problem_type to regression"):
            _ = TextDataModule(table, label_column="price").labels


def test_a_held_out_part_has_numbers_of_all_sizes() -> None:
    data = TextDataModule(frame(500), problem_type="regression", label_column="price")
    train, held = (data.texts_and_targets(role)[1] for role in ("train", "validation"))
    assert 40 <= len(held) <= 60
    assert held.mean() == pytest.approx(train.mean(), abs=0.25 * train.std())


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"naive_bayes": 1.0}, "naive_bayes: got 1.0"), ({"bag_start": "naive_bayes"}, "bag_start: got naive_bayes"),
     ({"contrastive_weight": 0.5}, "contrastive_weight: got 0.5"),
     ({"label_smoothing": 0.1}, "label_smoothing: got 0.1"),
     ({"streaming": True}, "streaming: got it with problem_type regression")],
)  # fmt: skip
def test_settings_of_labels_are_refused(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    options = {**QUICK, "problem_type": "regression", "label_column": "price", **settings}
    with pytest.raises(ValueError, match=said):
        textcnn.train(frame(60), tmp_path / "run", **options)


def test_scale_is_multiplied_into_the_last_layer() -> None:
    import torch
    from small_models import ids_model

    model = ids_model(problem_type="regression", id2label={0: "y"}, bag="sqrtn", bag_buckets=20)
    torch.nn.init.normal_(model.bag.rows.weight)
    ids = torch.tensor([[3, 4, 5]])
    before = model(ids).logits.detach()
    scale = TargetScale()
    scale.set(100.0, 20.0)
    wanted = scale.restored(before)
    scale.multiply_into(model)
    torch.testing.assert_close(model(ids).logits, wanted)
    torch.testing.assert_close(scale.restored(model(ids).logits), wanted)
    scale.set(100.0, 20.0)
    scale.divide_out_of(model)
    torch.testing.assert_close(model(ids).logits, before)


def test_huber_bends_less_to_outliers(tmp_path: Path) -> None:
    data = frame(400)
    clean = data["price"].copy()
    data.loc[::10, "price"] += 20_000.0
    errors = {}
    for loss in ("mse", "huber"):
        options = {"problem_type": "regression", "label_column": "price", "max_epochs": 8, "bag": "none"}
        model = textcnn.train(
            data, tmp_path / loss, **QUICK, **options, loss=loss, huber_delta=0.1, validation_fraction=0
        )
        errors[loss] = mean_absolute_error(clean, model.predict(data["text"].tolist()))
    assert errors["huber"] < errors["mse"] / 2
    saved = json.loads((tmp_path / "huber/config.json").read_text())
    assert (saved["loss"], saved["huber_delta"]) == ("huber", 0.1)
    assert "huber" in (tmp_path / "huber/README.md").read_text()
    assert "loss: huber" in (tmp_path / "huber/config.yaml").read_text()


def test_huber_is_torchs() -> None:
    import torch
    from small_models import ids_model
    from torch.nn import functional

    model = ids_model(problem_type="regression", id2label={0: "y"}, loss="huber", huber_delta=0.5)
    ids, numbers = torch.tensor([[3, 4, 5]]), torch.tensor([7.0])
    found = model(ids, labels=numbers)
    wanted = functional.huber_loss(found.logits[:, 0], numbers, delta=0.5)
    torch.testing.assert_close(found.loss, wanted)


def test_huber_weighs_the_parts_of_a_model(tmp_path: Path) -> None:
    options = {"problem_type": "regression", "label_column": "price", "max_epochs": 2, "bag": "sqrtn"}
    textcnn.train(frame(200), tmp_path / "run", **QUICK, **options, loss="huber", validation_fraction=0.2)
    assert "factor_of_bag" in (tmp_path / "run/README.md").read_text()


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"loss": "huber", "label_column": "kind"}, "loss: got huber with problem_type single_label_classification"),
     ({"loss": "hubert"}, "loss.*got.*hubert.*did you mean 'huber'"),
     ({"huber_delta": 0.0}, "huber_delta: got 0.0; expected a positive number")],
)  # fmt: skip
def test_losses_that_are_refused(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    data = frame(60).assign(kind=["a", "b"] * 30)
    options = {"label_column": "price", **({} if "label_column" in settings else {"problem_type": "regression"})}
    with pytest.raises(ValueError, match=said):
        textcnn.train(data, tmp_path / "run", **{**QUICK, **options, **settings})


def test_measures_of_constants() -> None:
    assert determination(np.array([1.0, 2.0]), np.array([3.0, 3.0])) == 0
    assert rank_correlation(np.array([1.0, 1.0]), np.array([1.0, 2.0])) == 0


def regressor(**changes: Any) -> TextCNNRegressor:
    settings = {name: value for name, value in QUICK.items() if name not in ("progress", "summary")}
    return TextCNNRegressor(**{**settings, "min_frequency": 1, "max_epochs": 15, **changes})


def test_the_regressor_in_scikit_learns_company(tmp_path: Path) -> None:
    data = frame(300)
    model = regressor()
    assert is_regressor(model)
    for name in ("check_get_params_invariance", "check_no_attributes_set_in_init", "check_estimator_cloneable",
                 "check_parameters_default_constructible", "check_set_params", "check_valid_tag_types"):  # fmt: skip
        getattr(estimator_checks, name)("TextCNNRegressor", regressor())
    assert cross_val_score(make_pipeline(model), data["text"], data["price"], cv=2).min() > 0.5
    model.fit(data["text"], data["price"], sample_weight=np.ones(300))
    assert model.score(data["text"], data["price"]) > 0.9
    saved = textcnn.load(model.save(tmp_path))
    np.testing.assert_allclose(saved.predict(data["text"].tolist()), model.predict(data["text"]), rtol=1e-6)
    assert model.explain("a b").label == "price"
    # A further fit starts from the numbers that there are.
    score = model.score(data["text"], data["price"])
    again = model.set_params(warm_start=True, max_epochs=1, learning_rate=1e-5).fit(data["text"], data["price"])
    assert again.score(data["text"], data["price"]) > score - 0.05
    early = clone(regressor(early_stopping=True, max_epochs=2, loss="huber", huber_delta=2.0)).fit(
        data["text"], data["price"]
    )
    assert early.predict(["a"]).shape == (1,)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (None, "requires y to be passed"),
        ([1.0, np.nan], "at position 1"),
        (["a", "b"], "no number"),
        ([1.0], "expected one a text"),
        ([[[1.0]], [[2.0]]], "expected one a text"),
        ([2.0, 2.0], "only the number 2"),
    ],
)
def test_what_the_regressor_refuses(y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        regressor().fit(["a", "b"], y)
