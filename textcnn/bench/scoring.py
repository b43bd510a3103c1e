"""Speed of `score` on shards: one process beside several, and beside Ray Data on the same machine."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from ..data.io.writers import open_writer
from ..data.prediction import read_texts
from ..scoring.score import score
from ..settings.benchmarks import ScoreBenchSettings
from .figures import Figures


def run(settings: ScoreBenchSettings) -> Figures:
    """Write shards of jsonl.zst and label them, in turns; the whole job is timed, from files to files."""
    figures = Figures()
    if "ray" in settings.peers:
        _start_ray(settings.processes)
    with tempfile.TemporaryDirectory(prefix="textcnn-") as name:
        folder = Path(name)
        rows = _write_shards(folder / "shards", read_texts(str(settings.texts), settings.text_column), settings)
        many = {"engine": "local", "processes": settings.processes}
        one, several = _in_turns(settings, folder, {"engine": "local", "processes": 1}, many)
        what = f"score of jsonl.zst, {settings.processes} processes over 1"
        figures.add("score_process_scaling", what, one / several, "x", rows / several, rows / one, "rows/s")
        if "ray" in settings.peers:
            ray, local = _in_turns(settings, folder, {"engine": "ray", "processes": settings.processes}, many)
            what = f"Ray Data over --engine local, {settings.processes} processes each"
            figures.add("ray_vs_local", what, local / ray, "x", rows / ray, rows / local, "rows/s")
            same = _contents(folder / "first") == _contents(folder / "second")
            figures.add("ray_output_identical", "shards of Ray Data with the bytes of --engine local", float(same), "")
    return figures


def _in_turns(
    settings: ScoreBenchSettings, folder: Path, first: dict[str, object], second: dict[str, object]
) -> tuple[float, float]:
    """Return the median seconds of two ways to label the shards, after one run of each to warm up."""
    times = []
    for round_ in range(settings.rounds + 1):
        seconds = []
        for name, way in (("first", first), ("second", second)):
            output = folder / name
            shutil.rmtree(output, ignore_errors=True)
            seconds.append(score(settings.model, folder / "shards", f"{output}/", **way).seconds)
        if round_:
            times.append(seconds)
    return median(time for time, _ in times), median(time for _, time in times)


def _write_shards(folder: Path, texts: list[str], settings: ScoreBenchSettings) -> int:
    source: Iterator[str] = cycle(texts)
    for shard in range(settings.shards):
        rows = [{"id": f"{shard}-{i}", "text": text} for i, text in enumerate(islice(source, settings.rows))]
        with open_writer(str(folder / f"part-{shard:05}.jsonl.zst"), "jsonl") as writer:
            writer.write(rows)
    return settings.shards * settings.rows


def _start_ray(processes: int) -> None:
    if importlib.util.find_spec("ray") is None:
        raise ValueError("peers: got ray, which is not installed; pip install 'ray[data]'")
    import ray

    # Ray's processes are less urgent than others by default: beside other work they would wait for it.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # A cluster is there before a job is: its start is not counted.
    ray.init(num_cpus=processes, include_dashboard=False, log_to_driver=False)


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the shards by name, and the record's settings."""
    contents = {path.name: path.read_bytes() for path in folder.glob("part-*")}
    records = [json.loads(path.read_text()) for path in folder.glob(".*.json")]
    return {**contents, "record": json.dumps(records).encode()}
