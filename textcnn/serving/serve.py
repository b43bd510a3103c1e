"""`serve`: a server of trained models over HTTP."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
from typing import Any

from ..errors import MissingPackage
from ..settings import ServeSettings, takes
from .served_models import ServedModels, named

# Name of the environment variable that holds the token.
TOKEN = "TEXTCNN_TOKEN"
# What tells a worker process its settings.
_WORKER = "TEXTCNN_SERVE_SETTINGS"
# Options of uvicorn; requests in progress are given 30 seconds when the server is told to end.
OPTIONS: dict[str, Any] = {
    "log_level": "info",
    "access_log": False,
    "timeout_graceful_shutdown": 30,
    "server_header": False,
}


@takes(ServeSettings)
def serve(settings: ServeSettings) -> None:
    """Serve trained models over HTTP until SIGTERM or SIGINT; requests in progress are finished first.

    `POST /predict` labels texts, `POST /explain` gives the reasons, `/models`, `/health` and `/metrics` tell about the
    server, `/docs` documents the routes and `/` is a page for people. A model whose files change is opened anew. Where
    the environment has `TEXTCNN_TOKEN`, requests must bring it. `textcnn.ServeSettings` documents the settings.

    Example:
        >>> textcnn.serve("runs/reviews", port=8080)

    Raises:
        FileNotFoundError: There is no such model.
        ImportError: FastAPI or uvicorn is not installed.
        ValueError: A model cannot be used, two have one name, or the token is empty.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingPackage(f"{error.name} (the server)", "textcnn[serve]") from error

    token = os.environ.get(TOKEN)
    if token is not None and not token.strip():
        raise ValueError(f"{TOKEN}: got an empty token; expected some characters; set it, or unset the variable")
    # A mistake shows here and not in a worker, and the tables are made before workers share them.
    models = ServedModels(named(settings.model))
    options: dict[str, Any] = {**OPTIONS, "host": settings.host, "port": settings.port}
    if settings.workers == 1:
        try:
            _run(uvicorn.Server(uvicorn.Config(_app(settings, models), **options)))
        finally:
            gc.unfreeze()
        return
    os.environ[_WORKER] = json.dumps({name: _plain(getattr(settings, name)) for name in settings.noted()})
    uvicorn.run(f"{__name__}:worker_app", factory=True, workers=settings.workers, **options)


def worker_app() -> Any:
    """Return the application of a worker process, which uvicorn starts; it maps the tables that its siblings map."""
    settings = ServeSettings(**json.loads(os.environ[_WORKER]))
    return _app(settings, ServedModels(named(settings.model)))


def _app(settings: ServeSettings, models: ServedModels) -> Any:
    from .app import make_app
    from .limits import limits_of

    limits = limits_of({name: getattr(settings, name) for name in settings.noted()})
    app = make_app(models, limits, os.environ.get(TOKEN))
    # Modules and models stay: collections that large batches cause need not look at them, which took longer than the
    # rows of the answers did.
    gc.collect()
    gc.freeze()
    return app


def _run(server: Any) -> None:
    """Run a server; SIGTERM and SIGINT, which uvicorn raises again when it has ended, then end it with exit code 0."""

    def end(number: int, frame: Any) -> None:
        if not server.should_exit:
            raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        server.run()
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not server.started:
        raise SystemExit(3)


def _plain(value: Any) -> Any:
    """Return a value of a setting as JSON holds it."""
    if isinstance(value, str | int | float) or value is None:
        return value
    return [str(one) for one in value] if isinstance(value, list | tuple) else str(value)
