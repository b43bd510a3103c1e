"""Labels that are paths, from the first row to the last interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from folded_models import make_model, word_tokenizer
from sklearn.metrics import accuracy_score, f1_score

import textcnn
from textcnn import TextDataModule
from textcnn.cli import main
from textcnn.data.errors import DataError
from textcnn.folding.fold import fold
from textcnn.runtime.checks import check_config
from textcnn.runtime.label_paths import LabelPaths

LABELS = ["art", "science/maths/algebra", "science/maths/logic", "science/physics"]
QUICK: dict[str, Any] = {
    "kernel_sizes": [1, 2], "num_filters": 12, "embedding_dim": 16, "vectors": None, "tokenizer": "word",
    "progress": False, "summary": False, "learning_rate": 1e-2, "bag_buckets": 256,
}  # fmt: skip


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    """Texts of random words, and a label that one of them decides."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 4, count)
    texts = [" ".join(rng.permutation([f"w{n}", *rng.choice(["x", "y", "z"], 3)])) for n in numbers]
    return pd.DataFrame({"text": texts, "label": [LABELS[n] for n in numbers]})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on generated data."""
    folder = tmp_path_factory.mktemp("paths")
    textcnn.train(frame(300), folder / "run", label_separator="/", max_epochs=3, **QUICK)
    return folder / "run"


def test_levels_of_labels() -> None:
    paths = LabelPaths(LABELS, "/")
    assert paths.depth == 3
    assert paths.labels(1) == ["art", "science"]
    assert paths.labels(2) == ["art", "science/maths", "science/physics"]
    assert paths.labels(3) == LABELS
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    whole = [paths.probabilities(probabilities, level) for level in (1, 2, 3)]
    np.testing.assert_allclose(whole[0][:, 1], probabilities[:, 1:].sum(axis=1))
    np.testing.assert_allclose(whole[2], probabilities)
    for level in (1, 2):  # a parent is never less probable than a child
        parents = [paths.labels(level).index("/".join(name.split("/")[:level])) for name in paths.labels(level + 1)]
        assert (whole[level - 1][:, parents] >= whole[level] - 1e-12).all()
    answers = paths.deepest(np.array([[0.1, 0.4, 0.3, 0.2], [0.05, 0.9, 0.0, 0.05], [0.5, 0.2, 0.1, 0.2]]), 0.6)
    assert answers == ["science/maths", "science/maths/algebra", None]
    with pytest.raises(ValueError, match="level: got 4; expected a number from 1 to 3"):
        paths.labels(4)
    with pytest.raises(ValueError, match=r"threshold: got 1\.5"):
        paths.deepest(probabilities, 1.5)


def test_answers_of_every_level(run: Path, tmp_path: Path) -> None:
    new, model = frame(100, seed=1), textcnn.load(run)
    texts = new["text"].tolist()
    probabilities = model.predict_proba(texts)
    sums = model.predict_proba_at(texts, 1)
    np.testing.assert_allclose(sums[:, 1], probabilities[:, 1:].sum(axis=1), rtol=1e-5)
    assert set(model.predict_deepest(texts, 0.99)) <= {*LABELS, "science", "science/maths", None}
    new.to_csv(tmp_path / "new.csv", index=False)
    textcnn.score(run, tmp_path / "new.csv", tmp_path / "new.parquet", label_only=True)
    scored = pd.read_parquet(tmp_path / "new.parquet")
    assert list(scored) == ["text", "label", "predicted_label", "probability", "label_level_1", "probability_level_1",
                            "label_level_2", "probability_level_2"]  # fmt: skip
    np.testing.assert_allclose(scored["probability_level_1"], sums.max(axis=1), rtol=1e-5)
    scorer = textcnn.Scorer(run, label_only=True)
    assert scorer(new[["text"]])["label_level_2"].tolist() == scored["label_level_2"].tolist()
    assert str(scorer.schema.field("label_level_1").type) == "string"
    assert "paths of up to 3 levels" in (run / "README.md").read_text()
    assert textcnn.info(run).labels == LABELS


def test_evaluate_scores_each_level(run: Path) -> None:
    new = frame(80, seed=2)
    new.loc[::7, "label"] = "art"  # some are wrong
    found = textcnn.evaluate(run, new, resamples=5).scores
    model = textcnn.load(run)
    given = [model.paths.labels(1)[n] for n in model.predict_proba_at(new["text"].tolist(), 1).argmax(axis=1)]
    wanted = [label.split("/")[0] for label in new["label"]]
    assert found["accuracy at level 1"].value == pytest.approx(accuracy_score(wanted, given))
    assert found["macro F1 at level 1"].value == pytest.approx(f1_score(wanted, given, average="macro"))
    assert found["accuracy at level 1"].value >= found["accuracy at level 2"].value >= found["accuracy"].value
    assert "accuracy at level 3" not in found


def test_a_server_gives_each_level(run: Path) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from textcnn.serving.app import make_app
    from textcnn.serving.served_models import ServedModels

    with TestClient(make_app(ServedModels({"papers": run}))) as client:
        row = client.post("/predict", json={"text": "x w1 y"}).json()["answers"][0]
    assert (row["label_level_1"], row["label_level_2"], row["label"]) == ("science", "science/maths", LABELS[1])
    assert row["probability_level_1"] >= row["probability_level_2"] >= row["probability"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"label_separator": "|"}, "got '|', which is in none of the labels"),
        ({"label_separator": ""}, "got an empty string"),
        ({"label_separator": "/", "problem_type": "ordinal"}, "got it with problem_type ordinal"),
        ({"label_separator": "/", "label_columns": ["label", "text"]}, "got it with label_columns"),
    ],
)
def test_separators_that_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as error:
        _ = TextDataModule(frame(40), **settings).labels
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_labels_that_are_refused() -> None:
    lists = frame(40).assign(label=[["a/b", "c"]] * 40)
    with pytest.raises(DataError, match="label_separator: got lists of labels"):
        _ = TextDataModule(lists, label_separator="/").labels
    empty = frame(40).assign(label=["a/b", "a/"] * 20)
    with pytest.raises(DataError, match="got the label 'a/', with an empty part"):
        _ = TextDataModule(empty, label_separator="/").labels
    with pytest.raises(ValueError, match="predict_deepest: got a model whose labels are no paths"):
        fold(make_model(), word_tokenizer()).predict_deepest(["w2"])
    with pytest.raises(ValueError, match="label_separator: got 3; expected a string"):
        check_config({"id2label": {"0": "a", "1": "b"}, "label_separator": 3})


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data.csv", str(tmp_path / "run")
    frame(120).to_csv(data, index=False)
    quick = ["--num_filters", "4", "--embedding_dim", "8", "--max_epochs", "1", "--vectors", "none"]
    main(["train", str(data), "--output", out, "--label_separator", "/", *quick])
    main(["evaluate", out, "--data", str(data), "--resamples", "5"])
    assert "accuracy at level 2" in capsys.readouterr().out
    predict = ["predict", "--config", f"{out}/config.yaml", "--data.predict_path", str(data)]
    main([*predict, "--output", str(tmp_path / "predicted.csv"), "--trainer.enable_progress_bar", "false"])
    assert "label_level_2" in pd.read_csv(tmp_path / "predicted.csv")
    assert "label_separator: /" in (Path(out) / "config.yaml").read_text()


def test_the_estimator() -> None:
    data = frame(300)
    texts, labels = data["text"].tolist(), data["label"].to_numpy()
    settings = {name: value for name, value in QUICK.items() if name not in ("progress", "summary")}
    model = textcnn.TextCNNClassifier(**settings, label_separator="/", max_epochs=8).fit(texts, labels)
    assert model.score(texts, labels) > 0.9
    probabilities = model.predict_proba(texts)
    np.testing.assert_allclose(model.predict_proba_at(texts, 1)[:, 1], probabilities[:, 1:].sum(axis=1), rtol=1e-5)
    assert model.predict_deepest(texts, 0.0) == model.predict(texts).tolist()
    for y, said in (
        ([[1, 0], [0, 1]], "label_separator: got several labels a text; expected one path"),
        (["a", "b"], "label_separator: got '/', which is in none of the labels"),
    ):
        with pytest.raises(ValueError, match=said):
            model.fit(["x", "y"], y)
    with pytest.raises(ValueError, match="label_separator: got levels; expected one path"):
        textcnn.TextCNNClassifier(label_separator=".", ordinal=True).fit(["x", "y"], [1.5, 2.5])
    with pytest.raises(ValueError, match="predict_deepest: got a model whose labels are no paths"):
        textcnn.TextCNNClassifier(**settings, max_epochs=1).fit(texts, labels).predict_deepest(texts)


def test_labels_of_three_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"y: got an array of shape \(2, 1, 2\); expected labels \[N\]"):
        textcnn.TextCNNClassifier().fit(["x", "y"], np.zeros((2, 1, 2)))
