"""`calibrate`: temperature, thresholds and abstention from labelled texts, stored in the artifact."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ..artifact import check_artifact, read_config, write_calibration
from ..data.errors import nearest
from ..loading import load_classifier
from ..progress import array_with_progress
from ..runtime.capabilities import obstacle
from ..runtime.classifier import TextClassifier
from ..runtime.decisions import SCORES, Abstention, Levels, check_score, confidence, decide
from ..runtime.head_outputs import head_slices
from ..runtime.heads import config_of_head
from ..settings import CalibrateSettings, takes
from .calibration import (
    FEW_TEXTS,
    Rescale,
    abstention_threshold,
    claims,
    cross_fitted_error,
    divided,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    probabilities_of,
    threshold_for,
)
from .labelled import Labelled, held_out_rows, read_labelled
from .scores import answers_of

METRICS = ("precision", "recall")


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration.

    Args:
        temperature: Divisor of the logits.
        thresholds: Threshold of each label that has one.
        abstention: Score and threshold below which no label is given.
        texts: Number of texts.
        ece: Expected calibration error over 15 bins, before and after, on these texts.
        nll: Mean negative log-likelihood, before and after, on these texts.
        coverage: Fraction of these texts that get a label.
        accuracy_of_covered: Accuracy of those, with abstention.
        dropped: Rows that were left out, in words.
        cross_fitted_ece: Expected calibration error of each text under a temperature fitted on others; None where the
            temperature is not fitted or there are too few texts.
        heads: Calibration of each head of a model with several; the other fields are then those of no calibration.
    """

    temperature: float
    thresholds: dict[str, float]
    abstention: Abstention | None
    texts: int
    ece: tuple[float, float]
    nll: tuple[float, float]
    coverage: float = 1.0
    accuracy_of_covered: float | None = None
    dropped: str = ""
    cross_fitted_ece: float | None = None
    heads: dict[str, Calibration] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Warnings about the result."""
        if self.heads:
            return [f"{name}: {note}" for name, one in self.heads.items() for note in one.notes]
        if self.texts >= FEW_TEXTS:
            return []
        return [
            f"warning: got {self.texts:,} texts; expected {FEW_TEXTS} or more, as temperature and thresholds of fewer "
            "are uncertain; give more labelled data (--data)"
        ]


@takes(CalibrateSettings)
def calibrate(settings: CalibrateSettings) -> Calibration:
    """Fit temperature, thresholds and abstention of a model on labelled data, and store them in its config.json.

    Each call sets all three anew; of a model with several labels a text, thresholds stay where none are asked for. No
    weight changes, and no label but by thresholds and abstention that were asked for. Of a model with several heads
    each is calibrated, or the one of `head`, which leaves the others as they are. `textcnn.CalibrateSettings` documents
    the settings.

    Example:
        >>> textcnn.calibrate("runs/spam", threshold_for="spam:precision=0.99").temperature
        1.31

    Raises:
        ValueError: A label, metric or score has no such name, or an aim cannot be reached.
    """
    directory = settings.model
    if settings.reset:
        others = sorted(settings.given - {"model", "reset", "head"})
        if others:
            raise ValueError(
                f"reset: got {others[0]} as well; expected it alone; leave out reset, as each call sets all three anew"
            )
        every: list[str | None] = [*_heads_of(directory)] or [None]
        for head in every if settings.head is None else [settings.head]:
            write_calibration(directory, head)
        return Calibration(1.0, {}, None, 0, (0.0, 0.0), (0.0, 0.0))
    heads = _heads_of(directory)
    if heads and settings.head is None:
        return _calibrate_heads(settings, heads)
    return _calibrate_one(settings, settings.head)


def _heads_of(directory: str | Path) -> list[str]:
    return list(head_slices(read_config(check_artifact(directory))))


def _calibrate_heads(settings: CalibrateSettings, heads: list[str]) -> Calibration:
    """Calibrate each head of a model that has labels by itself."""
    for name in ("threshold_for", "abstain", "label_column"):
        if getattr(settings, name):
            raise ValueError(
                f"{name}: got it for a model with the heads {', '.join(heads)}; expected one of them; choose it with "
                "head (--head)"
            )
    config = read_config(check_artifact(settings.model))
    able = [head for head in heads if obstacle(config_of_head(config, head), "regress") is not None]
    # Where no head has labels, the first one says so.
    heads = able or heads[:1]
    found = {head: _calibrate_one(settings, head) for head in heads}
    dropped = "; ".join(f"{head}: {one.dropped}" for head, one in found.items() if one.dropped)
    texts = max(one.texts for one in found.values())
    return Calibration(1.0, {}, None, texts, (0.0, 0.0), (0.0, 0.0), dropped=dropped, heads=found)


def _calibrate_one(settings: CalibrateSettings, head: str | None) -> Calibration:
    directory = settings.model
    wishes = settings.threshold_for
    wishes = [wishes] if isinstance(wishes, str) else list(wishes)
    classifier = load_classifier(check_artifact(directory), head=head)
    classifier.demand_labels("calibrate")
    thresholds_wanted = _parse_thresholds(wishes, classifier)
    abstention_wanted = _parse_abstention(settings.abstain, classifier)
    if settings.data is None:
        rows = held_out_rows(directory, classifier)
    else:
        columns = (settings.split, settings.text_column, settings.label_column)
        rows = read_labelled(settings.data, classifier, *columns, role="validation")
    with_fired = abstention_wanted is not None and abstention_wanted[0] == "fired"
    scaled, fired = answers_of(classifier, rows.texts, with_fired)
    # As they are before any calibration.
    logits = scaled * np.float32(classifier.temperature)
    at: Rescale = divided
    if classifier.levels is not None:
        logits = array_with_progress(classifier.outputs, rows.texts, "answering") * np.float32(classifier.temperature)
        at = Levels(classifier.levels.cut_points * classifier.temperature, classifier.levels.values).divided
    found = _fit(logits, at, fired, rows, classifier, thresholds_wanted, abstention_wanted, settings.temperature)
    entry = None if found.abstention is None else vars(found.abstention)
    write_calibration(
        directory, head, temperature=found.temperature, thresholds=found.thresholds or None, abstention=entry
    )
    return found


def _fit(
    scores: NDArray[np.float32],
    at: Rescale,
    fired: NDArray[np.int64] | None,
    rows: Labelled,
    classifier: TextClassifier,
    thresholds_wanted: dict[str, tuple[str, float | None]],
    abstention_wanted: tuple[str, str, float] | None,
    fit: bool,
) -> Calibration:
    targets, multi_label = rows.targets, classifier.multi_label
    temperature = fit_temperature(scores, targets, at) if fit else 1.0
    logits, calibrated = at(scores, 1.0), at(scores, temperature)
    before, probabilities = probabilities_of(logits, multi_label), probabilities_of(calibrated, multi_label)
    thresholds = {}
    if multi_label and not thresholds_wanted:
        # The same logits reach them, whatever the temperature.
        ratio = classifier.temperature / temperature
        thresholds = {name: float(expit(ratio * logit(value))) for name, value in classifier.thresholds.items()}
    for label, (metric, wanted) in thresholds_wanted.items():
        index = classifier.labels.index(label)
        has = targets == index if targets.ndim == 1 else targets[:, index] > 0
        if wanted is None and not has.any():
            continue  # One of every label, of which the data has no text: it stays at 0.5.
        thresholds[label] = threshold_for(probabilities[:, index], has, metric, wanted or 0.0, label)
    abstention, coverage, accuracy = None, 1.0, None
    if abstention_wanted is not None:
        score, aim, wanted = abstention_wanted
        sure = confidence(score, calibrated, fired)
        by_id = {classifier.labels.index(label): value for label, value in thresholds.items()}
        right = decide(probabilities, by_id, multi_label) == targets
        abstention = Abstention(score, abstention_threshold(sure, right, **{aim: wanted}))
        covered = sure >= abstention.threshold
        coverage, accuracy = float(covered.mean()), float(right[covered].mean())
    return Calibration(
        temperature=temperature,
        thresholds=thresholds,
        abstention=abstention,
        texts=len(rows),
        ece=(
            expected_calibration_error(*claims(before, targets)),
            expected_calibration_error(*claims(probabilities, targets)),
        ),
        nll=(negative_log_likelihood(logits, targets), negative_log_likelihood(calibrated, targets)),
        coverage=coverage,
        accuracy_of_covered=accuracy,
        dropped=rows.dropped,
        cross_fitted_ece=cross_fitted_error(scores, targets, at=at) if fit else None,
    )


def _parse_thresholds(wishes: list[str], classifier: TextClassifier) -> dict[str, tuple[str, float | None]]:
    wanted: dict[str, tuple[str, float | None]] = {}
    for wish in wishes:
        if wish == "f1":
            if not classifier.multi_label:
                raise ValueError(
                    "threshold_for: got 'f1' for every label of a single-label model, whose labels exclude each other; "
                    "expected one label, as in LABEL:f1"
                )
            wanted |= dict.fromkeys(classifier.labels, ("f1", None))
            continue
        label, colon, aim = wish.rpartition(":")
        metric, _, value = aim.partition("=")
        if not colon or (metric, bool(value)) not in (("f1", False), ("precision", True), ("recall", True)):
            raise ValueError(
                f"threshold_for: got {wish!r}; expected f1, LABEL:f1, LABEL:precision=P or LABEL:recall=R"
                f"{nearest(metric, ('f1', *METRICS))}"
            )
        if label not in classifier.labels:
            names = ", ".join(classifier.labels[:12])
            raise ValueError(
                f"threshold_for: got the label {label!r}; expected one of {names}{nearest(label, classifier.labels)}"
            )
        wanted[label] = (metric, _share(f"threshold_for {wish}", value) if value else 0.0)
    if len(wanted) > 1 and not classifier.multi_label:
        raise ValueError(
            f"threshold_for: got {len(wanted)} labels of a single-label model; expected one, as the threshold of one "
            "changes which texts are left to the others"
        )
    return wanted


def _parse_abstention(wish: str | None, classifier: TextClassifier) -> tuple[str, str, float] | None:
    if wish is None:
        return None
    if classifier.multi_label:
        raise ValueError(
            "abstain: got it for a multi-label model, which gives no label where none reaches its threshold; expected "
            "a single-label model; raise thresholds with threshold_for"
        )
    score, _, aim = wish.partition(":")
    kind, _, value = aim.partition("=")
    if kind not in ("accuracy", "coverage") or not value:
        raise ValueError(
            f"abstain: got {wish!r}; expected SCORE:accuracy=A or SCORE:coverage=C, with a score of "
            f"{', '.join(SCORES)}{nearest(kind, ('accuracy', 'coverage'))}"
        )
    if score == "energy" and classifier.levels is not None:
        raise ValueError(
            "abstain: got the score energy for a model of problem_type ordinal, whose levels share one score; expected "
            "probability or fired"
        )
    return check_score(score), kind, _share(f"abstain {wish}", value)


def _share(what: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ValueError(f"{what}: got {value!r}; expected a number above 0, up to 1")
    return share
