"""`textcnn explain`: the n-grams that made an answer."""

from __future__ import annotations

import json
from pathlib import Path

from .arguments import VerbParser
from .classifier import load

DESCRIPTION = """\
Prints the n-grams of a text that made its answer; bias and weights add up to the logit exactly.

  textcnn explain runs/reviews "a lovely film with a dull end"
  textcnn explain runs/reviews "a lovely film" --label negative --html why.html"""


def main(verb: str, args: list[str]) -> None:
    """Runs the verb."""
    parser = VerbParser(f"textcnn {verb}", description=DESCRIPTION)
    parser.add_argument("directory", help="the artifact, as `textcnn fit` writes it")
    parser.add_argument("text", help="the text")
    parser.add_argument("--label", help="label to explain (default: the most probable)")
    parser.add_argument("--top", type=int, default=12, metavar="N", help="n-grams to show (default: 12)")
    parser.add_argument("--json", action="store_true", help="print JSON, with everything")
    parser.add_argument("--html", metavar="FILE", help="also write a page to open in a browser")
    options = parser.read(args)
    explanation = load(options.directory).explain(options.text, options.label)
    if options.html:
        page = f"<!doctype html><meta charset=utf-8><title>{verb}</title>"
        page += '<meta name=viewport content="width=device-width"><style>:root{color-scheme:light dark}</style>'
        written = explanation.to_html(options.top)
        Path(options.html).parent.mkdir(parents=True, exist_ok=True)
        Path(options.html).write_text(page + written, encoding="utf-8")
    if options.json:
        print(json.dumps(explanation.to_dict(), ensure_ascii=False))
        return
    from rich.console import Console

    from .runtime.explain_views import table

    Console().print(table(explanation, options.top))
