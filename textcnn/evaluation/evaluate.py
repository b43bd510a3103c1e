"""`textcnn evaluate`: scores of a model on labelled texts, and the report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..arguments import VerbParser
from ..artifact import check_artifact
from ..classifier import load
from ..runtime.storage import write_text
from .breakdown import class_table
from .labelled import read_labelled
from .report import MISTAKES, write_report
from .scores import LEVEL, RESAMPLES, ask, out_of_scope, scores

DESCRIPTION = """\
Scores a model on labelled texts, with bootstrap confidence intervals, as every door answers: calibrated, with its
thresholds and abstention.

  textcnn evaluate runs/reviews --data test.csv --report report.html
  textcnn evaluate runs/intents --data intents --split test --out_of_scope oos --report report.html

The report is one HTML file that needs no network."""


def main(verb: str, args: list[str]) -> None:
    """Runs the verb."""
    parser = VerbParser(f"textcnn {verb}", description=DESCRIPTION)
    parser.add_argument("directory", help="the artifact, as `textcnn fit` writes it")
    parser.add_argument("--data", required=True, metavar="DATA", help="labelled texts: a file, a folder, a Hub name")
    parser.add_argument("--split", metavar="NAME", help="their split (default: test, or the only one)")
    parser.add_argument("--text_column", metavar="NAME", help="column of the texts (default: found by its name)")
    parser.add_argument("--label_column", metavar="NAME", help="column of the labels (default: found by its name)")
    parser.add_argument("--out_of_scope", metavar="LABEL", help="a label of texts that belong to no class of the model")
    parser.add_argument("--report", metavar="FILE", help="HTML file to write")
    parser.add_argument("--json", metavar="FILE", help="JSON file to write the scores to")
    parser.add_argument(
        "--by", action="append", metavar="COLUMN",
        help="group the texts of the report by this column; may be repeated (default: columns of few values)",
    )  # fmt: skip
    parser.add_argument("--mistakes", type=int, default=MISTAKES, metavar="N", help="mistakes to show (default: 12)")
    parser.add_argument(
        "--resamples", type=int, default=RESAMPLES, metavar="N", help="bootstrap resamples (default: 1000)"
    )
    options = parser.read(args)
    if options.report:
        from .plots import load_matplotlib

        load_matplotlib()  # an extra that is missing is said now, not after the work
    classifier = load(check_artifact(options.directory))
    rows = read_labelled(
        options.data, classifier, options.split, options.text_column, options.label_column, options.out_of_scope,
        others="wrong",
    )  # fmt: skip
    for file in filter(None, (options.json, options.report)):
        Path(file).parent.mkdir(parents=True, exist_ok=True)  # where it cannot be made, before the work
    outcome = ask(classifier, rows)
    found, scope = scores(outcome, options.resamples), out_of_scope(outcome)
    print(f"{len(outcome.inside):,} texts of {rows.where}, {len(outcome.labels)} classes; {LEVEL:.0%} intervals")
    if rows.dropped:
        print(rows.dropped)
    for name, score in found.items():
        print(f"{name:<38}{score.value:.4f}  {score.low:.4f} to {score.high:.4f}")
    print(f"\n{class_table(outcome)}")
    for one in scope:
        recall = "" if one.recall is None else f"  leaves {one.recall:.1%} of them without a label"
        print(f"{'out of scope, AUROC of ' + one.score:<38}{one.auroc:.4f}{recall}")
    if options.json:
        written = {
            "data": rows.where,
            "texts": len(outcome.inside),
            "dropped": {"without_text": rows.without_text, "without_label": rows.without_label},
            "scores": {name: asdict(score) for name, score in found.items()},
            "out_of_scope": [asdict(one) for one in scope],
        }
        write_text(Path(options.json), json.dumps(written, indent=2, ensure_ascii=False) + "\n")
    if options.report:
        path = write_report(options.report, outcome, found, scope, options.directory, options.by, options.mistakes)
        print(f"report: {path}")
