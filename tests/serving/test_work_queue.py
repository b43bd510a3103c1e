"""The queue: jobs that wait together are one batch, each gets its own result, and errors stay with their jobs."""

from __future__ import annotations

import asyncio
import threading

import pytest
from folded_models import make_model, word_tokenizer

from textcnn.folding.fold import fold
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
    jobs = [(models[0], ["w2", "w3 w4"]), (models[1], ["w5"]), (models[0], ["w6 w7"]), (models[1], [])]
    for (model, texts), (classifier, answers) in zip(jobs, answer_together(jobs), strict=True):
        assert classifier is model.classifier
        assert answers.probabilities.tolist() == model.classifier.predict_proba(texts).tolist()
    # An error of one job is not that of its neighbours.
    broken = answer_together([jobs[0], (models[0], [3])])
    assert broken[0][1].probabilities.tolist() == models[0].classifier.predict_proba(jobs[0][1]).tolist()
    assert isinstance(broken[1], TypeError)
