"""Settings of each benchmark of `textcnn bench`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .base import Settings
from .data import SourceSettings, at_least
from .models import ModelSettings


@dataclass(kw_only=True)
class FiguresSettings(Settings):
    """Figures.

    Args:
        output: JSON file to write the figures to. Default: none.
        force: Replace an output that is there.
    """

    output: str | Path | None = None
    force: bool = False


@dataclass(kw_only=True)
class KernelSettings(Settings):
    """Figures of the compiled core.

    Args:
        instructions: Set of instructions of the compiled core, such as avx2. Default: the widest of this machine.
    """

    instructions: str | None = None


@dataclass(kw_only=True)
class AccuracyBenchSettings(FiguresSettings):
    """Settings of `textcnn bench accuracy`.

    Args:
        recipe: Options of `textcnn fit`: --config FILE, --data.path DATA and so on. Default: none.
        seeds: Number of seeds, from 0.
        folds: Folds of a cross-validation of the train split. Default: no folds.
    """

    recipe: Sequence[str] = field(default=(), kw_only=False)
    seeds: int = 3
    folds: int | None = None

    def check(self) -> None:
        at_least(1, seeds=self.seeds)
        at_least(2, folds=2 if self.folds is None else self.folds)


@dataclass(kw_only=True)
class SpeedBenchSettings(KernelSettings, FiguresSettings, ModelSettings):
    """Settings of `textcnn bench speed`.

    Args:
        texts: File of texts to label.
        text_column: Column of the texts. Default: found by its name.
        unicode: Files of texts that are not ASCII, to label too. Default: none.
        peers: Classifiers and tokenizers to compare with. Default: none.
        transformer: Checkpoint of the peer transformers. Default: none.
        threads: Threads that are compared with one.
        resident: Measure memory, too, on files of 100 MB and 1 GB.
    """

    texts: str | Path = field(kw_only=False)
    text_column: str | None = None
    unicode: Sequence[str] = ()
    peers: Sequence[Literal["fasttext", "tfidf", "model2vec", "transformers", "tokie", "gigatoken"]] = ()
    transformer: str | None = None
    threads: int = 2
    resident: bool = False

    def check(self) -> None:
        at_least(1, threads=self.threads)
        if "transformers" in self.peers and not self.transformer:
            raise ValueError("peers: got transformers without a checkpoint; expected one; give --transformer")


@dataclass(kw_only=True)
class Int8BenchSettings(FiguresSettings, SourceSettings, ModelSettings):
    """Settings of `textcnn bench int8`.

    Args:
        data: Labelled data with the splits train and test.
    """

    data: Any = field(kw_only=False)


@dataclass(kw_only=True)
class ExplainBenchSettings(FiguresSettings, ModelSettings):
    """Settings of `textcnn bench explain`.

    Args:
        texts: File of texts to explain.
        sums: Files of more texts for sum_error, all of them. Default: none.
        text_column: Column of the texts. Default: found by its name.
        limit: Texts of a sample whose n-grams are deleted.
    """

    texts: str | Path = field(kw_only=False)
    sums: Sequence[str] = ()
    text_column: str | None = None
    limit: int = 500

    def check(self) -> None:
        at_least(1, limit=self.limit)


@dataclass(kw_only=True)
class TrainBenchSettings(KernelSettings, FiguresSettings):
    """Settings of `textcnn bench train`.

    Args:
        data: Labelled data, as in `textcnn train`.
        label_column: Column of the labels. Default: found by its name.
        peers: fasttext, to compare whole fits. Default: none.
        max_epochs: Epochs of the fit that fastText is compared with.
        skip_fit: Time the operator only.
    """

    data: Any = field(kw_only=False, metadata={"positional": "1"})
    label_column: str | None = None
    peers: Sequence[Literal["fasttext"]] = ()
    max_epochs: int = 2
    skip_fit: bool = False

    def check(self) -> None:
        at_least(1, max_epochs=self.max_epochs)


@dataclass(kw_only=True)
class ScoreBenchSettings(FiguresSettings, ModelSettings):
    """Settings of `textcnn bench score`.

    Args:
        texts: File of texts to label, over and over.
        text_column: Column of the texts. Default: found by its name.
        shards: Number of files.
        rows: Rows of each file.
        processes: Processes that are compared with one.
        peers: ray, to compare Ray Data on this machine. Default: none.
        rounds: Runs of each way, in turns; the median counts.
    """

    texts: str | Path = field(kw_only=False)
    text_column: str | None = None
    shards: int = 8
    rows: int = 50_000
    processes: int = 2
    peers: Sequence[Literal["ray"]] = ()
    rounds: int = 3

    def check(self) -> None:
        at_least(1, shards=self.shards, rows=self.rows, processes=self.processes, rounds=self.rounds)


@dataclass(kw_only=True)
class ServeBenchSettings(FiguresSettings, ModelSettings):
    """Settings of `textcnn bench serve`.

    Args:
        texts: File of texts to send.
        text_column: Column of the texts. Default: found by its name.
        connections: Connections that send single texts.
        batch: Texts of a request in batches.
        batch_connections: Connections that send batches.
        seconds: Seconds of each measurement.
        rounds: Measurements of each kind, in turns; the median counts.
        memory_seconds: Seconds of mixed requests, whose memory is measured after that; 0 leaves it out.
    """

    texts: str | Path = field(kw_only=False)
    text_column: str | None = None
    connections: int = 64
    batch: int = 1000
    batch_connections: int = 2
    seconds: float = 3.0
    rounds: int = 5
    memory_seconds: float = 0.0

    def check(self) -> None:
        at_least(
            1, connections=self.connections, batch=self.batch, batch_connections=self.batch_connections,
            rounds=self.rounds,
        )  # fmt: skip
        if not self.seconds > 0:
            raise ValueError(f"seconds: got {self.seconds}; expected a number above 0")
        if not self.memory_seconds >= 0:
            raise ValueError(f"memory_seconds: got {self.memory_seconds}; expected a number of at least 0")


@dataclass(kw_only=True)
class FastTextBenchSettings(FiguresSettings):
    """Settings of `textcnn bench fasttext`.

    Args:
        data: Labelled data sets, as in `textcnn train`; the first one is timed.
        label_column: Column of the labels. Default: found by its name.
        speed: Train large models of the first data set too, and time them.
        limit: Texts that are timed.
    """

    data: Sequence[str] = field(kw_only=False, metadata={"positional": "+"})
    label_column: str | None = None
    speed: bool = True
    limit: int = 7_600

    def check(self) -> None:
        at_least(1, limit=self.limit)


@dataclass(kw_only=True)
class EncodeBenchSettings(FiguresSettings, ModelSettings):
    """Settings of `textcnn bench encode`.

    Args:
        data: Labelled data with the splits train and test; several may be given.
        encoders: Further encoders on the same texts: directories or Hub ids of model2vec, of sentence encoders, or of
            ours. Default: none.
        reference: Sentence encoder whose neighbours and similarities count as right. Default: none.
        labels_per_class: Numbers of train texts of each class that a linear classifier learns from.
        seeds: Number of samples of train texts, from seed 0.
        limit: Test texts of a sample of each data set.
        text_column: Column of the texts. Default: found by its name.
        label_column: Column of the labels. Default: found by its name.
    """

    data: Sequence[str] = field(kw_only=False)
    encoders: Sequence[str] = ()
    reference: str | None = None
    labels_per_class: Sequence[int] = (8, 64)
    seeds: int = 3
    limit: int = 1000
    text_column: str | None = None
    label_column: str | None = None

    def check(self) -> None:
        at_least(1, seeds=self.seeds, limit=self.limit, labels_per_class=min(self.labels_per_class, default=0))


BENCHMARKS: dict[str, type[Settings]] = {
    "accuracy": AccuracyBenchSettings,
    "speed": SpeedBenchSettings,
    "int8": Int8BenchSettings,
    "explain": ExplainBenchSettings,
    "train": TrainBenchSettings,
    "score": ScoreBenchSettings,
    "serve": ServeBenchSettings,
    "fasttext": FastTextBenchSettings,
    "encode": EncodeBenchSettings,
}
