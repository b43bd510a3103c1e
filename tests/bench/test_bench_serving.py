"""`textcnn bench serve` loads the real server, and does not take wrong answers for fast ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from folded_models import write_artifact
from server_process import running

import textcnn
from textcnn.artifact import write_calibration
from textcnn.bench.serving import check_answers, load, request_of
from textcnn.cli import main


def test_bench_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_artifact(tmp_path / "model")
    texts, output = tmp_path / "texts.txt", tmp_path / "serve.json"
    texts.write_text("w3 w4\nw5\n")
    line = ["bench", "serve", str(model), "--texts", str(texts), "--output", str(output)]
    main([*line, "--connections", "4", "--batch", "20", "--seconds", "0.2", "--rounds", "1", "--memory_seconds", "1"])
    figures = json.loads(output.read_text())["figures"]
    assert set(figures) == {"serve_vs_empty", "serve_p99_vs_empty", "serve_batch_vs_runtime", "serve_memory_growth"}
    assert 0.5 < figures["serve_memory_growth"]["value"] < 2
    for figure in figures.values():
        assert figure["value"] == pytest.approx(figure["ours"] / figure["theirs"])
    texts.write_text("\n\n")
    with pytest.raises(ValueError, match="expected at least one"):
        textcnn.bench("serve", model, texts=texts)
    assert "the client took a part of the same" in capsys.readouterr().out


def test_refusals_and_other_answers_are_no_figures(tmp_path: Path) -> None:
    model = write_artifact(tmp_path / "model")
    with running(model) as (_, address):
        port = int(address.rpartition(":")[2])
        check_answers(port, textcnn.load(model), ["w2", "w3"])
        with pytest.raises(RuntimeError, match="expected status 200"):
            load(port, [request_of({"texts": 3})], 2, 0.2)
        other = write_artifact(tmp_path / "other")
        write_calibration(other, temperature=9.0)
        with pytest.raises(RuntimeError, match="expected those of the classifier"):
            check_answers(port, textcnn.load(other), ["w2", "w3"])
