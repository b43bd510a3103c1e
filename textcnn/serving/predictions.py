"""`POST /predict`: a few short texts are answered at once, more of them by the queue's thread.

The tables answer a text in some 5 microseconds. A hand-over to a thread and back takes ten times as long, and the
framework's router, dependencies and response take thirty times as long. What the tables can answer in a fraction of a
millisecond is therefore answered in the event loop, and `Gate` calls this endpoint without the router.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException

from ..runtime.classifier import TextClassifier
from ..runtime.decisions import Answers
from .answers import as_json, part_of
from .gate import Scope, Send, send_body
from .limits import Limits, check_texts, overload, read_body
from .metrics import Metrics
from .requests import PredictRequest
from .served_models import ServedModel, ServedModels
from .work_queue import Overloaded, WorkQueue

# Texts that are answered together; more would only make the first of them wait.
TOGETHER = 1024
# Characters and probabilities of a request that is answered in the event loop: at most a quarter of a millisecond.
SMALL = 4096
PredictJob = tuple[ServedModel, Sequence[str]]


class Predictions:
    """Endpoint of ASGI that answers `POST /predict`.

    Args:
        models: The models.
        limits: Limits of requests.
        metrics: Counters.
    """

    def __init__(self, models: ServedModels, limits: Limits, metrics: Metrics) -> None:
        self._models, self._limits, self._metrics = models, limits, metrics
        self._answered_at_once = 0
        self._queue: WorkQueue[PredictJob, tuple[TextClassifier, Answers]] = WorkQueue(
            answer_together, limits.max_waiting, TOGETHER, "textcnn-predict"
        )

    def __len__(self) -> int:
        """Return the number of requests that wait."""
        return len(self._queue)

    @property
    def batches(self) -> int:
        """Batches that were computed."""
        return self._queue.batches + self._answered_at_once

    def close(self) -> None:
        """Finish the requests that wait."""
        self._queue.close()

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request."""
        try:
            content = await self.answer(receive)
        except HTTPException as error:
            headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
            await send_body(send, error.status_code, encoded({"error": error.detail}), headers)
        else:
            await send_body(send, 200, content)

    async def answer(self, receive: Any) -> bytes:
        """Return the answers to the texts of a request, as JSON.

        Raises:
            HTTPException: The request cannot be answered.
        """
        body = await read_body(receive, PredictRequest, self._limits.max_body)
        try:
            texts = body.all_texts()
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        check_texts(texts, self._limits)
        model = find(self._models, body.model)
        classifier = model.classifier
        if classifier.from_tables and sum(map(len, texts)) + len(texts) * len(classifier.labels) <= SMALL:
            self._answered_at_once += 1
            answers = classifier.answer(texts)
        else:
            try:
                classifier, answers = await self._queue.submit((model, texts), len(texts))
            except Overloaded:
                raise overload(self._limits) from None
        self._metrics.texts[model.name] += len(texts)
        rows = as_json(classifier, answers, body.top_k, body.probabilities, body.abstain)
        return encoded({"model": model.name, "labels": classifier.labels, "answers": rows})


def find(models: ServedModels, name: str | None) -> ServedModel:
    """Return a model by its name.

    Raises:
        HTTPException: There is no such model.
    """
    try:
        return models.find(name)
    except LookupError as error:
        raise HTTPException(404, str(error.args[0])) from None


def encoded(content: Any) -> bytes:
    """Return content as JSON; six times as fast as the standard library."""
    try:
        return to_json(content)
    except ValueError:  # half of a surrogate pair, in a label for instance, which UTF-8 has no bytes for
        return json.dumps(content, separators=(",", ":")).encode()


def answer_together(jobs: Sequence[PredictJob]) -> list[tuple[TextClassifier, Answers] | Exception]:
    """Return classifier and answers of each job; the texts of all jobs for one model are answered in one call."""
    by_model: dict[str, list[int]] = {}
    for place, (model, _) in enumerate(jobs):
        by_model.setdefault(model.name, []).append(place)
    results: dict[int, tuple[TextClassifier, Answers] | Exception] = {}
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
