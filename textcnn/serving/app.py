"""The application: routes over models, with limits that are answered by clear messages."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from ..errors import one_line
from ..exporting.html import page
from ..runtime.heads import HeadsClassifier
from .gate import Gate
from .limits import Limits, check_texts, overload, read_body
from .metrics import Metrics
from .predictions import Model, Predictions, find
from .requests import ExplainRequest, PredictRequest, body_schema
from .served_models import ServedModels
from .work_queue import Overloaded, WorkQueue

PATHS = frozenset({"/", "/predict", "/explain", "/models", "/health", "/metrics", "/docs", "/openapi.json"})
# Seconds between two looks at the files of the models.
WATCH_SECONDS = 1.0
ExplainJob = tuple[Model, str, str | None]


class JSONReply(Response):
    """A response of JSON, as the standard library writes it."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the content as bytes."""
        return json.dumps(content, separators=(",", ":")).encode()


def make_app(models: ServedModels, limits: Limits | None = None, token: str | None = None) -> FastAPI:
    """Return the application.

    Args:
        models: The models.
        limits: Limits of requests.
        token: What requests must bring. None: nothing.
    """
    limits = limits or Limits()
    metrics = Metrics()
    version = sys.modules["textcnn"].__version__
    predictions = Predictions(models, limits, metrics)
    explanations: WorkQueue[ExplainJob, dict[str, Any]] = WorkQueue(
        explain_each, limits.max_waiting, 1, "textcnn-explain"
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models.watch(WATCH_SECONDS)
        yield
        models.close()
        predictions.close()
        explanations.close()

    app = FastAPI(title="textcnn", version=version, lifespan=lifespan, redoc_url=None)
    app.add_middleware(Gate, metrics=metrics, paths=PATHS, token=token, direct={("POST", "/predict"): predictions})
    shown = page(", ".join(models))

    @app.exception_handler(HTTPException)
    async def explain_status(request: Request, error: HTTPException) -> JSONReply:
        details = {
            404: f"got the path {request.url.path[:80]!a}; expected one of {', '.join(sorted(PATHS))}",
            405: f"got {request.method[:20]!a} for {request.url.path[:80]!a}; expected another method; see /docs",
        }
        # The framework's own errors are two words; ours say what to do.
        by_framework = error.detail in ("Not Found", "Method Not Allowed")
        content = {"error": details[error.status_code] if by_framework else str(error.detail)}
        return JSONReply(content, error.status_code, headers=dict(error.headers or {}))

    @app.get("/", include_in_schema=False)
    async def show_page() -> HTMLResponse:
        return HTMLResponse(shown)

    @app.get("/models", summary="The models, their labels and thresholds")
    async def list_models() -> JSONReply:
        entries = [entry for model in models.values() for entry in model.described()]
        heads = {model.name: list(model.heads) for model in models.values() if model.heads}
        return JSONReply({"models": entries, **({"heads": heads} if heads else {})})

    @app.get("/health", summary="Whether the server answers")
    async def tell_health() -> JSONReply:
        problems = {model.name: model.problem for model in models.values() if model.problem}
        return JSONReply({"status": "ok", "version": version, "models": list(models), "problems": problems})

    @app.get("/metrics", summary="Counters in the text format of Prometheus", response_class=PlainTextResponse)
    async def show_metrics() -> Response:
        problems = sum(bool(model.problem) for model in models.values())
        gauges = {
            "textcnn_batches_total": ("Batches that were computed.", predictions.batches),
            "textcnn_waiting_requests": ("Requests in the queues.", len(predictions) + len(explanations)),
            "textcnn_model_reloads_total": ("Models opened anew.", sum(model.reloads for model in models.values())),
            "textcnn_model_problems": ("Models whose new files cannot be used.", problems),
        }  # fmt: skip
        return Response(metrics.text(gauges), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post(
        "/predict",
        summary="Label one text or many, or predict their numbers",
        openapi_extra=body_schema(PredictRequest),
    )
    async def predict(request: Request) -> Response:
        # The gate answers this route by itself, unless the application is mounted under another path.
        return Response(await predictions.answer(request.receive), media_type=JSONReply.media_type)

    @app.post("/explain", summary="The n-grams behind an answer", openapi_extra=body_schema(ExplainRequest))
    async def explain(request: Request) -> JSONReply:
        body = await read_body(request.receive, ExplainRequest, limits.max_body)
        check_texts([body.text], limits)
        model = find(models, body.model)
        try:
            return JSONReply(await explanations.submit((model, body.text, body.label)))
        except Overloaded:
            raise overload(limits) from None
        except ValueError as error:
            raise HTTPException(422, one_line(error, 500)) from None

    return app


def explain_each(jobs: Sequence[ExplainJob]) -> list[dict[str, Any] | Exception]:
    """Return the explanation of each job, ready for JSON."""
    results: list[dict[str, Any] | Exception] = []
    for model, text, label in jobs:
        try:
            classifier = model.classifier
            if isinstance(classifier, HeadsClassifier):
                names = ", ".join(f"{model.name}/{head}" for head in classifier.slices)
                raise ValueError(f"model: got {model.name!a}, which has several heads; expected one of {names}")
            if label is not None and label not in classifier.labels:
                from ..errors import listed, nearest

                expected = f"{listed(classifier.labels)}{nearest(label[:80], classifier.labels)}"
                raise ValueError(f"label: got {label[:80]!a}; expected one of {expected}")
            classifier.require("explain", "a model that explains")
            results.append(classifier.explain(text, label).to_dict())
        except Exception as error:  # raised in the request that it belongs to
            results.append(error)
    return results
