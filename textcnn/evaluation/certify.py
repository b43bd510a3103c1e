"""`textcnn certify`: which answers no replacement of a few tokens can change, and the accuracy that is left."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..arguments import VerbParser
from ..artifact import check_artifact
from ..classifier import load
from ..runtime.folded import FoldedTextCNN
from .labelled import read_labelled, spread
from .progress import in_batches

DESCRIPTION = """\
Says of each text whether its label would stay the same whatever k of its tokens were replaced by, any tokens by any
others of the vocabulary. What is certified is certain; what is not may still hold. Inserted and deleted tokens are not
covered, nor are thresholds of single-label models.

  textcnn certify runs/reviews --data test.csv
  textcnn certify runs/reviews --text "a lovely film with a dull end" """

LIMIT = 1000


def main(verb: str, args: list[str]) -> None:
    """Runs the verb."""
    parser = VerbParser(f"textcnn {verb}", description=DESCRIPTION)
    parser.add_argument("directory", help="the artifact, as `textcnn fit` writes it; its tables in float32")
    parser.add_argument("--data", metavar="DATA", help="labelled texts: a file, a folder, a Hub name")
    parser.add_argument("--text", help="one text, in place of data")
    parser.add_argument("--split", metavar="NAME", help="split of the data (default: test, or the only one)")
    parser.add_argument("--text_column", metavar="NAME", help="column of the texts (default: found by its name)")
    parser.add_argument("--label_column", metavar="NAME", help="column of the labels (default: found by its name)")
    parser.add_argument("--replaced", nargs="+", type=int, default=[1, 2, 3], metavar="K", help="default: 1 2 3")
    parser.add_argument(
        "--limit", type=int, default=LIMIT, metavar="N", help=f"texts, spread evenly (default: {LIMIT})"
    )
    options = parser.read(args)
    if (options.data is None) == (options.text is None):
        raise ValueError("got both or neither of --data and --text; expected one of them")
    model = load(check_artifact(options.directory))
    assert isinstance(model, FoldedTextCNN)
    if options.text is not None:
        for k in options.replaced:
            found = model.certify([options.text], k)
            label: Any = found.labels[0]
            names = [model.labels[c] for c in np.flatnonzero(label)] if model.multi_label else [model.labels[label]]
            verdict = "certified" if found.certified[0] else "not certified"
            print(
                f"{k} replaced: {', '.join(names) or 'no label'} {verdict}; margin {found.margins[0]:.3f}, never below "
                f"{found.least[0]:.3f}"
            )
        return
    rows = read_labelled(options.data, model, options.split, options.text_column, options.label_column)
    chosen = spread(len(rows), options.limit)
    texts, targets = [rows.texts[i] for i in chosen], rows.targets[chosen]
    print(f"{len(texts):,} of {len(rows):,} texts of {rows.where}")
    if rows.dropped:
        print(rows.dropped)
    standing = np.arange(len(texts))
    right = np.zeros(len(texts), dtype=bool)
    for k in sorted(options.replaced):
        # What fewer tokens can change, more can: only texts that stand so far are looked at.
        found = in_batches(partial(model.certify, replaced=k), [texts[i] for i in standing])
        if not right.any() and len(standing) == len(texts):
            same = found.labels == targets
            right = same.all(axis=1) if model.multi_label else same
            print(f"accuracy {right.mean():.4f}, median margin {np.median(found.margins):.2f}")
        standing = standing[found.certified]
        print(
            f"{k} replaced: certified accuracy {right[standing].sum() / len(texts):.4f}, "
            f"certified texts {len(standing) / len(texts):.4f}"
        )
