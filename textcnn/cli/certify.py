"""`textcnn certify`."""

from __future__ import annotations

import sys
from dataclasses import asdict

from ..settings import CertifySettings
from .options import Verb, print_json

VERB = Verb(
    "certify",
    CertifySettings,
    "Certify the labels that stay the same when any k tokens of a text are replaced by any others of the vocabulary. "
    "The certificate is sound but not complete. Inserted and deleted tokens are not covered, nor are thresholds of "
    "single-label models. The tables must be float32.",
    [
        "textcnn certify runs/reviews --data test.csv --replaced 1 2",
        'textcnn certify runs/reviews --text "a lovely film with a dull end"',
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import certify

    found = certify(**call.values)
    if found.dropped:
        print(found.dropped, file=sys.stderr)
    if call.json:
        print_json(asdict(found))
        return
    for one in found.of_text:
        verdict = "certified" if one.certified else "not certified"
        print(
            f"{one.replaced} replaced: {', '.join(one.labels) or 'no label'} {verdict}; margin {one.margin:.3f}, never "
            f"below {one.least:.3f}"
        )
    if found.of_text:
        return
    print(f"{found.texts:,} of {found.of:,} texts of {found.data}")
    print(f"accuracy {found.accuracy:.4f}, median margin {found.median_margin:.2f}")
    for k, accuracy in found.accuracies.items():
        print(f"{k} replaced: certified accuracy {accuracy:.4f}, certified texts {found.certified[k]:.4f}")
