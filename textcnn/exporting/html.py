"""A page that labels and explains texts: with models inside it and no network, or in front of a server."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from .inlined import FOLDER, InlinedModel, InlinedModels, joined_scripts, payload, write
from .js import CLASSIFIER_SCRIPTS

_SCRIPTS = (
    *CLASSIFIER_SCRIPTS, "csv.js", "remote.js", "elements.js", "marks.js", "card.js", "rows.js", "app.js",
)  # fmt: skip
# The browser itself refuses whatever else the page would fetch.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'"
)
_PLACES = {
    True: "Works without a network: nothing that you type leaves this page.",
    False: "Texts are sent to the server that this page comes from.",
}


def write_html(models: Sequence[InlinedModel], path: str | Path) -> InlinedModels:
    """Write models and the page that answers with them as one HTML file.

    Args:
        models: The models, shown side by side.
        path: File to write.

    Raises:
        ValueError: The WebAssembly module is missing.
    """
    path = Path(path)
    write(path, page(", ".join(model.name for model in models), models))
    return InlinedModels(path, tuple(models))


def page(title: str, models: Sequence[InlinedModel] | None = None) -> str:
    """Return the page.

    Args:
        title: Its title.
        models: Models that it answers with. None is the page of a server, which is asked at `models`, `predict` and
            `explain` beside it; `page/remote.js` has the format.

    Raises:
        ValueError: Models are given, and the WebAssembly module is missing.
    """
    inside = models is not None
    values = {
        "title": escape(title),
        "policy": _POLICY.format(connect="'none'" if inside else "'self'"),
        "place": _PLACES[inside],
        "style": (FOLDER / "page.css").read_text(encoding="utf-8").strip(),
        "payload": f'<script type="application/json" id="payload">{payload(models)}</script>' if models else "",
        "script": joined_scripts(_SCRIPTS),
    }
    parts = (FOLDER / "page.html").read_text(encoding="utf-8").split("{{ ")
    filled = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition(" }}")
        filled += [values[name], rest]
    return "".join(filled)
