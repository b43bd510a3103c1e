"""`textcnn serve`."""

from __future__ import annotations

from ..settings import ServeSettings
from .options import Verb

VERB = Verb(
    "serve",
    ServeSettings,
    "Serve trained models over HTTP, and a page for people at /. POST /predict labels texts, POST /explain gives the "
    "reasons, /models, /health and /metrics tell about the server, /docs documents the routes. A model whose files "
    "change is opened anew. Where the environment has TEXTCNN_TOKEN, requests must bring it.",
    [
        "textcnn serve runs/reviews",
        "textcnn serve runs/reviews runs/docs --host 0.0.0.0 --port 8080 --workers 2",
    ],
)


def main(args: list[str]) -> None:
    """Run the verb."""
    call = VERB.read(args)
    from .. import serve

    serve(**call.values)
