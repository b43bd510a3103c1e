"""The queue: jobs that wait together are one batch, each gets its own result, and errors stay with their jobs."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from folded_models import make_model, word_tokenizer

from textcnn.folding.fold import fold
from textcnn.serving.loop_batch import LoopBatch
from textcnn.serving.predictions import answer_together
from textcnn.serving.work_queue import Overloaded, WorkQueue


def test_what_waits_together_is_one_batch_of_bounded_size():
    sizes, gate, started = [], threading.Event(), threading.Event()

    def compute(jobs):
        started.set()
        gate.wait(10)
        sizes.append(len(jobs))
        return [ValueError(job) if job == 3 else 10 * job for job in jobs]

    queue = WorkQueue(compute, max_waiting=9, max_size=4, name="test")

    async def submit_all():
        tasks = [asyncio.create_task(queue.submit(0))]
        await asyncio.to_thread(started.wait, 10)
        tasks += [asyncio.create_task(queue.submit(job)) for job in range(1, 10)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            await queue.submit(10)
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(submit_all())
    assert isinstance(results.pop(3), ValueError)
    assert results == [0, 10, 20, 40, 50, 60, 70, 80, 90]
    assert sizes == [1, 4, 4, 1]
    queue.close()

    async def submit_late():
        await queue.submit(1)

    with pytest.raises(Overloaded):
        asyncio.run(submit_late())


def test_jobs_of_several_models_get_their_own_answers():
    class Model:
        def __init__(self, name, classifier):
            self.name, self.classifier = name, classifier

    tokenizer = word_tokenizer().to_str()
    models = [Model("x", fold(make_model(), tokenizer)), Model("y", fold(make_model(num_filters=7), tokenizer))]
    plain, brief = (0, True, True), (1, False, True)
    jobs = [
        (models[0], plain, ["w2", "w3 w4"]), (models[1], plain, ["w5"]), (models[0], plain, ["w6 w7"]),
        (models[0], brief, ["w2"]), (models[1], plain, []),
    ]  # fmt: skip
    calls = [count_calls(model.classifier) for model in models]
    for (model, options, texts), content in zip(jobs, map(json.loads, answer_together(jobs)), strict=True):
        assert content["model"] == model.name
        assert content["labels"] == model.classifier.labels
        expected = model.classifier.predict_proba(texts).tolist()
        if options is plain:
            assert [answer["probabilities"] for answer in content["answers"]] == expected
        else:
            assert [answer["top"][0]["probability"] for answer in content["answers"]] == [max(expected[0])]
            assert "probabilities" not in content["answers"][0]
    # Jobs that want the same of one model are one call.
    assert [len(one) for one in calls] == [2, 1]
    # An error of one job is not that of its neighbours.
    first, broken = answer_together([jobs[0], (models[0], plain, [3])])
    assert first == answer_together(jobs[:1])[0]
    assert isinstance(broken, TypeError)


def count_calls(classifier):
    """Make a classifier note its calls in the list that is returned."""
    calls, answer = [], classifier.answer
    classifier.answer = lambda texts: (calls.append(texts), answer(texts))[1]
    return calls


def test_what_the_loop_reads_in_one_turn_is_one_batch():
    sizes = []

    def compute(jobs):
        sizes.append(len(jobs))
        if "all" in jobs:
            raise KeyError("all")
        return [ValueError(job) if job == 3 else 10 * job for job in jobs]

    async def submit_all():
        batch = LoopBatch(compute, max_size=8)
        lone = await batch.submit(7)
        together = await asyncio.gather(*(batch.submit(job) for job in range(5)), return_exceptions=True)
        many = await asyncio.gather(*(batch.submit(5, size=3) for _ in range(4)))
        broken = await asyncio.gather(batch.submit("all"), batch.submit(1), return_exceptions=True)
        gone = asyncio.create_task(batch.submit(1))
        await asyncio.sleep(0)
        gone.cancel()
        after = await batch.submit(2)
        assert batch.batches == len(sizes)
        return lone, together, many, broken, after

    lone, together, many, broken, after = asyncio.run(submit_all())
    assert lone == 70
    assert isinstance(together.pop(3), ValueError)
    assert together == [0, 10, 20, 40]
    assert many == [50] * 4
    assert [type(error) for error in broken] == [KeyError, KeyError]
    assert after == 20
    # Three jobs of size 3 reach the limit of 8 and are not kept waiting for the fourth.
    assert sizes == [1, 5, 3, 1, 2, 2]
