"""`predict` writes what `score` writes: the same cells, answers and notes from the same file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from folded_models import write_artifact

import textcnn
from textcnn.artifact import write_calibration
from textcnn.cli import main
from textcnn.data import TextDataModule
from textcnn.training.predictions import PredictionWriter

TRAIN = Dataset.from_dict({"text": [f"w{i}" for i in range(30)], "label": ["a", "b"] * 15})


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("predictions") / "model"
    write_artifact(directory)
    textcnn.load(directory)
    return directory


def predict(artifact: Path, path: Any, output: Path) -> list[str]:
    """Writes what `textcnn predict` writes of the artifact's logits; gives its notes."""
    data = TextDataModule(TRAIN, tokenizer="byte", predict_path=path)
    data.predict_dataloader()
    config = json.loads((artifact / "config.json").read_text())
    model = SimpleNamespace(model=SimpleNamespace(config=SimpleNamespace(to_dict=lambda: config)))
    writer = PredictionWriter(output)
    logits = textcnn.load(artifact).logits([text or "" for text in data.predict_texts.to_pylist()])
    trainer = SimpleNamespace(datamodule=data)
    writer.on_predict_batch_end(trainer, model, (torch.tensor(logits), None), None, 0)
    writer.on_predict_end(trainer, model)
    return writer.notes


FILES = {
    "codes.csv": "id,price,day,flag,text\n007,1.50,2024-01-01,True,w3\n8,2,,NA,w4\n",
    "none.csv": 'id,text\n1,w3\n2,\n3,""\n4, \n',
    "semi.csv": "id;text\n1;w3, w4\n",
    "clash.csv": "text,probability,predicted_label\nw3,mine,no\n",
    "none.tsv": "id\ttext\n1\tw3\n2\t\n",
    "nulls.jsonl": '{"text": "w3", "id": 1}\n{"text": null, "id": 2}\n{"id": 3}\n{"text": "", "id": 4}\n',
    "lists.jsonl": '{"text": "w3", "tags": ["n", "é"], "more": {"a": 1}}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_predict_and_score_write_the_same(artifact: Path, tmp_path: Path, capsys: Any, name: str) -> None:
    (tmp_path / name).write_text(FILES[name])
    main(["score", str(artifact), str(tmp_path / name), "--output", str(tmp_path / "score.csv")])
    said = capsys.readouterr().err.splitlines()[1:]
    assert predict(artifact, tmp_path / name, tmp_path / "predict.csv") == said
    assert (tmp_path / "predict.csv").read_text() == (tmp_path / "score.csv").read_text()


def test_parquet_keeps_its_types_and_class_names(artifact: Path, tmp_path: Path) -> None:
    features = {"text": pa.array([None, "w3"]), "day": pa.array([1, None], pa.int8()), "probability": ["mine", "mine"]}
    rows = Dataset(pa.table(features))
    assert len(predict(artifact, rows, tmp_path / "out.parquet")) == 2
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column("day").type == pa.int8()
    assert table.column("predicted_label").type == pa.string()
    assert table.column("probability").type == pa.float64()
    assert [row["predicted_label"] is None for row in table.to_pylist()] == [True, False]
    assert Dataset.from_parquet(str(tmp_path / "out.parquet"), cache_dir=str(tmp_path)).column_names[:2] == [
        "text",
        "day",
    ]


def test_a_model_may_abstain_from_every_row(artifact: Path, tmp_path: Path) -> None:
    cautious = tmp_path / "model"
    cautious.mkdir()
    for file in artifact.iterdir():
        (cautious / file.name).write_bytes(file.read_bytes())
    write_calibration(cautious, abstention={"score": "probability", "threshold": 1.1})
    notes = predict(cautious, Dataset.from_dict({"text": ["w3", "w4"]}), tmp_path / "out.parquet")
    assert notes == ["the model abstains from 2 rows, kept without a label"]
    assert pq.read_table(tmp_path / "out.parquet").column("predicted_label").to_pylist() == [None, None]
