"""Scorer against the classifiers themselves: every kind of table, one or several models, one process or another."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import TEXTS
from datasets import Dataset

import textcnn
from textcnn import Scorer
from textcnn.runtime.folded import FoldedTextCNN

WITH_GAPS = [*TEXTS[:5], None, "", "w3 \ud83d"[:3], TEXTS[7]]


def expected(directory: Path, texts: list[str | None]) -> list[dict[str, Any]]:
    """The answers to texts, from the classifier, a text at a time."""
    classifier = textcnn.load(directory)
    rows = []
    for text in texts:
        if text is None:
            rows.append(dict.fromkeys(["predicted_label", "probability", *map("probability_{}".format, "abc")]))
            continue
        p = classifier.predict_proba([text])[0]
        row = {"predicted_label": classifier.predict([text])[0], "probability": float(p.max())}
        rows.append({**row, **{f"probability_{label}": float(p[i]) for i, label in enumerate(classifier.labels)}})
    return rows


def same(got: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert one.keys() >= other.keys()
        for name, value in other.items():
            found = one[name]
            if value is None:
                assert found is None or found != found
            else:
                assert found == (pytest.approx(value, abs=1e-5) if isinstance(value, float) else value)


def rows(table: Any) -> list[dict[str, Any]]:
    if isinstance(table, list):
        return table
    if isinstance(table, dict):
        return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    if isinstance(table, pd.DataFrame):
        return table.astype(object).where(table.notna(), None).to_dict("records")
    return table.to_dicts() if isinstance(table, pl.DataFrame) else table.to_pylist()


def numpy_columns(columns: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: np.array(values, dtype=object if name == "text" else None) for name, values in columns.items()}


TABLES = {
    "rows": lambda columns: [dict(zip(columns, v, strict=True)) for v in zip(*columns.values(), strict=True)],
    "lists": dict,
    "numpy": numpy_columns,
    "pandas": lambda columns: pd.DataFrame(columns, index=range(10, 10 + len(columns["text"]))),
    "polars": pl.DataFrame,
    "arrow table": pa.table,
    "record batch": pa.RecordBatch.from_pydict,
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("texts", [TEXTS, WITH_GAPS, []], ids=["texts", "gaps", "empty"])
def test_a_table_comes_back_as_it_was_with_the_answers(artifact: Path, kind: str, texts: list[Any]) -> None:
    given = TABLES[kind]({"id": list(range(len(texts))), "text": texts})
    if kind == "arrow table" and not texts:
        given = given.cast(pa.schema({"id": pa.int64(), "text": pa.string()}))
    got = Scorer(artifact, text_column="text")(given)
    assert type(got) is type(given)
    same(rows(got), expected(artifact, texts))
    assert [(row["id"], row["text"]) for row in rows(got)] == list(zip(range(len(texts)), texts, strict=True))
    if kind == "pandas":
        assert list(got.index) == list(given.index)
        assert got["probability_a"].dtype == np.float64
    if kind in ("arrow table", "record batch"):
        assert got.schema == pa.schema([*given.schema, *Scorer(artifact).schema])


@pytest.mark.parametrize(
    "make", [list, np.array, pd.Series, pl.Series, pa.array, lambda texts: pa.chunked_array([texts[:9], texts[9:]])]
)
def test_texts_without_columns(artifact: Path, make: Any) -> None:
    same(rows(Scorer(artifact)(make(TEXTS))), expected(artifact, TEXTS))


def test_one_row_and_a_dataset(artifact: Path) -> None:
    scorer = Scorer(artifact, label_only=True)
    wanted = expected(artifact, TEXTS)
    assert scorer({"text": TEXTS[3], "id": 3})["predicted_label"] == wanted[3]["predicted_label"]
    data = Dataset.from_dict({"text": [*TEXTS, None]})
    for mapped in (data.map(scorer, batched=True, batch_size=7), data.map(scorer)):
        assert mapped.column_names == ["text", "predicted_label", "probability"]
        assert mapped["predicted_label"][:] == [*(row["predicted_label"] for row in wanted), None]


def test_several_models_in_one_pass(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    encode = FoldedTextCNN.encode
    monkeypatch.setattr(FoldedTextCNN, "encode", lambda self, texts: encoded.append(len(texts)) or encode(self, texts))
    got = Scorer(models)(WITH_GAPS)
    # first and same share their tokens; other has a tokenizer of its own.
    assert encoded == [len(WITH_GAPS) - 1]
    for name, directory in models.items():
        wanted = expected(directory, WITH_GAPS)
        for answer, row in zip(wanted, got, strict=True):
            for label in "abc":
                key = f"probability_{label}"
                assert row[f"{name}_{key}"] == (None if answer[key] is None else pytest.approx(answer[key], abs=1e-5))
    present = [text for text in WITH_GAPS if text is not None]
    labels = [row["same_predicted_label"] for row in got if row["same_predicted_label"] is not None]
    assert labels == textcnn.load(models["same"]).predict(present)


def test_names_of_several_models(models: dict[str, Path]) -> None:
    scorer = Scorer(list(models.values())[1:], label_only=True)
    assert scorer.schema.names == [
        "same_predicted_label", "same_probability", "other_predicted_label", "other_probability",
    ]  # fmt: skip
    assert scorer.schema.field("same_predicted_label").type == pa.list_(pa.string())
    with pytest.raises(ValueError, match="two directories 'same'"):
        Scorer([models["same"], models["same"]])


def test_top_k_labels_and_reasons(artifact: Path) -> None:
    classifier = textcnn.load(artifact)
    scorer = Scorer(artifact, top_k=2, reasons=3, labels=["b"])
    got = scorer(pa.table({"text": [*TEXTS[:9], None]}))
    assert got.column_names == [
        "text", "predicted_label", "probability", "probability_b", "top_labels", "top_probabilities", "reasons",
    ]  # fmt: skip
    best = classifier.predict_top_k(TEXTS[:9], 2)
    assert got["top_labels"].to_pylist() == [*([label for label, _ in row] for row in best), None]
    np.testing.assert_allclose(got["top_probabilities"].to_pylist()[:9], [[p for _, p in row] for row in best])
    for text, reasons in zip(TEXTS[:9], got["reasons"].to_pylist(), strict=False):
        ngrams = classifier.explain(text).contributions[:3]
        assert reasons == [{"text": ngram.text, "weight": pytest.approx(ngram.weight)} for ngram in ngrams]


def test_thresholds_by_value_and_by_share(artifact: Path, models: dict[str, Path]) -> None:
    probabilities = textcnn.load(artifact).predict_proba(TEXTS)[:, 0].astype(float)
    threshold = float(np.median(probabilities))
    got = Scorer(artifact, thresholds={"a": threshold})(TEXTS)
    assert [row["keep_a"] for row in got] == (probabilities >= threshold).tolist()
    assert 0 < sum(row["keep_a"] for row in got) < len(TEXTS)
    texts = [f"w{i} w{i + 1}" for i in range(2, 39)]
    for share in (0.1, 0.5, 1.0):
        scorer = Scorer(artifact, top_k=1).with_shares(texts, {"a": share})
        assert sum(row["keep_a"] for row in scorer(texts)) == round(share * len(texts))
        assert scorer.top_k == 1
    both = Scorer(models, thresholds={"same": {"a": 0.5}})
    assert [name for name in both.schema.names if "keep" in name] == ["same_keep_a"]


def test_pickled_as_a_path_and_opened_on_use(models: dict[str, Path]) -> None:
    scorer = Scorer(models, thresholds={"first": {"a": 0.25}})
    content = pickle.dumps(scorer)
    assert len(content) < 2000
    copy = pickle.loads(content)
    assert copy._opened is None
    assert copy(TEXTS) == scorer(TEXTS)
    again = pickle.loads(content)
    assert again.classifiers["first"] is copy.classifiers["first"]  # once a process


def test_in_another_process(artifact: Path, tmp_path: Path) -> None:
    scorer = Scorer(artifact)
    (tmp_path / "scorer").write_bytes(pickle.dumps(scorer))
    program = (
        f"import pathlib, pickle; scorer = pickle.loads(pathlib.Path('scorer').read_bytes()); print(scorer({TEXTS!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == scorer(TEXTS)


def test_the_text_column_is_found_and_kept(artifact: Path) -> None:
    scorer = Scorer(artifact)
    scorer({"body": TEXTS, "id": list(range(len(TEXTS)))})
    assert scorer.text_column == "body"
    with pytest.raises(ValueError, match=r"columns boddy; expected 'body' \(did you mean 'boddy'\?\)"):
        scorer({"boddy": TEXTS})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labels": ["aa"]}, r"labels: got 'aa'; expected one of a, b, c"),
        ({"thresholds": {"d": 0.5}}, "thresholds: got 'd'; expected one of a, b, c"),
        ({"thresholds": {"a": 2}}, "thresholds: a: got 2; expected a number from 0 to 1"),
        ({"top_k": -1}, "top_k: got -1"),
        ({"reasons": 1.5}, "reasons: got 1.5"),
    ],
)
def test_mistakes(artifact: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Scorer(artifact, **settings)


def test_what_is_no_table(artifact: Path) -> None:
    scorer = Scorer(artifact)
    with pytest.raises(TypeError, match="got str; expected a list of texts"):
        scorer("w3")
    with pytest.raises(ValueError, match="got 3 \\(int\\) in row 2; expected a text"):
        scorer(["w3", 3])
    with pytest.raises(FileNotFoundError, match="no directory"):
        Scorer("nowhere")
    with pytest.raises(ValueError, match="shares: a: got 0"):
        scorer.with_shares(TEXTS, {"a": 0})
