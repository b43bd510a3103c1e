"""Accuracy of a recipe: the mean over seeds, on the test split or by cross-validation."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ..arguments import VerbParser
from ..training.command import TextCNNCLI
from ..training.run import quiet_lightning
from .report import write_figures

DESCRIPTION = """\
Trains a recipe once for each seed (and fold) and prints the mean score on data it was not chosen on.

Options after these are those of `textcnn fit`: --config, --data.path, --model.learning_rate and so on.

  textcnn bench accuracy --config configs/trec.yaml --data.path trec --seeds 3 --output trec.json
  textcnn bench accuracy --config configs/mr.yaml --data.path mr --seeds 3 --folds 10"""


def main(args: list[str]) -> None:
    """`textcnn bench accuracy`."""
    parser = VerbParser("textcnn bench accuracy", description=DESCRIPTION)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 (default: 3)")
    parser.add_argument("--folds", type=int, help="cross-validate the train split in this many folds")
    parser.add_argument("--output", help="JSON file to write")
    options, recipe = parser.parse_known_args(args)
    if options.seeds < 1 or (options.folds is not None and options.folds < 2):
        parser.error("expected at least 1 seed and, where given, at least 2 folds")

    runs: list[dict[str, Any]] = []
    by_seed: list[dict[str, float]] = []
    for seed in range(options.seeds):
        folds = []
        for fold in range(options.folds) if options.folds else [None]:
            started = time.perf_counter()
            scores = fit_and_score(recipe, seed, options.folds, fold)
            seconds = time.perf_counter() - started
            folds.append(scores)
            runs.append({"seed": seed, "fold": fold, "seconds": round(seconds, 1), **scores})
            place = f"seed {seed}" + ("" if fold is None else f", fold {fold}")
            shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if "accuracy" in name)
            print(f"{place}: {shown}  ({seconds:.0f} s)", flush=True)
        # The figure of one seed is the mean over its folds, so that the spread is that between seeds.
        by_seed.append({name: fmean(scores[name] for scores in folds) for name in folds[0]})

    figures = {}
    for name in by_seed[0]:
        values = [scores[name] for scores in by_seed]
        spread = stdev(values) if len(values) > 1 else 0.0
        figures[name] = {"value": fmean(values), "std": spread, "seeds": values}
        print(f"{name:<16}{fmean(values):.4f}  ± {spread:.4f} over {len(values)} seeds")
    if options.output:
        write_figures(options.output, figures, command=["textcnn", "bench", "accuracy", *args], runs=runs)


def fit_and_score(
    recipe: list[str], seed: int, num_folds: int | None = None, fold: int | None = None
) -> dict[str, float]:
    """Trains one model and returns its validation and test scores at its best validation epoch."""
    args = [*recipe, "--seed_everything", str(seed), "--trainer.enable_progress_bar", "false"]
    args += ["--trainer.enable_model_summary", "false", "--trainer.logger", "false"]
    if num_folds is not None:
        args += ["--data.num_folds", str(num_folds), "--data.fold", str(fold)]
    quiet_lightning()
    with _scratch() as folder:
        cli = TextCNNCLI([*args, "--output_dir", str(folder)], run=False)
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
        best = cli.trainer.checkpoint_callback.best_model_path
        scores = cli.trainer.validate(cli.model, datamodule=cli.datamodule, ckpt_path=best, verbose=False)[0]
        if not cli.datamodule.test_dataloader():
            raise ValueError("the data has no test split; expected one to score on; name it, or give --folds")
        scores |= cli.trainer.test(cli.model, datamodule=cli.datamodule, verbose=False)[0]
    return {name: float(value) for name, value in sorted(scores.items(), reverse=True)}


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="textcnn-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
