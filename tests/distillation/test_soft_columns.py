"""Probabilities and logits that stand in columns of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import textcnn
from textcnn.data.replaced import ReplacedTrainData
from textcnn.distillation.soft_columns import read_soft_columns
from textcnn.distillation.teachers import to_logits

QUICK: dict[str, Any] = {"num_filters": 16, "log_every_n_steps": 1, "progress": False, "learning_rate": 3e-3}
COLUMNS = ["probability_negative", "probability_positive"]


@pytest.fixture
def table(reviews: Path) -> pd.DataFrame:
    rows = pd.read_csv(reviews)
    good = (rows["label"] == "positive").to_numpy()
    rows[COLUMNS] = np.where(good[:, None], [[0.1, 0.9]], [[0.9, 0.1]])
    return rows


def read(rows: pd.DataFrame, folder: Path, columns: list[str] | None = None, held_out: float = 0.0) -> np.ndarray:
    rows.to_csv(folder / "soft.csv", index=False)
    data = ReplacedTrainData(str(folder / "soft.csv"), validation_fraction=held_out)
    return read_soft_columns(data, columns, data.labels, False)


def test_probabilities_need_no_teacher(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "soft.csv", index=False)
    student = textcnn.distill(None, str(tmp_path / "soft.csv"), None, tmp_path / "run", **QUICK, max_epochs=2)
    assert student.predict(["a dull film"]) == ["negative"]
    with pytest.raises(ValueError, match=r"no column 'probability_negativ' \(did you mean 'probability_negative'\?\)"):
        read(table, tmp_path, ["probability_negativ", "text"])


def test_a_student_of_all_texts_is_compared_with_nothing(
    table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.to_csv(tmp_path / "soft.csv", index=False)
    textcnn.distill(
        None, str(tmp_path / "soft.csv"), None, tmp_path / "run", **QUICK, max_epochs=1, validation_fraction=0.0
    )
    assert "no text was held out and there is no test split" in capsys.readouterr().err
    written = json.loads((tmp_path / "run" / "distillation.json").read_text())
    assert written["split"] is None
    assert written["student"]["bytes"] > 10_000


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (0, 0.999, "probabilities that add up to 1"),
        (0, -0.9, "probabilities from 0 to 1"),
        (1, 90.0, "probabilities from 0 to 1"),
        (1, float("nan"), "finite numbers"),
    ],
)
def test_a_wrong_row_is_named_as_the_file_counts_it(
    table: pd.DataFrame, tmp_path: Path, column: int, value: float, expected: str
) -> None:
    table.loc[100, COLUMNS[column]] = value
    with pytest.raises(ValueError, match=rf"in row 100 \(counted from 0\).* expected {expected}; mend that row$"):
        read(table, tmp_path, held_out=0.2)


def test_logits_have_columns_of_other_names(table: pd.DataFrame, tmp_path: Path) -> None:
    logits = 3 * to_logits(table[COLUMNS].to_numpy(), False)
    table[["no", "yes"]] = logits
    np.testing.assert_allclose(read(table, tmp_path, ["no", "yes"]), logits, rtol=1e-5)
    table[["no", "yes"]] = [10.0, 90.0]
    with pytest.raises(ValueError, match=r"got 10, 90 in row 0 .*from 0 to 1; mend that row and 119 more"):
        read(table, tmp_path, ["no", "yes"])
