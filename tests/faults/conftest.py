"""Fixtures of the tests of faults: a trained artifact, the number of inputs, the table of outcomes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fault_ledger import Ledger
from folded_models import write_artifact

# `make test-faults` sets it; the tests then take many times as many inputs.
LONG = os.environ.get("TEXTCNN_FAULTS") == "long"
# A file that takes the table in Markdown, as it stands in the documentation.
REPORT = os.environ.get("TEXTCNN_FAULTS_REPORT")


_LEDGER = Ledger()


@pytest.fixture
def ledger() -> Ledger:
    """Takes a row of the table."""
    return _LEDGER


@pytest.fixture(scope="session", autouse=True)
def report() -> Iterator[None]:
    """Write the table at the end."""
    yield
    if REPORT:
        Path(REPORT).write_text(_LEDGER.table(), encoding="utf-8")


@pytest.fixture
def count() -> Callable[[int, int], int]:
    """Choose between the number of inputs of a short run and that of a long one."""
    return lambda short, long: long if LONG else short


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in each run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small artifact without tables."""
    return write_artifact(tmp_path_factory.mktemp("artifact") / "model")
