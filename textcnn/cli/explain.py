"""`textcnn explain`."""

from __future__ import annotations

import os
import sys

from ..settings import ExplainSettings
from .options import Verb, print_json, replaced

VERB = Verb(
    "explain",
    ExplainSettings,
    "Print the n-grams of a text behind its answer. Bias and weights add up to the logit exactly.",
    [
        'textcnn explain runs/reviews "a lovely film with a dull end"',
        'textcnn explain runs/reviews "a lovely film" --label negative --html why.html',
        'textcnn explain runs/posts "a lovely film" --head topic',
    ],
    json=True,
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    note = replaced(call.settings.html)
    from .. import explain
    from ..runtime.explain.views import text

    explanation = explain(**call.values)
    if call.settings.html is not None:
        print(f"page: {call.settings.html}{note}", file=sys.stderr)
    if call.json:
        print_json(explanation.to_dict())
    else:
        # Colours are for terminals, and not for those who refuse them: https://no-color.org
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print(text(explanation, call.settings.top, color=color))
