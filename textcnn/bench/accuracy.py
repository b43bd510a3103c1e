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

from ..settings.benchmarks import AccuracyBenchSettings
from ..training.command import TextCNNCLI
from ..training.run import quiet_lightning
from .figures import Figures


def run(settings: AccuracyBenchSettings) -> Figures:
    """Train a recipe once for each seed (and fold), and return the mean scores on data that it was not chosen on."""
    recipe = list(settings.recipe)
    runs: list[dict[str, Any]] = []
    by_seed: list[dict[str, float]] = []
    for seed in range(settings.seeds):
        folds = []
        for fold in range(settings.folds) if settings.folds else [None]:
            started = time.perf_counter()
            scores = fit_and_score(recipe, seed, settings.folds, fold)
            seconds = time.perf_counter() - started
            folds.append(scores)
            runs.append({"seed": seed, "fold": fold, "seconds": round(seconds, 1), **scores})
            place = f"seed {seed}" + ("" if fold is None else f", fold {fold}")
            shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if "accuracy" in name)
            print(f"{place}: {shown}  ({seconds:.0f} s)", flush=True)
        # The figure of one seed is the mean over its folds, so that the spread is that between seeds.
        by_seed.append({name: fmean(scores[name] for scores in folds) for name in folds[0]})

    figures = Figures()
    figures.about["runs"] = runs
    for name in by_seed[0]:
        values = [scores[name] for scores in by_seed]
        spread = stdev(values) if len(values) > 1 else 0.0
        figures[name] = {"value": fmean(values), "std": spread, "seeds": values}
        print(f"{name:<16}{fmean(values):.4f}  ± {spread:.4f} over {len(values)} seeds")
    return figures


def fit_and_score(
    recipe: list[str], seed: int, num_folds: int | None = None, fold: int | None = None
) -> dict[str, float]:
    """Train one model and return its validation and test scores at its best validation epoch."""
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
