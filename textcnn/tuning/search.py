"""Trials of a search: settings are drawn, trained, and stopped early where others did better after as many epochs."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import lightning
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.trial import TrialState

from ..data import TextDataModule
from ..data.defaults import batch_size_for
from ..info import info
from ..settings import DataSettings, TuneSettings
from ..settings.search import Axis, search_space
from ..training import train
from .limits import Limits
from .study import open_study

# Shares of the time: the search, and then the best settings with other seeds. The rest is for the last fit.
SEARCH, CONFIRM = 0.65, 0.85
FINALISTS, SEEDS = 3, 2
_TRIAL_FOLDER = "trial"
# Optuna's name of the settings of a trial that were given to it.
_FIXED = "fixed_params"


class Report(Callback):
    """Callback that reports the validation score of each epoch to the search and stops the trial on its request."""

    def __init__(self, trial: optuna.Trial, metric: str) -> None:
        self.trial, self.metric = trial, metric

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if trainer.sanity_checking or self.metric not in trainer.callback_metrics:
            return
        self.trial.report(float(trainer.callback_metrics[self.metric]), trainer.current_epoch + 1)
        if self.trial.should_prune():
            raise optuna.TrialPruned


class Search:
    """A search that goes on where it stopped.

    Args:
        settings: The user's settings.
        data: The labelled data.
        limits: Limits on the cost of the model.
        output: Directory of the search.
    """

    def __init__(self, settings: TuneSettings, data: TextDataModule, limits: Limits, output: Path) -> None:
        self.settings, self.limits, self.output = settings, limits, output
        self.started = time.monotonic()
        self.labels = data.labels
        self.parts = {role: data.texts_and_targets(role) for role in ("train", "validation")}
        self.metric = "val_macro_f1" if settings.metric == "macro_f1" else "val_micro_f1"
        fixed = settings.given
        # What the number of rows and the other settings decide, where nothing is given.
        batch_size = batch_size_for(len(self.parts["train"][0]))
        self.resolved: dict[str, Any] = {
            "batch_size": batch_size,
            "tokenizer": "wordpiece",
            "embedding_learning_rate": settings.learning_rate,
        }
        space = search_space(data.vectors is not None, bool(limits), batch_size)
        if len(self.labels) > (settings.embedding_dim or 300):
            space.pop("naive_bayes", None)
        self.space = {name: axis for name, axis in space.items() if name not in fixed}
        if not self.space:
            raise ValueError(f"tune: got every setting of the search ({', '.join(space)}); expected some to choose")
        self.study = open_study(output, settings, self.space)

    @property
    def finished(self) -> list[optuna.trial.FrozenTrial]:
        """Trials that were trained to their end, the best first."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return sorted(trials, key=lambda trial: -(trial.value or 0.0))

    @property
    def default(self) -> optuna.trial.FrozenTrial | None:
        """The trial of the default settings, or None where it was not trained to its end."""
        first = self.study.trials[0].system_attrs.get(_FIXED)
        same = [trial for trial in self.finished if trial.system_attrs.get(_FIXED) == first]
        return same[0] if same else None

    def run(self, seconds: float) -> None:
        """Try settings until the share of the time that the search has is over."""
        self._take_up()
        if not self.study.trials:
            # The default is a trial like any other, so that what is found is at least as good on the held-out texts.
            defaults = _defaults(self.space, self.resolved)
            self.study.enqueue_trial(defaults)
            if self.limits:
                self.study.enqueue_trial({**defaults, **_smallest(self.space)})
        while not self._over(SEARCH * seconds) and not self._enough():
            self.study.optimize(self._trial, n_trials=1, catch=(ValueError, RuntimeError))
            self._print(self.study.trials[-1])
        shutil.rmtree(self.output / _TRIAL_FOLDER, ignore_errors=True)

    def confirm(self, seconds: float) -> optuna.trial.FrozenTrial:
        """Return the best trial, after the first few and the default were trained with further seeds.

        The best of many scores on few held-out texts is often luck. What was found is kept with the trial.
        """
        best = self.finished[:FINALISTS]
        default = self.default
        if default is not None and default.number not in {trial.number for trial in best}:
            best.append(default)
        for seed in range(1, SEEDS + 1):
            for trial in best:
                scores = self.scores(trial)
                if len(scores) > seed or self._over(CONFIRM * seconds):
                    continue
                score = self._fit(trial.params, self.settings.seed + seed, None)
                self.study.set_user_attr(f"scores of {trial.number}", [*scores, score])
                note(f"trial {trial.number}, seed {self.settings.seed + seed}: {self.settings.metric} {score:.4f}")
        shutil.rmtree(self.output / _TRIAL_FOLDER, ignore_errors=True)
        # There may have been no time for some: means are over the seeds that all of them have.
        seeds = min(len(self.scores(trial)) for trial in best)
        return max(best, key=lambda trial: (fmean(self.scores(trial)[:seeds]), -trial.number))

    def scores(self, trial: optuna.trial.FrozenTrial) -> list[float]:
        """Return the scores of a trial, one for each seed."""
        further: list[float] = self.study.user_attrs.get(f"scores of {trial.number}", [])
        return further or [float(trial.value or 0.0)]

    def chosen(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of `textcnn train` of a trial, those that the user gave among them."""
        given = {name: getattr(self.settings, name) for name in self.settings.given}
        own = {
            "output", "force", "time_limit", "metric", "budget", "min_speed", "max_trials", "data", "summary",
            "fast",
        }  # fmt: skip
        drawn = {name: _value(self.space[name], value) for name, value in params.items()}
        # A bag has a row for each token and bucket: more than most limits leave to the whole model.
        small = {"bag": "none"} if self.limits else {}
        return small | {name: value for name, value in given.items() if name not in own} | drawn

    def _take_up(self) -> None:
        """Try the settings again whose trial ended with its process."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
            self.study.enqueue_trial(trial.system_attrs.get(_FIXED, trial.params))

    def _trial(self, trial: optuna.Trial) -> float:
        return self._fit({name: _draw(trial, name, axis) for name, axis in self.space.items()}, None, trial)

    def _fit(self, params: dict[str, Any], seed: int | None, trial: optuna.Trial | None) -> float:
        settings = self.chosen(params)
        if self.limits and trial is not None:
            why = self._exceeded(settings)
            if why:
                trial.set_user_attr("exceeds", why)
                raise optuna.TrialPruned
        callbacks = [] if trial is None else [Report(trial, self.metric)]
        folder = self.output / _TRIAL_FOLDER
        settings |= {} if seed is None else {"seed": seed}
        settings |= {"labels": self.labels, "progress": False, "summary": False, "force": True, "callbacks": callbacks}
        shutil.rmtree(folder, ignore_errors=True)
        train(self._data(), folder, **_for_memory(settings))
        return info(folder).scores[self.metric]

    def _data(self) -> dict[str, Any]:
        """Return train and validation only: the test split has no part in the choice."""
        return {role: (texts, _label_lists(targets, self.labels)) for role, (texts, targets) in self.parts.items()}

    def _exceeded(self, settings: dict[str, Any]) -> str:
        from ..settings.base import hints

        options = {name: value for name, value in settings.items() if name in hints(DataSettings)}
        data = TextDataModule(self._data(), **_for_memory({**options, "labels": self.labels}))
        return self.limits.exceeded(data, settings, self.parts["train"][0])

    def _over(self, seconds: float) -> bool:
        """Return True where a further fit would likely end after so many seconds."""
        durations = [trial.duration.total_seconds() for trial in self.finished if trial.duration is not None]
        expected = fmean(durations) if durations else 0.0
        return time.monotonic() - self.started + expected > seconds

    def _enough(self) -> bool:
        most = self.settings.max_trials
        done = [trial for trial in self.study.trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        # Models that are too large cost nothing; where there is no other, the search is to end.
        trained = [trial for trial in done if "exceeds" not in trial.user_attrs]
        return (most is not None and len(trained) >= most) or (not trained and len(done) >= 60)

    def _print(self, trial: optuna.trial.FrozenTrial) -> None:
        if not self.settings.progress:
            return
        why = trial.user_attrs.get("exceeds")
        if trial.state == TrialState.COMPLETE:
            text = f"{self.settings.metric} {trial.value:.4f}, best {self.finished[0].value:.4f}"
        elif trial.state == TrialState.PRUNED:
            text = f"not trained: {why} exceeds the limit" if why else f"stopped after epoch {trial.last_step}"
        else:
            text = "failed"
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in trial.params.items())
        note(f"trial {trial.number}: {text}  ({shown})")


def note(line: str) -> None:
    """Print a line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)


def _draw(trial: optuna.Trial, name: str, axis: Axis) -> Any:
    if axis.choices:
        return trial.suggest_categorical(name, [_name(choice) for choice in axis.choices])
    return trial.suggest_float(name, axis.low, axis.high, log=axis.log, step=axis.step)


def _value(axis: Axis, drawn: Any) -> Any:
    """Return the value of a setting that was drawn: lists are drawn as text, which a journal can hold."""
    if axis.choices:
        value = next(choice for choice in axis.choices if _name(choice) == drawn)
        return list(value) if isinstance(value, tuple) else value
    return round(drawn, 6)


def _name(choice: Any) -> Any:
    return json.dumps(list(choice)) if isinstance(choice, tuple) else choice


def _shown(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _defaults(space: dict[str, Axis], resolved: dict[str, Any]) -> dict[str, Any]:
    """Return the default of each axis, or its nearest value.

    Args:
        space: Axes of the search.
        resolved: Defaults that depend on the data and on other settings.
    """
    from dataclasses import MISSING

    from ..settings import TrainSettings, described

    found = {}
    for setting in described(TrainSettings):
        axis = space.get(setting.name)
        if axis is None or setting.default is MISSING:
            continue
        default = resolved.get(setting.name, setting.default)
        if axis.choices:
            default = tuple(default) if isinstance(default, list) else default
            found[setting.name] = _name(default if default in axis.choices else axis.choices[-1])
        else:
            found[setting.name] = min(max(default, axis.low), axis.high)
    return found


def _smallest(space: dict[str, Axis]) -> dict[str, Any]:
    """Return the values of the smallest model."""
    names = ("kernel_sizes", "num_filters", "vocab_size")
    return {name: _name(space[name].choices[0]) for name in names if name in space}


def _label_lists(targets: Any, labels: list[str]) -> list[Any]:
    if targets.ndim == 1:
        return [labels[target] for target in targets.tolist()]
    return [[label for label, has in zip(labels, row.tolist(), strict=True) if has] for row in targets]


def _for_memory(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without those of the data's files: the rows are in memory already."""
    without = ("text_column", "label_column", "config_name", "revision", "train_split", "validation_split",
               "test_split", "problem_type", "validation_fraction", "strict")  # fmt: skip
    return {name: value for name, value in settings.items() if name not in without}
