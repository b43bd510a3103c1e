"""Ray Data on this machine: the rows and the bytes of one process, also where an actor is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import TEXTS
from test_shards import check, write_shards

import textcnn
from textcnn.cli import main

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # Its processes would have the niceness 15, and wait for minutes beside the other tests.
        patch.setenv("RAY_worker_niceness", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=200_000_000)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def kill_an_actor(done: threading.Event, killed: list[int]) -> None:
    """Kill the process of a scoring actor once it has begun to work."""
    deadline = time.monotonic() + 240  # Ray starts its processes slowly where other work has the cores
    while not killed and not done.is_set() and time.monotonic() < deadline:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                name = (entry / "cmdline").read_bytes().decode(errors="replace")
                # Ray names the process of an actor by what it runs at the moment.
                if name.startswith("ray::") and ("ScoringActor" in name or "ShardActor" in name) and "submit" in name:
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed.append(int(entry.name))
                    return
            except (OSError, ValueError):
                continue
        time.sleep(0.005)


def test_a_dataset(cluster: None, artifact: Path) -> None:
    from textcnn.scoring.ray import score_dataset

    rows = [{"id": i, "text": text} for i, text in enumerate([*TEXTS, None])]
    scored = score_dataset(ray.data.from_items(rows), artifact, processes=2, batch_size=7, thresholds={"a": 0.3})
    got = sorted(scored.take_all(), key=lambda row: row["id"])
    classifier = textcnn.load(artifact)
    assert [row["predicted_label"] for row in got] == [*classifier.predict(TEXTS).tolist(), None]
    wanted = classifier.predict_proba(TEXTS)[:, 0].tolist()
    assert [row["probability_a"] for row in got[:-1]] == pytest.approx(wanted, abs=1e-6)
    assert [row["keep_a"] for row in got[:-1]] == [p >= 0.3 for p in wanted]


def test_an_actor_that_is_killed_loses_and_doubles_no_row(cluster: None, artifact: Path) -> None:
    from textcnn.scoring.ray import score_dataset

    def slow(batch: pa.Table) -> pa.Table:
        """Leave time to kill an actor in the middle of the dataset."""
        time.sleep(0.05)
        return batch

    rows = [{"id": i, "text": TEXTS[i % len(TEXTS)]} for i in range(2000)]
    dataset = ray.data.from_items(rows, override_num_blocks=40)
    scored = score_dataset(dataset, artifact, processes=2, batch_size=50).map_batches(slow, batch_format="pyarrow")
    done, killed = threading.Event(), []
    killer = threading.Thread(target=kill_an_actor, args=(done, killed))
    killer.start()
    got = scored.take_all()
    done.set()
    killer.join()
    assert len(killed) == 1
    assert sorted(row["id"] for row in got) == list(range(2000))
    labels = textcnn.load(artifact).predict(TEXTS).tolist()
    assert all(row["predicted_label"] == labels[row["id"] % len(TEXTS)] for row in got)


def test_score_writes_the_bytes_of_one_process(cluster: None, artifact: Path, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "crawl", ending="jsonl.zst")
    line = ["score", str(artifact), str(tmp_path / "crawl"), "--output"]
    main([*line, f"{tmp_path}/ray/", "--engine", "ray", "--processes", "2"])
    main([*line, f"{tmp_path}/local/", "--processes", "2"])
    check(artifact, tmp_path / "ray", 120)
    for path in paths:
        assert (tmp_path / "ray" / path.name).read_bytes() == (tmp_path / "local" / path.name).read_bytes()


def test_a_job_whose_actor_is_killed_loses_and_doubles_nothing(cluster: None, artifact: Path, tmp_path: Path) -> None:
    write_shards(tmp_path / "crawl", 6, 30_000)
    done, killed = threading.Event(), []
    killer = threading.Thread(target=kill_an_actor, args=(done, killed))
    killer.start()
    report = textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/", engine="ray", processes=2)
    done.set()
    killer.join()
    assert len(killed) == 1
    assert report.rows == 180_000
    check(artifact, tmp_path / "scored", 180_000)


def test_a_broken_file_is_named(cluster: None, artifact: Path, tmp_path: Path) -> None:
    paths: list[Any] = write_shards(tmp_path / "crawl", 2)
    paths[0].write_text(json.dumps("w3"))
    with pytest.raises(ValueError, match=r"part-00.jsonl, line 1: .*; the other 1 shards are written"):
        textcnn.score(artifact, tmp_path / "crawl", f"{tmp_path}/scored/", engine="ray", processes=1)
