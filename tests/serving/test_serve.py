"""The server as a process: it answers, ends in order, takes new models up under load, and stays alive when flooded."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest
from folded_models import write_artifact
from server_process import post, running

import textcnn
from textcnn.artifact import write_calibration
from textcnn.cli import main


@pytest.fixture
def folder(tmp_path):
    folder = write_artifact(tmp_path / "served")
    textcnn.load(folder)
    return folder


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_answers_and_ends_in_order(folder, workers):
    expected = textcnn.load(folder).predict(["w2 w3"]).tolist()
    with running(folder, "--workers", workers) as (process, address):
        status, content = post(address, "/predict", texts=["w2 w3"])
        assert status == 200
        assert [answer["label"] for answer in content["answers"]] == expected
        # Requests in progress when the signal comes are answered.
        texts = ["w2 w3 w4 " * 1000] * 300
        results: list = []
        slow = threading.Thread(target=lambda: results.append(post(address, "/predict", texts=texts)))
        slow.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        slow.join(40)
        assert process.wait(40) == 0
        assert results[0][0] == 200
        assert len(results[0][1]["answers"]) == 300
    with pytest.raises(urllib.error.URLError):
        post(address, "/predict", text="w2")


def test_a_new_model_is_taken_up_without_losing_a_request(folder):
    before = textcnn.load(folder).predict_proba(["w2 w3"])[0].tolist()
    with running(folder) as (_, address):
        seen, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                status, content = post(address, "/predict", text="w2 w3")
                seen.append((status, tuple(content["answers"][0]["probabilities"]) if status == 200 else content))

        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        time.sleep(0.5)
        write_calibration(folder, temperature=3.0)
        after = textcnn.load(folder).predict_proba(["w2 w3"])[0].tolist()
        deadline = time.monotonic() + 20
        while (200, tuple(after)) not in seen[-3:]:
            assert time.monotonic() < deadline, seen[-1]
            time.sleep(0.1)
        # Files that cannot be used are not used.
        (folder / "folded.safetensors").rename(folder / "away")
        (folder / "folded.safetensors").write_bytes(b"broken")
        problem = ""
        while not problem:
            with urllib.request.urlopen(f"{address}/health", timeout=30) as reply:
                problem = json.load(reply)["problems"].get("served", "")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "folded.safetensors" in problem
        time.sleep(0.3)
        stop.set()
        for asker in askers:
            asker.join()
        assert {status for status, _ in seen} == {200}
        assert {answer for _, answer in seen} == {tuple(before), tuple(after)}
        assert seen[-1][1] == tuple(after)


def test_a_flood_is_answered_by_503_and_the_server_stays_alive(folder):
    with running(folder, "--max_waiting", "1") as (_, address):
        texts = ["w2 w3 w4 " * 1000] * 300
        statuses, again = [], []

        def ask():
            request = urllib.request.Request(f"{address}/predict", json.dumps({"texts": texts}).encode())
            try:
                with urllib.request.urlopen(request, timeout=60) as reply:
                    statuses.append(reply.status)
            except urllib.error.HTTPError as error:
                with error:
                    statuses.append(error.code)
                    again.append((error.headers["retry-after"], json.load(error)["error"]))

        askers = [threading.Thread(target=ask) for _ in range(48)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert set(statuses) == {200, 503}
        assert all(seconds == "1" and "expected fewer" in message for seconds, message in again)
        assert post(address, "/predict", text="w2")[0] == 200


def test_the_token_is_read_from_the_environment(folder):
    with running(folder, TEXTCNN_TOKEN="secret") as (_, address):
        assert post(address, "/predict", text="w2")[0] == 401


def test_mistakes_are_one_line(folder, tmp_path, capsys, monkeypatch):
    twin = shutil.copytree(folder, tmp_path / "other" / "served")
    for words, message in (
        ([str(folder), str(twin)], "got two directories 'served'"),
        ([str(tmp_path / "none")], "none"),
        ([str(tmp_path / "no\udcff")], r"got the directory 'no\udcff'; expected a name of printable text"),
        ([str(folder), "--port", "70000"], "port: got 70000; expected a number from 0 to 65535"),
        ([str(folder), "--workers", "0"], "workers: got 0"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["serve", *words])
        line = capsys.readouterr().err.strip()
        assert stop.value.code == 2
        assert re.fullmatch(r"textcnn: error: [^\n]+", line), line
        assert message in line
    monkeypatch.setenv("TEXTCNN_TOKEN", " ")
    with pytest.raises(ValueError, match="got an empty token"):
        textcnn.serve(folder)
