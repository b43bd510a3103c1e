"""What several test files use: small models, small datasets, and the folder of real data where there is one."""

from __future__ import annotations

import os
from pathlib import Path

# No test reaches for a network: whatever would is an error at once, not a timeout.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Lightning calls a function of jsonargparse that has a new name; the warning is for Lightning.
os.environ["JSONARGPARSE_DEPRECATION_WARNINGS"] = "off"

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real datasets that TEXTCNN_DATA names; tests that need it are skipped without it."""
    folder = os.environ.get("TEXTCNN_DATA")
    if not folder:
        pytest.skip("TEXTCNN_DATA names no folder of real datasets")
    return Path(folder)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """A csv file of 120 short reviews with two labels that words give away."""
    good = ["a lovely film", "great acting and a lovely plot", "I liked it, great fun", "wonderful and great"]
    bad = ["a dull film", "awful acting and a dull plot", "I hated it, awful mess", "boring and awful"]
    rows = ["text,label"]
    for i in range(60):
        rows.append(f'"{good[i % 4]} number {i}",positive')
        rows.append(f'"{bad[i % 4]} number {i}",negative')
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path
