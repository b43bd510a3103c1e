"""Commands as processes of their own that have torch imported: forked from one that has, which saves its seconds."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

# A file is a command's standard error. The answers are the id of its process and, once that ends, its exit code.
PROGRAM = """
import json, os, sys
import torch, lightning, transformers, datasets, pyarrow
import textcnn.data.datamodule, textcnn.distillation.distill, textcnn.finetuning.teach, textcnn.folding.fold
import textcnn.scoring.score, textcnn.training.command, textcnn.training.run
from textcnn.cli import main
torch.set_num_threads(1)
print("ready", flush=True)
for line in sys.stdin:
    arguments, errors = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(os.open(errors, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), 2)
        code = 1
        try:
            main(arguments)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkedCommands:
    """Starts commands of textcnn, one at a time.

    Args:
        folder: Folder of the file that takes their messages.
    """

    def __init__(self, folder: Path) -> None:
        self.errors = folder / "errors.txt"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-u", "-c", PROGRAM]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._answer(120) == "ready"

    def __enter__(self) -> ForkedCommands:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, arguments: list[str]) -> float:
        """Run a command to its end; return the seconds that it took."""
        started = time.monotonic()
        self._start(arguments)
        code = self._answer(240)
        assert code == "0", (code, arguments, self.errors.read_text()[-3000:])
        return time.monotonic() - started

    def kill(self, arguments: list[str], seconds: float, how: int = signal.SIGKILL) -> bool:
        """Start a command and end it after some seconds; return True if it had not ended by itself."""
        child = self._start(arguments)
        code = self._answer(seconds)
        if code is None:
            os.kill(child, how)
            code = self._answer(60)
        assert code in ("0", str(-how), str(128 + how)), (code, arguments, self.errors.read_text()[-3000:])
        return code != "0"

    def _start(self, arguments: list[str]) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([arguments, str(self.errors)]).encode() + b"\n")
        return int(self._answer(60) or 0)

    def _answer(self, seconds: float) -> str | None:
        """Return the next line of the process; None if there is none within some seconds."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        line = self._process.stdout.readline().decode().strip()
        assert line, "the process that forks has ended"
        return line
