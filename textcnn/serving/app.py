"""The application: routes over models, with limits that are answered by clear messages."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ..errors import one_line
from ..exporting.html import page
from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers
from ..runtime.heads import HeadAnswers, HeadsClassifier
from .answers import part_of, reply
from .gate import Gate
from .metrics import Metrics
from .requests import ExplainRequest, PredictRequest, body_schema, message_of
from .served_models import ServedHead, ServedModel, ServedModels
from .work_queue import Overloaded, WorkQueue

PATHS = frozenset({"/", "/predict", "/explain", "/models", "/health", "/metrics", "/docs", "/openapi.json"})
# Seconds between two looks at the files of the models.
WATCH_SECONDS = 1.0
# Texts that are answered together; more would only make the first of them wait.
TOGETHER = 1024
B = TypeVar("B", bound=BaseModel)
Model = ServedModel | ServedHead
PredictJob = tuple[Model, Sequence[str]]
ExplainJob = tuple[Model, str, str | None]
Answered = tuple[TextClassifier | HeadsClassifier, Answers | HeadAnswers]


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Args:
        max_body: Bytes of a body.
        max_texts: Texts of a request.
        max_characters: Characters of a text.
        max_waiting: Requests that wait for an answer.
    """

    max_body: int = 10_000_000
    max_texts: int = 10_000
    max_characters: int = 100_000
    max_waiting: int = 1000


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
    predictions: WorkQueue[PredictJob, Answered] = WorkQueue(
        answer_together, limits.max_waiting, TOGETHER, "textcnn-predict"
    )
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
    app.add_middleware(Gate, metrics=metrics, paths=PATHS, token=token)
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

    @app.post("/predict", summary="Label one text or many", openapi_extra=body_schema(PredictRequest))
    async def predict(request: Request) -> JSONReply:
        body = await read_body(request, PredictRequest, limits.max_body)
        try:
            texts = body.all_texts()
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        check_texts(texts, limits)
        model = find(models, body.model)
        try:
            classifier, answers = await predictions.submit((model, texts), len(texts))
        except Overloaded:
            raise overload(limits) from None
        metrics.texts[model.name] += len(texts)
        return JSONReply(reply(model.name, classifier, answers, body.top_k, body.probabilities, body.abstain))

    @app.post("/explain", summary="The n-grams behind an answer", openapi_extra=body_schema(ExplainRequest))
    async def explain(request: Request) -> JSONReply:
        body = await read_body(request, ExplainRequest, limits.max_body)
        check_texts([body.text], limits)
        model = find(models, body.model)
        try:
            return JSONReply(await explanations.submit((model, body.text, body.label)))
        except Overloaded:
            raise overload(limits) from None
        except ValueError as error:
            raise HTTPException(422, one_line(error, 500)) from None

    return app


def answer_together(jobs: Sequence[PredictJob]) -> list[Answered | Exception]:
    """Return classifier and answers of each job; the texts of all jobs for one model are answered in one call."""
    by_model: dict[str, list[int]] = {}
    for place, (model, _) in enumerate(jobs):
        by_model.setdefault(model.name, []).append(place)
    results: dict[int, Answered | Exception] = {}
    for places in by_model.values():
        classifier = jobs[places[0]][0].classifier
        try:
            answers = classifier.answer([text for place in places for text in jobs[place][1]])
        except Exception as error:
            if len(places) == 1:
                results[places[0]] = error
            else:  # one job's error is not that of its neighbours
                results.update({place: answer_together([jobs[place]])[0] for place in places})
            continue
        begin = 0
        for place in places:
            end = begin + len(jobs[place][1])
            results[place] = classifier, part_of(answers, begin, end)
            begin = end
    return [results[place] for place in range(len(jobs))]


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


async def read_body(request: Request, kind: type[B], max_body: int) -> B:
    """Return the body of a request; reading ends at the limit.

    Raises:
        HTTPException: The body is too large, or is not what is expected.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_body:
                message = f"body: got more than {max_body:,} bytes; expected at most that; send several requests"
                raise HTTPException(413, message, headers={"connection": "close"})
    except ClientDisconnect:
        raise HTTPException(400, "body: got a part; expected all of it; send it again") from None
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as error:
        raise HTTPException(422, message_of(error, kind)) from None


def check_texts(texts: Sequence[str], limits: Limits) -> None:
    """Refuse too many texts, and texts that are too long.

    Raises:
        HTTPException: There are.
    """
    if len(texts) > limits.max_texts:
        raise HTTPException(
            413, f"texts: got {len(texts):,}; expected at most {limits.max_texts:,}; send several requests"
        )
    for place, text in enumerate(texts):
        if len(text) > limits.max_characters:
            raise HTTPException(
                413,
                f"text {place}: got {len(text):,} characters; expected at most {limits.max_characters:,}; cut it, or "
                "start the server with a larger --max_characters",
            )


def find(models: ServedModels, name: str | None) -> Model:
    """Return a model by its name.

    Raises:
        HTTPException: There is no such model.
    """
    try:
        return models.find(name)
    except LookupError as error:
        raise HTTPException(404, str(error.args[0])) from None


def overload(limits: Limits) -> HTTPException:
    """Return the answer to a request that finds the queue full."""
    message = f"got more than {limits.max_waiting:,} waiting requests; expected fewer; send this one again later"
    return HTTPException(503, message, headers={"retry-after": "1"})


def limits_of(values: Mapping[str, Any]) -> Limits:
    """Return the limits among settings."""
    return Limits(**{name: values[name] for name in Limits.__dataclass_fields__})
