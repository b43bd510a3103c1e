"""Each engine with the real library, against the classifier itself."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import TEXTS

import textcnn

ROWS: list[Any] = [*TEXTS, None]


@pytest.fixture(scope="module")
def labels(artifact: Path) -> list[Any]:
    return [*textcnn.load(artifact).predict(TEXTS).tolist(), None]


@pytest.fixture(scope="module")
def probabilities(artifact: Path) -> list[Any]:
    """Those of the label a."""
    return [*textcnn.load(artifact).predict_proba(TEXTS)[:, 0].tolist(), None]


def test_duckdb(artifact: Path, labels: list[Any], probabilities: list[Any]) -> None:
    duckdb = pytest.importorskip("duckdb")
    from textcnn.scoring.duckdb import register

    with duckdb.connect() as connection:
        rows = pa.table({"id": list(range(len(ROWS))), "text": ROWS})
        connection.register("rows", rows)
        register(connection, "label", artifact)
        register(connection, "share", artifact, column="probability_a")
        register(connection, "answer", artifact, column=None, top_k=2)
        got = connection.sql("SELECT label(text), share(text), answer(text) FROM rows ORDER BY id").fetchall()
        assert [row[0] for row in got] == labels
        assert [row[1] for row in got] == pytest.approx(probabilities, abs=1e-6)
        assert [row[2] and row[2]["predicted_label"] for row in got] == labels
        assert [row[2] and row[2]["top_labels"][0] for row in got] == labels
        count = connection.sql("SELECT count(*) FROM rows WHERE label(text) = 'a'").fetchall()
        assert count == [(labels.count("a"),)]
        with pytest.raises(ValueError, match=r"got 'probability_d'; expected one of .* \(did you mean 'probability_"):
            register(connection, "wrong", artifact, column="probability_d")


def test_polars(artifact: Path, labels: list[Any], probabilities: list[Any]) -> None:
    pl = pytest.importorskip("polars")
    from textcnn.scoring.polars import score

    frame = pl.DataFrame({"id": list(range(len(ROWS))), "text": ROWS}, schema={"id": pl.Int64, "text": pl.String})
    got = frame.with_columns(answer=score("text", artifact)).unnest("answer")
    assert got["predicted_label"].to_list() == labels
    assert got["probability_a"].to_list() == pytest.approx(probabilities, abs=1e-6)
    column = score(pl.col("text"), artifact, column="predicted_label")
    lazy = frame.lazy().filter(column == "a").group_by("id").len()
    assert sorted(lazy.collect()["id"]) == [i for i, label in enumerate(labels) if label == "a"]
    assert frame.lazy().select(column).collect_schema()["text"] == pl.String


def test_daft(artifact: Path, labels: list[Any], probabilities: list[Any]) -> None:
    daft = pytest.importorskip("daft")
    from textcnn.scoring.daft import score

    frame = daft.from_pydict({"text": ROWS})
    frame = frame.with_column("label", score(daft.col("text"), artifact))
    frame = frame.with_column("share", score(daft.col("text"), artifact, column="probability_a"))
    got = frame.to_pydict()
    assert got["label"] == labels
    assert got["share"] == pytest.approx(probabilities, abs=1e-6)


def test_nemo_curator(artifact: Path, probabilities: list[Any]) -> None:
    import pickle

    from textcnn.scoring.nemo_curator import LabelDocumentFilter

    keep = pickle.loads(pickle.dumps(LabelDocumentFilter(artifact, "a", 0.3)))
    assert keep.name == "textcnn_a"
    scores = [keep.score_document(text) for text in TEXTS]
    assert scores == pytest.approx(probabilities[:-1], abs=1e-6)
    assert [keep.keep_document(score) for score in scores] == [score >= 0.3 for score in scores]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java, which is not installed")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "2").config("spark.driver.memory", "1g")
    before = signal.getsignal(signal.SIGINT)
    session = builder.config("spark.driver.host", "localhost").getOrCreate()
    yield session
    session.stop()
    signal.signal(signal.SIGINT, before)  # Spark leaves its own, and the tests of Ctrl-C meet it


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_spark(spark: Any, artifact: Path, labels: list[Any], probabilities: list[Any]) -> None:
    from textcnn.scoring.spark import score_frame

    rows = [(i, text, "mine") for i, text in enumerate(ROWS)]
    frame = spark.createDataFrame(rows, "id long, text string, probability string").repartition(4)
    scored = score_frame(frame, artifact, top_k=2, thresholds={"a": 0.3})
    got = sorted(scored.collect(), key=lambda row: row["id"])
    assert [row["id"] for row in got] == list(range(len(ROWS)))
    assert [row["predicted_label"] for row in got] == labels
    assert [row["probability_a"] for row in got] == pytest.approx(probabilities, abs=1e-6)
    assert [row["top_labels"] and row["top_labels"][0] for row in got] == labels
    assert [row["keep_a"] for row in got[:-1]] == [p >= 0.3 for p in probabilities[:-1]]
    assert scored.columns[:3] == ["id", "text", "probability"]
    assert dict(scored.dtypes)["probability"] == "double"
