"""`textcnn score`."""

from __future__ import annotations

import sys

from ..settings import ScoreSettings
from .options import Verb

VERB = Verb(
    "score",
    ScoreSettings,
    "Write the rows of files with predicted_label, probability and probability_<label> beside them, in constant "
    "memory. csv, tsv, jsonl, txt (a text a line) and parquet are read, plain, .gz or .zst, also from s3://, gs:// and "
    "hf://. An output folder gets a file for each input, from several processes or a Ray cluster; files that are there "
    "already stay, so that a job that was stopped goes on. Rows keep their order; a row without a text (null, or an "
    "empty cell of csv or tsv) is kept, without a label, and so is one that the model abstains from. Bytes that are no "
    "UTF-8 are written as they came.",
    [
        "textcnn score runs/reviews new.csv --output labelled.csv",
        "textcnn score runs/reviews crawl-*.jsonl.gz --threads 2 --output labelled.jsonl.gz",
        "textcnn score runs/reviews crawl/*.jsonl.zst --output scored/ --processes 8",
        "textcnn score runs/reviews crawl/*.jsonl.zst --estimate",
        "zcat crawl.txt.gz | textcnn score runs/reviews - > labelled.jsonl",
    ],
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import score

    done = score(**call.values)
    if done.estimate is not None:
        print("\n".join(done.estimate.lines()))
        return
    rate = done.rows / max(done.seconds, 1e-9)
    print(f"{done.rows:,} rows in {done.seconds:.1f} s, {rate:,.0f} rows/s", file=sys.stderr)
    for note in done.notes:
        print(note, file=sys.stderr)
