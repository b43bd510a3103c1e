"""Speed of the server over loopback: single texts beside an empty handler, batches beside the classifier itself.

The client shares the machine's cores with the server. It therefore does little: it sends prepared bytes over
connections that stay open, and reads of a response only its status and length.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from ..data.prediction import read_texts
from ..loading import load_classifier
from ..runtime.classifier import TextClassifier
from ..serving.serve import TOKEN
from ..settings.benchmarks import ServeBenchSettings
from .figures import Figures
from .timing import per_call

# Seconds that a server may take to start.
START = 60
EMPTY = """\
import sys, uvicorn
from fastapi import FastAPI, Response
from textcnn.serving.serve import OPTIONS
app = FastAPI()
@app.post("/predict")
async def predict():
    return Response(b'{"answers":[]}', media_type="application/json")
uvicorn.run(app, port=int(sys.argv[1]), **{**OPTIONS, "log_level": "warning"})
"""


class Running(NamedTuple):
    """A server: its port, and the process that listens there."""

    port: int
    pid: int


class Connection(asyncio.Protocol):
    """A connection that sends the next request when the response to the last one is complete, until `end`.

    Args:
        requests: Bytes of the requests.
        end: When to stop, in the seconds of `time.perf_counter`.
        times: Seconds of each response, to be filled.
    """

    def __init__(self, requests: Iterator[bytes], end: float, times: list[float]) -> None:
        self._requests, self._end, self._times = requests, end, times
        self._missing: int | None = None
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Read a part of a response."""
        if self._missing is None:
            self._received += data
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._stop(RuntimeError(f"the server answered {self._received[:200]!r}; expected status 200"))
                return
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._missing = int(length) - len(rest)
        else:
            self._missing -= len(data)
        if self._missing == 0:
            now = time.perf_counter()
            self._times.append(now - self._began)
            if now < self._end:
                self._send()
            else:
                self._stop(None)

    def connection_lost(self, error: Exception | None) -> None:
        """End with an error where the server has closed the connection."""
        self._stop(error or ConnectionError("the server closed a connection"))

    def _send(self) -> None:
        self._began, self._missing, self._received = time.perf_counter(), None, b""
        self._transport.write(next(self._requests))

    def _stop(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
        self._transport.close()


def run(settings: ServeBenchSettings) -> Figures:
    """Send single texts to the server and to an empty handler, then batches, in turns."""
    figures = Figures()
    if settings.memory_seconds:
        resident_memory(os.getpid())  # where it cannot be read, that is known before anything is measured
    texts = list(islice(cycle(read_texts(str(settings.texts), settings.text_column)), settings.batch))
    if not texts:
        raise ValueError(f"texts: got {settings.texts} without a text; expected at least one; name another file")
    classifier = load_classifier(settings.model)
    single, batch = [request_of({"text": text}) for text in texts], [request_of({"texts": texts})]
    serve = ("-m", "textcnn", "serve", str(settings.model), "--port")
    with server(*serve) as ours, server("-c", EMPTY) as empty:
        check_answers(ours.port, classifier, texts)
        rates: dict[str, list[tuple[float, float]]] = {"ours": [], "empty": [], "batch": []}
        own = []
        for round_ in range(settings.rounds + 1):
            # The first round warms up.
            seconds = settings.seconds if round_ else 1
            measured = {
                "ours": load(ours.port, single, settings.connections, seconds),
                "empty": load(empty.port, single, settings.connections, seconds),
                "batch": load(ours.port, batch, settings.batch_connections, seconds),
            }
            alone = per_call(lambda: classifier.predict_proba(texts), seconds / 2)
            if round_:
                own.append(len(texts) / alone)
                for name, pair in measured.items():
                    rates[name].append(pair)
        if settings.memory_seconds:
            _add_memory(figures, ours, texts, settings)
    _add(figures, settings, rates, own)
    print(f"the client took a part of the same {os.cpu_count()} cores; event loop and parser: {_packages()}")
    return figures


def _add(
    figures: Figures, settings: ServeBenchSettings, rates: dict[str, list[tuple[float, float]]], own: list[float]
) -> None:
    """Add medians over the rounds; ratios are those of the measurements of one round."""

    def ratio(key: str, what: str, ours: Sequence[float], theirs: Sequence[float], unit: str) -> None:
        value = median(a / b for a, b in zip(ours, theirs, strict=True))
        figures.add(key, what, value, "x", median(ours), median(theirs), unit)

    what = f"single texts, {settings.connections} connections, over an empty handler of the same framework"
    ours, empty = rates["ours"], rates["empty"]
    ratio("serve_vs_empty", what, [rate for rate, _ in ours], [rate for rate, _ in empty], "requests/s")
    what = "99th percentile of the time of a response, as above"
    ratio("serve_p99_vs_empty", what, [1e3 * time for _, time in ours], [1e3 * time for _, time in empty], "ms")
    what = f"batches of {settings.batch:,} texts, {settings.batch_connections} connections, over predict_proba alone"
    ratio("serve_batch_vs_runtime", what, [settings.batch * rate for rate, _ in rates["batch"]], own, "texts/s")


def _add_memory(figures: Figures, ours: Running, texts: list[str], settings: ServeBenchSettings) -> None:
    """Send single texts, batches and explanations at once, and add how much the memory of the server grows."""
    requests = []
    for begin in range(0, len(texts), 20):
        few = texts[begin : begin + 20]
        requests += [*(request_of({"text": text}) for text in few), request_of({"texts": few})]
        requests.append(request_of({"text": few[0]}, "/explain"))
    seconds = settings.memory_seconds
    load(ours.port, requests, settings.connections, seconds / 5)
    first = resident_memory(ours.pid)
    load(ours.port, requests, settings.connections, 4 * seconds / 5)
    last = resident_memory(ours.pid)
    what = f"memory after {seconds:g} s of single texts, batches and explanations, over that after a fifth of them"
    figures.add("serve_memory_growth", what, last / first, "x", last, first, "MB")


def resident_memory(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        raise ValueError("memory_seconds: got it on a system without /proc; expected Linux; leave it out")
    with status.open() as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@contextmanager
def server(*command: str) -> Iterator[Running]:
    """Start a server, whose port is added to the arguments of Python, and give it when it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != TOKEN}
    process = subprocess.Popen(
        [sys.executable, *command, str(port)], stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        deadline = time.monotonic() + START
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                message = process.communicate()[1].strip()[-500:]
                raise RuntimeError(f"the server did not start: {message}; expected it within {START} s")
            time.sleep(0.1)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def request_of(content: Any, path: str = "/predict") -> bytes:
    """Return the bytes of a request."""
    body = json.dumps(content).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> tuple[float, float]:
    """Return requests per second and the 99th percentile of their seconds, with so many connections at once."""
    source = cycle(requests)
    times: list[float] = []

    async def drive() -> None:
        loop = asyncio.get_running_loop()
        end = time.perf_counter() + seconds
        made = [
            await loop.create_connection(lambda: Connection(source, end, times), "127.0.0.1", port)
            for _ in range(connections)
        ]
        # All of them to their end: one that is open when the loop closes is an error of its own.
        ended = await asyncio.gather(*(connection.done for _, connection in made), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    began = time.perf_counter()
    _run(drive())
    return len(times) / (time.perf_counter() - began), float(np.quantile(times, 0.99))


def check_answers(port: int, classifier: TextClassifier, texts: list[str]) -> None:
    """Compare the answers of the server with those of the classifier.

    Raises:
        RuntimeError: They differ.
    """
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", json.dumps({"texts": texts}).encode())
    with urllib.request.urlopen(request) as reply:
        answers = json.load(reply)["answers"]
    error = np.abs(np.array([row["probabilities"] for row in answers]) - classifier.predict_proba(texts)).max()
    if not error < 1e-5:
        raise RuntimeError(f"the server's probabilities differ by {error:.2g}; expected those of the classifier")


def _run(work: Any) -> None:
    """Run a coroutine in the fastest event loop that is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(work)
    else:
        uvloop.run(work)


def _packages() -> str:
    from importlib.util import find_spec

    return " and ".join(name for name in ("uvloop", "httptools") if find_spec(name)) or "those of asyncio and h11"
