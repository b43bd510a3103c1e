"""`textcnn bench score` measures whole jobs and reports the ratios with the rates that they come from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from folded_models import write_artifact

from textcnn.bench.scoring import _start_ray
from textcnn.cli import main


def test_bench_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_artifact(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("w3 w4\nw5\n")
    output = tmp_path / "score.json"
    line = ["bench", "score", str(model), "--texts", str(tmp_path / "texts.txt"), "--output", str(output)]
    main([*line, "--shards", "3", "--rows", "20", "--processes", "2", "--rounds", "1"])
    figure = json.loads(output.read_text())["figures"]["score_process_scaling"]
    assert figure["value"] == pytest.approx(figure["ours"] / figure["theirs"])
    assert "score_process_scaling" in capsys.readouterr().out


def test_ray_has_the_priority_of_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    seen: dict[str, str] = {}
    monkeypatch.setenv("RAY_worker_niceness", "15")
    monkeypatch.delenv("RAY_worker_niceness")  # put back as it was at the end
    monkeypatch.setattr(ray, "init", lambda **_: seen.update(os.environ))
    _start_ray(2)
    assert seen["RAY_worker_niceness"] == "0"
