"""`textcnn calibrate`: temperature, thresholds and abstention from labelled texts, stored in the artifact."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import VerbParser
from ..artifact import CALIBRATION, check_artifact, write_calibration
from ..classifier import load
from ..data.errors import nearest
from ..runtime.classifier import TextClassifier
from ..runtime.decisions import SCORES, Abstention, check_score, confidence, decide
from .calibration import (
    FEW_TEXTS,
    abstention_threshold,
    claims,
    cross_fitted_error,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    probabilities_of,
    threshold_for,
)
from .labelled import Labelled, held_out_rows, read_labelled
from .scores import answers_of

DESCRIPTION = """\
Makes probabilities mean what they say, with labelled texts that the model was not trained on (default: the rows that
its run held out). Temperature, thresholds and abstention go into config.json, from where every door takes them; each
call sets all three anew. No weight and no label changes, but by thresholds and abstention that you ask for.

  textcnn calibrate runs/reviews
  textcnn calibrate runs/emotions --threshold_for f1
  textcnn calibrate runs/spam --data validation.csv --threshold_for spam:precision=0.99
  textcnn calibrate runs/intents --abstain energy:accuracy=0.95
  textcnn calibrate runs/intents --abstain probability:coverage=0.9"""

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

    @property
    def notes(self) -> list[str]:
        """Warnings about the result."""
        if self.texts >= FEW_TEXTS:
            return []
        return [
            f"warning: got {self.texts:,} texts; expected {FEW_TEXTS} or more, as temperature and thresholds of fewer "
            "are uncertain; give more labelled texts with --data"
        ]


def calibrate(
    directory: str | Path,
    data: Any = None,
    threshold_for: Iterable[str] | str = (),
    abstain: str | None = None,
    split: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    temperature: bool = True,
) -> Calibration:
    """Fit temperature, thresholds and abstention of an artifact on labelled texts, and store them in it.

    Args:
        directory: The artifact.
        data: Labelled data, as in TextDataModule; None is the rows that the run held out.
        threshold_for: "f1" for every label (multi-label); or LABEL:f1, LABEL:precision=P, LABEL:recall=R.
        abstain: SCORE:accuracy=A or SCORE:coverage=C, with the score probability, energy or fired.
        split, text_column, label_column: Of the data, where they are not found.
        temperature: False leaves it at 1.

    Example:
        >>> textcnn.calibrate("runs/spam", threshold_for="spam:precision=0.99").temperature
        1.31

    Raises:
        ValueError: a label, metric or score has no such name, or what is asked for cannot be reached.
    """
    wishes = [threshold_for] if isinstance(threshold_for, str) else list(threshold_for)
    classifier = load(check_artifact(directory))
    thresholds_wanted = _parse_thresholds(wishes, classifier)
    abstention_wanted = _parse_abstention(abstain, classifier)
    if data is None:
        rows = held_out_rows(directory, classifier)
    else:
        rows = read_labelled(data, classifier, split, text_column, label_column, role="validation")
    with_fired = abstention_wanted is not None and abstention_wanted[0] == "fired"
    scaled, fired = answers_of(classifier, rows.texts, with_fired)
    # As they are before any calibration.
    logits = scaled * np.float32(classifier.temperature)
    found = _fit(logits, fired, rows, classifier, thresholds_wanted, abstention_wanted, temperature)
    entry = None if found.abstention is None else vars(found.abstention)
    write_calibration(directory, temperature=found.temperature, thresholds=found.thresholds or None, abstention=entry)
    return found


def _fit(
    logits: NDArray[np.float32],
    fired: NDArray[np.int64] | None,
    rows: Labelled,
    classifier: TextClassifier,
    thresholds_wanted: dict[str, tuple[str, float | None]],
    abstention_wanted: tuple[str, str, float] | None,
    fit: bool,
) -> Calibration:
    targets, multi_label = rows.targets, classifier.multi_label
    temperature = fit_temperature(logits, targets) if fit else 1.0
    calibrated = logits / np.float32(temperature)
    before, probabilities = probabilities_of(logits, multi_label), probabilities_of(calibrated, multi_label)
    thresholds = {}
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
        cross_fitted_ece=cross_fitted_error(logits, targets) if fit else None,
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
    return check_score(score), kind, _share(f"abstain {wish}", value)


def _share(what: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ValueError(f"{what}: got {value!r}; expected a number above 0, up to 1")
    return share


def main(verb: str, args: list[str]) -> None:
    """Runs the verb."""
    parser = VerbParser(f"textcnn {verb}", description=DESCRIPTION)
    parser.add_argument("directory", help="the artifact, as `textcnn fit` writes it")
    parser.add_argument("--data", metavar="DATA", help="labelled texts (default: what the run held out)")
    parser.add_argument("--split", metavar="NAME", help="their split (default: validation)")
    parser.add_argument("--text_column", metavar="NAME", help="column of the texts (default: found by its name)")
    parser.add_argument("--label_column", metavar="NAME", help="column of the labels (default: found by its name)")
    parser.add_argument(
        "--threshold-for", "--threshold_for", action="append", default=[], metavar="AIM",
        help="f1 (every label of a multi-label model), LABEL:f1, LABEL:precision=P or LABEL:recall=R; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--abstain", metavar="AIM",
        help=f"SCORE:accuracy=A or SCORE:coverage=C; scores: {', '.join(SCORES)}",
    )  # fmt: skip
    parser.add_argument("--no_temperature", action="store_true", help="leave the temperature at 1")
    parser.add_argument("--reset", action="store_true", help="undo every calibration")
    options = parser.read(args)
    if options.reset:
        others = [name for name, value in vars(options).items() if value and name not in ("directory", "reset")]
        if others:
            raise ValueError(
                f"--reset: got --{others[0]} as well; expected it alone; leave out --reset, as each call sets all "
                "three anew"
            )
        write_calibration(options.directory)
        said = ", ".join(f"{name} {value}" for name, value in CALIBRATION.items())
        print(f"{options.directory}: {said}")
        return
    found = calibrate(
        options.directory, options.data, options.threshold_for, options.abstain, options.split,
        options.text_column, options.label_column, not options.no_temperature,
    )  # fmt: skip
    print(f"temperature {found.temperature:.4f}, from {found.texts:,} texts")
    if found.dropped:
        print(found.dropped)
    for note in found.notes:
        print(note, file=sys.stderr)
    print(f"calibration error (15 bins, these texts) {found.ece[0]:.4f} -> {found.ece[1]:.4f}")
    if found.cross_fitted_ece is not None:
        print(f"calibration error of texts that a temperature was fitted without {found.cross_fitted_ece:.4f}")
    print(f"negative log-likelihood {found.nll[0]:.4f} -> {found.nll[1]:.4f}")
    for label, threshold in found.thresholds.items():
        print(f"threshold of {label} {threshold:.4f}")
    if found.abstention is not None:
        print(
            f"abstains where {found.abstention.score} < {found.abstention.threshold:.4f}: labels {found.coverage:.1%} "
            f"of these texts, {found.accuracy_of_covered:.2%} of them rightly"
        )
