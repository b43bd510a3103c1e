"""Settings of the verbs that make models, and the settings of each verb by its name.

They are the parameters of the verb's function in `textcnn` and its options on the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .base import Settings, hints
from .benchmarks import BENCHMARKS
from .comparison import CompareSettings
from .data import DataSettings, SourceSettings, at_least
from .durations import read_seconds
from .models import (
    CalibrateSettings,
    CertifySettings,
    ConvertSettings,
    EvaluateSettings,
    ExplainSettings,
    ExportSettings,
    FoldSettings,
    InfoSettings,
    InspectSettings,
    ModelSettings,
    ScoreSettings,
    ServeSettings,
)
from .names import OWNERS
from .pretraining import AdaptSettings, GenerateSettings, PretrainSettings, VectorsSettings
from .training import (
    ArchitectureSettings,
    AugmentationSettings,
    FineTuningSettings,
    LossSettings,
    OptimizationSettings,
    RunSettings,
)


@dataclass(kw_only=True)
class TrainSettings(RunSettings, OptimizationSettings, ArchitectureSettings, DataSettings):
    """Settings of `textcnn.train`.

    Args:
        data: Hub name, file, folder with train/validation/test files, Dataset, DatasetDict, or python-docstrings.
        output: Directory of the run: the model, its checkpoints and logs.
        fast: Train a bag of n-grams alone, a linear model: a few seconds, less accurate.
        summary: Show the score beside a linear baseline and the most confused classes at the end, with progress.
        force: Replace a run that is there.
    """

    data: Any = field(kw_only=False, metadata={"positional": "1"})
    output: str | Path = field(default="runs/latest", kw_only=False)
    fast: bool = False
    summary: bool = True
    force: bool = False


@dataclass(kw_only=True)
class TuneSettings(TrainSettings):
    """Settings of `textcnn.tune`. Those of `textcnn train` that are given are kept; the search chooses the others.

    Args:
        output: Directory of the search and of the best run. A search that was stopped goes on in it.
        time_limit: Time of the whole search, the last fit included.
        metric: Score on the validation split that is searched for. With several labels a text, accuracy is micro-F1.
        budget: Most bytes that a server needs of the model, in 8 bits, such as 3MB. Default: any.
        min_speed: Least speed on one core here, such as "400k texts/s". Default: any.
        max_trials: Fits after which the search ends. Default: as many as time_limit allows.
        force: Forget the search and the run that are there.
    """

    output: str | Path = field(default="runs/tuned", kw_only=False)
    time_limit: str = "30m"
    metric: Literal["accuracy", "macro_f1"] = "accuracy"
    budget: str | None = None
    min_speed: str | None = None
    max_trials: int | None = None

    def check(self) -> None:
        read_seconds("time_limit", self.time_limit)
        at_least(1, max_trials=1 if self.max_trials is None else self.max_trials)
        if self.fast:
            raise ValueError("fast: got it for a search; expected none, as the search chooses; leave it out")
        if self.streaming or self.num_folds is not None:
            name = "streaming" if self.streaming else "num_folds"
            raise ValueError(f"{name}: got it for a search; expected data in memory with one validation split")


@dataclass(kw_only=True)
class TeachSettings(FineTuningSettings, SourceSettings, ModelSettings):
    """Settings of `textcnn.teach`.

    Args:
        model: Directory or Hub id of a transformer.
        data: Labelled data, as in `textcnn train`.
        output: Directory of the result.
        validation_fraction: Fraction of the training rows to hold out, to choose the epoch, without a validation split.
        force: Replace an output that is there.
    """

    data: Any = field(kw_only=False)
    output: str | Path = field(default="runs/teacher", kw_only=False)
    validation_fraction: float | None = 0.1
    force: bool = False


@dataclass(kw_only=True)
class DistillSettings(
    AugmentationSettings, LossSettings, RunSettings, OptimizationSettings, ArchitectureSettings, DataSettings
):
    """Settings of `textcnn.distill`.

    Args:
        teacher: Directories or Hub ids of transformers or TextCNNs (averaged); from Python also classifiers and
            functions of texts. None: `soft_columns` of the data.
        data: Labelled data, as in `textcnn train`.
        texts: Files or Hub datasets of further texts, without labels. Default: none.
        output: Directory of the run.
        budget: tiny, small, base, or limits such as "3MB" (on disk) and "400k texts/s" (on one core), separated by a
            comma. Default: base.
        split_documents: Cut the texts without labels into sentences.
        limit: Texts without labels (or sentences) of a sample. Default: all.
        choose: Sample of the texts: random, or near (to the labelled ones).
        soft_columns: Columns of the probabilities, in the order of the labels. Default: probability_<label>.
        teacher_precision: Precision of a transformer; auto: bfloat16 where it is fast.
        vectors: Initial token vectors, as in `textcnn train`; "teacher" for the teacher's own. Default: random vectors.
        validation_fraction: Fraction of the training rows to hold out without a validation split.
        batch_size: Texts in a training batch.
        max_epochs: Epochs.
        force: Replace a run that is there.
    """

    teacher: Any = field(kw_only=False, metadata={"positional": "*"})
    data: Any = field(kw_only=False)
    texts: Any = field(default=None, kw_only=False)
    output: str | Path = field(default="runs/student", kw_only=False)
    budget: str | None = field(default=None, kw_only=False)
    split_documents: bool = True
    limit: int | None = None
    choose: Literal["random", "near"] = "random"
    soft_columns: Sequence[str] | None = None
    teacher_precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    vectors: str | Path | list[str] | None = None
    validation_fraction: float | None = 0.1
    batch_size: int | None = 64
    max_epochs: int | None = 10
    force: bool = False


VERBS: dict[str, type[Settings]] = {
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "score": ScoreSettings,
    "explain": ExplainSettings,
    "calibrate": CalibrateSettings,
    "certify": CertifySettings,
    "inspect": InspectSettings,
    "fold": FoldSettings,
    "export": ExportSettings,
    "serve": ServeSettings,
    "convert": ConvertSettings,
    "vectors": VectorsSettings,
    "pretrain": PretrainSettings,
    "generate": GenerateSettings,
    "adapt": AdaptSettings,
    "teach": TeachSettings,
    "distill": DistillSettings,
    "compare": CompareSettings,
    "tune": TuneSettings,
    "info": InfoSettings,
}

for _verb, _settings in [*VERBS.items(), *((f"bench {name}", settings) for name, settings in BENCHMARKS.items())]:
    for _name in hints(_settings):
        OWNERS.setdefault(_name, []).append(_verb)
