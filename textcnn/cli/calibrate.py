"""`textcnn calibrate`."""

from __future__ import annotations

import sys

from ..settings import CalibrateSettings
from .options import Verb, print_json

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


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import calibrate

    found = calibrate(**call.values)
    if call.settings.reset:
        print(f"{call.settings.model}: temperature 1.0, thresholds None, abstention None")
        return
    if found.dropped:
        print(found.dropped, file=sys.stderr)
    if call.json:
        abstention = None if found.abstention is None else vars(found.abstention)
        print_json({**vars(found), "abstention": abstention})
        return
    print(f"temperature {found.temperature:.4f}, from {found.texts:,} texts")
    print(f"calibration error (15 bins, these texts) {found.ece[0]:.4f} -> {found.ece[1]:.4f}")
    print(f"negative log-likelihood {found.nll[0]:.4f} -> {found.nll[1]:.4f}")
    for label, threshold in found.thresholds.items():
        print(f"threshold of {label} {threshold:.4f}")
    if found.abstention is not None:
        print(
            f"abstains where {found.abstention.score} < {found.abstention.threshold:.4f}: labels {found.coverage:.1%} "
            f"of these texts, {found.accuracy_of_covered:.2%} of them correctly"
        )
