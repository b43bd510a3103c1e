"""`tune`: a search for the settings of `train`, and the best run as an artifact."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import lightning

from ..data import TextDataModule
from ..data.errors import DataError
from ..data.headed import refuse_label_columns
from ..data.numbers import refuse_numbers
from ..info import FILES, info
from ..outputs import begin_output
from ..runtime.storage import write_text
from ..settings import DataSettings, TuneSettings, takes
from ..settings.durations import read_seconds
from .limits import read_limits
from .picture import importance_svg

PICTURE, RESULTS = "importance.svg", "tuning.json"
# Of fewer trials nothing can be said about eight settings.
FEWEST = 8


@dataclass
class Tuning:
    """Results of a search.

    Args:
        output: Directory of the best run.
        metric: Score that was searched for.
        best: Settings of the best trial.
        score: Its score on the validation split, the mean over its seeds.
        default: Score of the default settings, or None where they exceed a limit.
        trials: Number of trials, those that were stopped among them.
        finished: Number of trials that were trained to their end.
        importance: Share of the differences between trials that each setting explains.
        scores: Scores of the best run, as in its model card.
        size: Bytes that a server needs.
        history: Settings and score of each trial.
    """

    output: str
    metric: str
    best: dict[str, Any]
    score: float
    default: float | None
    trials: int
    finished: int
    importance: dict[str, float] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    size: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)


@takes(TuneSettings)
def tune(settings: TuneSettings) -> Tuning:
    """Search for settings within a time limit, train the best ones and save them as an artifact.

    Settings that are given are kept. The default settings are the first trial; trials that are worse than others after
    as many epochs are stopped (successive halving); the best few are trained with further seeds before one is chosen.
    The test split has no part in the choice. `textcnn.TuneSettings` documents the settings.

    Example:
        >>> textcnn.tune("reviews.csv", output="runs/tuned", time_limit="10m").best
        {'learning_rate': 0.0018, 'batch_size': 16, ...}

    Raises:
        ValueError: Optuna is not installed, the data has no validation texts, no model keeps to the limits, or a
            setting cannot be used.
        FileNotFoundError: There is no such file or folder.
    """
    refuse_numbers(settings.problem_type, "tune")
    refuse_label_columns(settings.label_columns, "tune")
    optuna = _load_optuna()
    from .search import Search
    from .study import JOURNAL

    seconds, limits = read_seconds("time_limit", settings.time_limit), read_limits(settings)
    output = Path(settings.output)
    if settings.force:
        (output / JOURNAL).unlink(missing_ok=True)
    if not (output / JOURNAL).is_file():
        begin_output(output, settings.force)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    data = TextDataModule(settings.data, **settings.part(DataSettings))
    try:
        data.texts_and_targets("validation")
    except DataError as error:
        raise ValueError(
            "tune: got no validation texts; expected some to choose settings on; give a validation_fraction such "
            "as 0.1, or name a validation_split"
        ) from error
    search = Search(settings, data, limits, output)
    search.run(seconds)
    if not search.finished:
        raise ValueError(_nothing(search.study))
    best = search.confirm(seconds)
    chosen = search.chosen(best.params)
    _train_best(settings, chosen, output, bool(limits), search.parts["train"][0])
    importance = _importance(optuna, search.study)
    default = search.default
    result = Tuning(
        output=str(output), metric=settings.metric, best={name: chosen[name] for name in search.space},
        score=fmean(search.scores(best)),
        default=None if default is None else fmean(search.scores(default)),
        trials=len(search.study.trials), finished=len(search.finished), importance=importance,
        scores=info(output).scores, size=_served_bytes(output),
        history=[
            {"trial": trial.number, "state": trial.state.name.lower(), "score": trial.value, "settings": trial.params,
             "seconds": trial.duration.total_seconds() if trial.duration else None, **trial.user_attrs}
            for trial in search.study.trials
        ],
    )  # fmt: skip
    write_text(output / RESULTS, json.dumps(result.to_dict(), indent=1, default=str) + "\n")
    if importance:
        write_text(output / PICTURE, importance_svg(importance, len(search.finished)))
    _add_to_card(output, result)
    return result


def _train_best(settings: TuneSettings, chosen: dict[str, Any], output: Path, int8: bool, texts: list[str]) -> None:
    """Train the chosen settings on the data as it was given, so that card and scores are those of any run."""
    from ..folding.fold import fold_artifact
    from ..training import train

    train(settings.data, output, **{**chosen, "progress": False, "summary": False, "force": True})
    if int8:
        # The limits are those of tables in 8 bits.
        fold_artifact(output, int8=True, texts=texts[:2000])


def _importance(optuna: Any, study: Any) -> dict[str, float]:
    """Return the importance of the settings, or {} where too few trials were trained to their end."""
    if len(study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))) < FEWEST:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found: dict[str, float] = optuna.importance.get_param_importances(
                study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
            )
        except (RuntimeError, ValueError):  # all of one score
            return {}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _add_to_card(output: Path, result: Tuning) -> None:
    card = output / "README.md"
    beside = "" if result.default is None else f", {result.default:.4f} with the default settings"
    lines = [
        "\n## Search\n",
        f"`textcnn tune` chose these settings among {result.trials} trials by {result.metric} on the validation split: "
        f"{result.score:.4f}{beside}.",
    ]
    if result.importance:
        lines.append(f"\n![Importance of the settings]({PICTURE})")
    write_text(card, card.read_text(encoding="utf-8") + "\n".join(lines) + "\n")


def _served_bytes(output: Path) -> int:
    from ..loading import load

    load(output)  # the tables are made where they are not there yet
    return sum((output / name).stat().st_size for name in FILES if name != "model.safetensors")


def _nothing(study: Any) -> str:
    exceeded = [trial.user_attrs["exceeds"] for trial in study.trials if "exceeds" in trial.user_attrs]
    if exceeded:
        return (
            f"tune: got limits that none of {len(exceeded)} models keeps to, not even {exceeded[1 % len(exceeded)]}; "
            "expected more room; raise budget (--budget) or lower min_speed (--min_speed)"
        )
    return "tune: got no trial that was trained to its end; expected one; give a longer --time_limit"


def _load_optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ValueError("tune: optuna is not installed; expected the extra; pip install 'textcnn[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna
