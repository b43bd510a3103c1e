"""A server as a process of its own, for the tests that send it requests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def running(
    folder: Path, *options: str, log: Path | None = None, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a server on a free port and give its process and address; its messages go to a file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "textcnn", "serve", str(folder), "--port", str(port), *options]
    with log.open("w+b") if log else tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stderr=messages, env={**os.environ, "OMP_NUM_THREADS": "1", **environment})
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=5).close()
                    break
                except (urllib.error.URLError, ConnectionError):
                    if process.poll() is not None:
                        messages.seek(0)
                        raise AssertionError(messages.read().decode()) from None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield process, address
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(40)


def post(address: str, path: str, **content: Any) -> tuple[int, Any]:
    """Return status and content of an answer."""
    request = urllib.request.Request(f"{address}{path}", json.dumps(content).encode(), {"connection": "close"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
