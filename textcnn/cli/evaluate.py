"""`textcnn evaluate`."""

from __future__ import annotations

import sys

from ..settings import EvaluateSettings
from .options import Verb, print_json, replaced

VERB = Verb(
    "evaluate",
    EvaluateSettings,
    "Score a model on labelled data, with bootstrap confidence intervals, as every interface answers: calibrated, with "
    "its thresholds and abstention. The report is one HTML page that needs no network.",
    [
        "textcnn evaluate runs/reviews --data test.csv --report report.html",
        "textcnn evaluate runs/intents --data intents --split test --out_of_scope oos",
        "textcnn evaluate runs/posts --data test.csv --head topic --report topic.html",
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    note = replaced(call.settings.report)
    from .. import evaluate

    found = evaluate(**call.values)
    if found.dropped:
        print(found.dropped, file=sys.stderr)
    if found.report is not None:
        print(f"report: {found.report}{note}", file=sys.stderr)
    if call.json:
        print_json(found.to_dict())
        return
    classes = f", {found.classes} classes" if found.classes else ""
    print(f"{found.texts:,} texts of {found.data}{classes}; 95% intervals")
    for head, own in found.heads.items():
        kind = f"{own.classes} classes" if own.classes else "numbers"
        print(f"\n{head}: {own.texts:,} texts, {kind}")
        for name, score in own.scores.items():
            print(f"{name:<38}{score.value:.4f}  {score.low:.4f} to {score.high:.4f}")
    if found.mean is not None:
        print(f"\n{'mean of the heads':<38}{found.mean:.4f}")
    for name, score in found.scores.items():
        print(f"{name:<38}{score.value:.4f}  {score.low:.4f} to {score.high:.4f}")
    if found.by_class:
        print(f"\n{found.by_class}")
    for scope in found.out_of_scope:
        recall = "" if scope.recall is None else f"  leaves {scope.recall:.1%} of them without a label"
        print(f"{'out of scope, AUROC of ' + scope.score:<38}{scope.auroc:.4f}{recall}")
