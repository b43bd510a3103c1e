"""Distributed data parallel on two CPU processes: the weights, the scores and the lines of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from textcnn.cli import main

SETTINGS = [
    "--accelerator", "cpu", "--max_epochs", "2", "--dropout", "0", "--num_filters", "8", "--embedding_dim", "16",
    "--seed", "3", "--patience", "9", "--tokenizer", "word",
]  # fmt: skip


def line_of(data: Path, output: Path, *options: str) -> list[str]:
    return ["train", str(data), "--output", str(output), *SETTINGS, *options]


def result(output: Path, out: str, err: str) -> tuple[dict[str, Any], dict[str, float], list[str]]:
    """Weights, scores and printed lines of a training run of the command line."""
    lines = [line for line in (out + err).splitlines() if line.strip()]
    scores = {words[0]: float(words[1]) for line in out.splitlines() if len(words := line.split()) == 2}
    return load_file(output / "model.safetensors"), scores, lines


def write(path: Path, rows: int) -> Path:
    words = ["lovely", "great", "film", "plot", "dull", "awful", "long", "acting", "mess", "fun"]
    lines = []
    for i in range(rows):
        text = " ".join(words[(i * j + i // 7) % 10] for j in range(1, 3 + i % 9))
        lines.append(json.dumps({"text": text, "label": "good" if (i * 3) % 5 < 2 else "bad"}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("shipped_vectors")  # as another process has them
def test_two_processes_give_the_weights_of_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    # 113 = 7 * 16 + 1: the last batch of an epoch has one text, which one of the two processes takes.
    write(tmp_path / "data" / "train.jsonl", 113)
    write(tmp_path / "data" / "validation.jsonl", 33)
    write(tmp_path / "data" / "test.jsonl", 1)
    capfd.readouterr()
    main(line_of(tmp_path / "data", tmp_path / "one", "--batch_size", "16", "--devices", "1"))
    one = result(tmp_path / "one", *capfd.readouterr())
    line = line_of(tmp_path / "data", tmp_path / "two", "--batch_size", "8", "--devices", "2")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "textcnn", *line]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    two = result(tmp_path / "two", done.stdout, done.stderr)
    assert one[0].keys() == two[0].keys()
    for name, weight in one[0].items():
        assert abs(weight - two[0][name]).max() < 1e-5, name
    assert one[1].keys() == two[1].keys()
    assert one[1] == pytest.approx(two[1], abs=1e-4)
    assert {"val_micro_f1", "test_micro_f1"} <= one[1].keys()
    # Printed once, and nothing besides.
    strip = lambda lines: sorted(line.split("  at most")[0].replace("/one", "/two") for line in lines)  # noqa: E731
    assert len(one[2]) == len(two[2]), two[2]
    assert [line.split()[0] for line in strip(one[2])] == [line.split()[0] for line in strip(two[2])]


STREAM = """
import json, sys
import torch, torch.distributed as dist
from textcnn.data import TextDataModule

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)

def opened(name):
    return TextDataModule(f"{folder}/{name}", streaming=True, batch_size=7, labels=["bad", "good"])

def read_batches(data, stop=None):
    read, loader = [], data.train_dataloader()
    for batch in loader:
        # As the gradients are: hangs where the processes do not step together.
        dist.all_reduce(torch.tensor(float(len(batch["labels"]))))
        pairs = zip(batch["input_ids"], batch["attention_mask"])
        read.append([data.tokenizer.decode(ids[mask.bool()]) for ids, mask in pairs])
        if len(read) == stop:
            break
    return read, loader.state_dict()

for name in sys.argv[3:]:
    read, _ = read_batches(opened(name))
    print(json.dumps({"read": sum(read, []), "steps": len(read)}))
    # A run is killed: the first process has written where it was, and both go on from there. The batch that was asked
    # for last was not trained on.
    before, states = read_batches(opened(name), stop=3)
    states = [states]
    dist.broadcast_object_list(states)
    again = opened(name)
    again.train_position = states[0]
    after, _ = read_batches(again)
    print(json.dumps({"read": sum(before[:-1] + after, []), "steps": len(before[:-1] + after)}))
"""


@pytest.mark.timeout(300)
def test_a_stream_is_shared_without_doubles_or_gaps(tmp_path: Path) -> None:
    """Streams of two lengths, each whole and after a kill, in one pair of processes: their imports take longest."""
    lengths = (2500, 40)
    for rows in lengths:
        folder = tmp_path / str(rows)
        folder.mkdir()
        texts = [f"word{i} text number {i}" for i in range(rows)]
        lines = [json.dumps({"text": text, "label": ["bad", "good"][i % 2]}) for i, text in enumerate(texts)]
        (folder / "train.jsonl").write_text("\n".join(lines))
        (folder / "validation.jsonl").write_text("\n".join(lines[:10]))
    program = [sys.executable, "-c", STREAM]
    processes = [
        subprocess.Popen([*program, str(rank), str(tmp_path), *map(str, lengths)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    passes = [rows for rows in lengths for _ in ("whole", "killed")]
    printed = [process.communicate(timeout=200)[0].splitlines()[-len(passes) :] for process in processes]
    for rows, *of_both in zip(passes, *printed, strict=True):
        outputs = [json.loads(line) for line in of_both]
        assert outputs[0]["steps"] == outputs[1]["steps"]
        read = [text for output in outputs for text in output["read"]]
        assert len(read) == len(set(read)) == rows
