"""`textcnn calibrate`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..settings import CalibrateSettings
from .options import Verb, print_json

if TYPE_CHECKING:
    from ..evaluation.calibrate import Calibration

VERB = Verb(
    "calibrate",
    CalibrateSettings,
    "Fit temperature, thresholds and abstention on labelled data that the model was not trained on, and store them in "
    "its config.json, where every interface reads them. Each call sets all three anew. No weight changes.",
    [
        "textcnn calibrate runs/reviews",
        "textcnn calibrate runs/spam --data validation.csv --threshold_for spam:precision=0.99",
        "textcnn calibrate runs/intents --abstain energy:accuracy=0.95",
    ],
    json=True,
)


def _plain(found: Calibration) -> dict[str, Any]:
    abstention = None if found.abstention is None else vars(found.abstention)
    return {name: value for name, value in vars(found).items() if name != "heads"} | {"abstention": abstention}


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import calibrate

    found = calibrate(**call.values)
    if call.settings.reset:
        of = "" if call.settings.head is None else f", {call.settings.head}"
        print(f"{call.settings.model}{of}: temperature 1.0, thresholds None, abstention None")
        return
    for note in filter(None, (found.dropped, *found.notes)):
        print(note, file=sys.stderr)
    if call.json:
        print_json({"heads": {n: _plain(one) for n, one in found.heads.items()}} if found.heads else _plain(found))
        return
    for head, own in found.heads.items():
        print(f"{head}")
        _print(own)
    if not found.heads:
        _print(found)


def _print(found: Calibration) -> None:
    print(f"temperature {found.temperature:.4f}, from {found.texts:,} texts")
    print(f"calibration error (15 bins, these texts) {found.ece[0]:.4f} -> {found.ece[1]:.4f}")
    if found.cross_fitted_ece is not None:
        print(f"calibration error of texts that the temperature was not fitted on {found.cross_fitted_ece:.4f}")
    print(f"negative log-likelihood {found.nll[0]:.4f} -> {found.nll[1]:.4f}")
    for label, threshold in found.thresholds.items():
        print(f"threshold of {label} {threshold:.4f}")
    if found.abstention is not None:
        print(
            f"abstains where {found.abstention.score} < {found.abstention.threshold:.4f}: labels {found.coverage:.1%} "
            f"of these texts, {found.accuracy_of_covered:.2%} of them correctly"
        )
