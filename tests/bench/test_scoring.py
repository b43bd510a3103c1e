"""`textcnn bench score` measures whole jobs and reports the ratios with the rates that they come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from folded_models import write_artifact

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
