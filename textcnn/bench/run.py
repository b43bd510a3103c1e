"""`bench`: finds the benchmark, imports only that, runs it and writes its figures."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from typing import Any

from ..core.library import instructions_of
from ..errors import nearest
from ..outputs import check_output
from ..settings import make
from ..settings.benchmarks import BENCHMARKS
from .report import machine, write_figures

# A benchmark's module has its name, but for these, which are verbs.
MODULES = {"explain": "explanations", "train": "training", "score": "scoring", "serve": "serving"}


def bench(what: str, *args: Any, **settings: Any) -> dict[str, dict[str, Any]]:
    """Run a benchmark, print its figures as they come and return them.

    Args:
        what: accuracy, speed, int8, explain, train, score, serve, fasttext or encode.
        args: Settings of the benchmark, in the order of its class in `textcnn.settings.benchmarks`.
        settings: Settings of the benchmark, by name.

    Example:
        >>> textcnn.bench("speed", "runs/ag_news", texts="ag_news/test.parquet", peers=["fasttext"])

    Raises:
        ValueError: There is no such benchmark or setting, or the output is there already.
    """
    if what not in BENCHMARKS:
        raise ValueError(
            f"got the benchmark {what!r}; expected one of {', '.join(BENCHMARKS)}{nearest(what, BENCHMARKS)}"
        )
    chosen: Any = make(BENCHMARKS[what], args, settings, f"bench {what}")
    if chosen.output is not None:
        check_output(chosen.output, chosen.force)
    instructions = getattr(chosen, "instructions", None)
    with nullcontext() if instructions is None else instructions_of(instructions):
        figures = importlib.import_module(f".{MODULES.get(what, what)}", __package__).run(chosen)
        about = machine()
    print(f"on {about['processor']}, {about['cores']} cores, {about['instructions']}")
    if chosen.output is not None:
        noted = {name: value for name, value in chosen.noted().items() if name in chosen.given}
        write_figures(chosen.output, figures, about, benchmark=what, settings=noted, **figures.about)
    return figures
