"""Settings of `textcnn compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .data import SourceSettings, at_least
from .durations import read_seconds

PeerName = Literal[
    "tfidf_logistic", "tfidf_svm", "nbsvm", "fasttext", "model2vec", "model2vec_tuned", "sentence_encoder", "setfit",
    "transformer",
]  # fmt: skip


@dataclass(kw_only=True)
class CompareSettings(SourceSettings):
    """Settings of `textcnn.compare`.

    Args:
        data: Labelled data, as in `textcnn train`, or a folder of data sets.
        output: Directory of the results. A comparison that was stopped goes on in it.
        validation_fraction: Fraction of the training rows to hold out, to choose settings, without a validation split.
        vectors: Initial token vectors, for a second textcnn beside the default. Default: none.
        variants: Further recipes of textcnn, each "NAME: SETTING=VALUE, SETTING=VALUE"; int8=true is a setting too.
            Default: none.
        peers: Classifiers to compare with, among tfidf_logistic, tfidf_svm, nbsvm, fasttext, model2vec,
            model2vec_tuned, sentence_encoder, setfit, transformer. Default: all that have what they need.
        encoder: Sentence encoder (a directory or Hub id) for sentence_encoder, model2vec and setfit. Default: none.
        static_model: Model of model2vec. Default: distilled from the encoder.
        transformer: Transformer to fine-tune, as `textcnn teach` does. Default: none.
        seeds: Number of fits of each classifier.
        per_class: Labelled texts of each class to train on, drawn anew for each seed; 0 for all. Several may be given.
        limit: Most rows of each split, drawn at random. Default: all.
        fasttext_seconds: Seconds of fastText's search for its settings.
        time_limit: Start no further fit after this time, such as 10m. Default: none.
        resamples: Bootstrap resamples of the differences.
        redo: Classifiers to fit again, by their names in the table of results. Default: none.
        force: Fit all of them again.
    """

    data: Any = field(kw_only=False, metadata={"positional": "1"})
    output: str | Path = field(default="runs/comparison", kw_only=False)
    # However few rows there are: every classifier is to choose on the same texts.
    validation_fraction: float | None = 0.1
    vectors: str | Path | list[str] | None = None
    variants: dict | Sequence[str] | None = None
    peers: Sequence[PeerName] | None = None
    encoder: str | Path | None = None
    static_model: str | Path | None = None
    transformer: str | Path | None = None
    seeds: int = 3
    per_class: Sequence[int] = (0,)
    limit: int | None = None
    fasttext_seconds: int = 60
    time_limit: str | None = None
    resamples: int = 1000
    redo: Sequence[str] = ()
    force: bool = False

    def check(self) -> None:
        at_least(1, seeds=self.seeds, fasttext_seconds=self.fasttext_seconds, resamples=self.resamples)
        at_least(0, per_class=min(self.per_class, default=-1))
        at_least(1, limit=1 if self.limit is None else self.limit)
        if self.streaming:
            raise ValueError("streaming: got it for a comparison; expected data that fits in memory; leave it out")
        if self.time_limit is not None:
            read_seconds("time_limit", self.time_limit)
