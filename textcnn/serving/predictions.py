"""`POST /predict`: a few short texts are answered at once, more of them by the queue's thread.

The tables answer a text in some 5 microseconds. A hand-over to a thread and back takes several times as long, and the
framework's router, dependencies and response take some 50 microseconds. What the tables can answer in a fraction of a
millisecond is therefore answered in the event loop, and `Gate` calls this endpoint without the router.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Six times as fast as the standard library.
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from ..runtime.capabilities import REGRESSION
from .answers import replies
from .gate import Scope, Send, send_body
from .limits import Limits, check_texts, overload, read_body
from .loop_batch import LoopBatch
from .metrics import Metrics
from .requests import PredictRequest
from .served_models import ServedHead, ServedModel, ServedModels
from .work_queue import Overloaded, WorkQueue

# Texts that are answered together; more would only make the first of them wait.
TOGETHER = 1024
# Characters and probabilities of a request that is answered in the event loop: at most a quarter of a millisecond.
SMALL = 4096
# Sum of these from which requests that came in together are answered before the event loop reads more.
SMALL_TOGETHER = 16 * SMALL
# Top labels, probabilities, abstention: what a request wants to know.
Options = tuple[int, bool, bool]
Model = ServedModel | ServedHead
PredictJob = tuple[Model, Options, Sequence[str]]


class Predictions:
    """Endpoint of ASGI that answers `POST /predict`.

    Args:
        models: The models.
        limits: Limits of requests.
        metrics: Counters.
    """

    def __init__(self, models: ServedModels, limits: Limits, metrics: Metrics) -> None:
        self._models, self._limits, self._metrics = models, limits, metrics
        self._small: LoopBatch[PredictJob, bytes] = LoopBatch(answer_together, SMALL_TOGETHER)
        self._queue: WorkQueue[PredictJob, bytes] = WorkQueue(
            answer_together, limits.max_waiting, TOGETHER, "textcnn-predict"
        )

    def __len__(self) -> int:
        """Return the number of requests in the queue."""
        return len(self._queue)

    @property
    def batches(self) -> int:
        """Batches that were computed."""
        return self._queue.batches + self._small.batches

    def close(self) -> None:
        """Finish the requests in the queue."""
        self._queue.close()

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answer one request."""
        try:
            content = await self.answer(receive)
        except HTTPException as error:
            headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
            await send_body(send, error.status_code, to_json({"error": error.detail}), headers)
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
        if body.top_k and model.classifier.config.get("problem_type") == REGRESSION:
            raise HTTPException(
                422, f"top_k: got {body.top_k} for {model.name}, a regression, whose answers are numbers; leave it out"
            )
        job = model, (body.top_k, body.probabilities, body.abstain), texts
        size = sum(map(len, texts)) + len(texts) * len(model.classifier.labels)
        if size <= SMALL and model.classifier.from_tables:
            content = await self._small.submit(job, size)
        else:
            try:
                content = await self._queue.submit(job, len(texts))
            except Overloaded:
                raise overload(self._limits) from None
        self._metrics.texts[model.name] += len(texts)
        return content


def answer_together(jobs: Sequence[PredictJob]) -> list[bytes | Exception]:
    """Return the answers to each job as JSON; jobs that want the same of one model are answered in one call."""
    alike: dict[tuple[str, Options], list[int]] = {}
    for place, (model, options, _) in enumerate(jobs):
        alike.setdefault((model.name, options), []).append(place)
    results: dict[int, bytes | Exception] = {}
    for (name, options), places in alike.items():
        classifier = jobs[places[0]][0].classifier
        try:
            answers = classifier.answer([text for place in places for text in jobs[place][2]])
            counts = [len(jobs[place][2]) for place in places]
            contents = replies(name, classifier, answers, counts, *options)
            results.update(zip(places, map(to_json, contents), strict=True))
        except Exception as error:
            if len(places) == 1:
                results[places[0]] = error
            else:  # one job's error is not that of its neighbours
                results.update({place: answer_together([jobs[place]])[0] for place in places})
    return [results[place] for place in range(len(jobs))]


def find(models: ServedModels, name: str | None) -> Model:
    """Return a model by its name.

    Raises:
        HTTPException: There is no such model.
    """
    try:
        return models.find(name)
    except LookupError as error:
        raise HTTPException(404, str(error.args[0])) from None
