"""A process that labels shards: reads them as lines of JSON on standard input, writes outcomes on standard output.

It is started by `textcnn.scoring.local`. A process of its own program, unlike a fork, needs no care of its parent's
threads, and unlike `multiprocessing` it does not run the caller's script again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

# Seconds between two notes of progress.
_PAUSE = 0.2


def main() -> None:
    """Label shards until standard input ends."""
    # Standard output carries outcomes only: what anything else prints goes to standard error.
    outcomes = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starting process ends this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that an unfinished file is removed
    from .shards import Shard, as_json, score_shard

    def say(**values: Any) -> None:
        outcomes.write(json.dumps(values) + "\n")
        outcomes.flush()

    for line in sys.stdin:
        told = time.monotonic()

        def progress(reader: Any, rows: int) -> None:
            nonlocal told
            if time.monotonic() - told >= _PAUSE:
                told = time.monotonic()
                say(rows=rows, bytes=reader.bytes_read)

        say(result=as_json(score_shard(Shard(**json.loads(line)), progress)))
