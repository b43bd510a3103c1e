"""The routes, in the process of the test: answers of the runtime, limits, and no request that breaks the server."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
from fasttext_models import TEXTS as FASTTEXT_TEXTS
from fasttext_models import make_file
from folded_models import make_model, word_tokenizer, write_artifact
from starlette.testclient import TestClient
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import save_artifact, write_calibration
from textcnn.exporting.html import page
from textcnn.folding.fasttext_writer import write_fasttext
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.serving.app import make_app
from textcnn.serving.limits import Limits
from textcnn.serving.served_models import ServedModels, named
from textcnn.serving.work_queue import Overloaded, WorkQueue

TEXTS = ["", "w2", "w2 w3 w4", "emoji 😀 and 日本", "NUL\0 w5", "a\u0301 w5", "w7 w8 " * 5000]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model of one label, one of several, and a converted fastText model."""
    root = tmp_path_factory.mktemp("served")
    textcnn.load(write_artifact(root / "single"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    model = make_model(problem_type="multi_label_classification", thresholds={"b": 0.3})
    textcnn.load(save_artifact(model, tokenizer, root / "several"))
    write_fasttext(make_file(ngrams=2), root / "model.bin")
    textcnn.convert(root / "model.bin", root / "converted")
    return [root / name for name in ("single", "several", "converted")]


def client_of(*folders, limits=None, token=None):
    return TestClient(make_app(ServedModels(named(folders)), limits, token))


@pytest.fixture(scope="module")
def client(folders):
    with client_of(*folders, limits=Limits(max_body=200_000, max_texts=50, max_characters=100_000)) as client:
        yield client


@pytest.mark.parametrize("place", [0, 1, 2])
def test_answers_of_the_runtime(client, folders, place):
    texts = TEXTS if place < 2 else FASTTEXT_TEXTS
    classifier = textcnn.load(folders[place])
    reply = client.post("/predict", json={"model": folders[place].name, "texts": texts, "top_k": 2})
    assert reply.status_code == 200, reply.text
    answers = reply.json()["answers"]
    np.testing.assert_allclose([a["probabilities"] for a in answers], classifier.predict_proba(texts), atol=1e-6)
    labels = [a["labels"] for a in answers]
    assert labels == (classifier.predict(texts) if place == 1 else [[one] for one in classifier.predict(texts)])
    assert [a["label"] for a in answers] == [one[0] if one else None for one in labels]
    for answer, best in zip(answers, classifier.predict_top_k(texts, 2), strict=True):
        assert [one["label"] for one in answer["top"]] == [label for label, _ in best]
        np.testing.assert_allclose([one["probability"] for one in answer["top"]], [p for _, p in best], atol=1e-6)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_explanations_of_the_runtime(client, folders, place):
    classifier = textcnn.load(folders[place])
    for label in (None, classifier.labels[1]):
        text = "w2 w3 good film"
        reply = client.post("/explain", json={"model": folders[place].name, "text": text, "label": label})
        assert reply.status_code == 200, reply.text
        assert reply.json() == json.loads(json.dumps(classifier.explain(text, label).to_dict()))


def test_the_first_model_is_the_default_and_a_text_is_like_texts(client, folders):
    one = client.post("/predict", json={"text": "w2 w3"}).json()
    many = client.post("/predict", json={"model": "single", "texts": ["w2 w3"]}).json()
    assert one == many
    assert one["model"] == "single"
    plain = client.post("/predict", json={"text": "w2", "probabilities": False}).json()["answers"][0]
    assert "probabilities" not in plain
    assert client.post("/predict", json={"texts": []}).json()["answers"] == []


def test_the_page_and_what_it_asks(client, folders):
    shown = client.get("/")
    assert shown.text == page("single, several, converted")
    models = client.get("/models").json()["models"]
    assert [model["name"] for model in models] == ["single", "several", "converted"]
    assert models[1]["multi_label"] is True
    assert models[1]["thresholds"] == {"b": 0.3}
    assert all(model["explains"] for model in models)
    # The fields that remote.js reads.
    answer = client.post("/predict", json={"model": "several", "texts": ["w2"]}).json()["answers"][0]
    assert set(answer) == {"label", "labels", "probability", "probabilities", "confidence", "abstained"}


def test_abstention(folders, tmp_path):
    folder = shutil.copytree(folders[0], tmp_path / "unsure")
    middle = float(np.median(textcnn.load(folder).confidence(TEXTS)))
    write_calibration(folder, abstention={"score": "probability", "threshold": middle})
    expected = textcnn.load(folder).predict(TEXTS).tolist()
    assert None in expected
    with client_of(folder) as client:
        answers = client.post("/predict", json={"texts": TEXTS}).json()["answers"]
        assert [a["label"] for a in answers] == expected
        assert [a["abstained"] for a in answers] == [label is None for label in expected]
        certain = client.post("/predict", json={"texts": TEXTS, "abstain": False}).json()["answers"]
        assert [a["label"] for a in certain] == textcnn.load(folder).predict(TEXTS, abstain=False).tolist()


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/predict", {"texts": ["a"] * 51}, 413, "texts: got 51; expected at most 50"),
        ("/predict", {"texts": ["a", "a" * 100_001]}, 413, "text 1: got 100,001 characters; expected at most 100,000"),
        ("/predict", {"texts": ["a" * 50_000] * 5}, 413, "body: got more than 200,000 bytes"),
        ("/predict", {}, 422, "got neither of text and texts"),
        ("/predict", {"text": "a", "texts": ["a"]}, 422, "got both of text and texts"),
        ("/predict", {"texts": [3]}, 422, "texts.0: got 3; expected a valid string; send"),
        ("/predict", {"text": "a", "topk": 3}, 422, "topk: got 3; expected no such field; send"),
        ("/predict", {"text": "a", "top_k": -1}, 422, "top_k: got -1"),
        ("/predict", {"text": "a", "model": "singel"}, 404, "did you mean 'single'?"),
        ("/explain", {"text": "a", "label": "d"}, 422, "label: got 'd'; expected one of a, b, c"),
        ("/explain", {"text": "a" * 100_001}, 413, "100,001 characters"),
        ("/explain", {"label": "a"}, 422, "text: got"),
    ],
)
def test_limits_and_mistakes_are_named(client, path, body, status, words):
    reply = client.post(path, json=body)
    assert reply.status_code == status
    assert words in reply.json()["error"]


def test_other_paths_and_methods(client):
    assert client.get("/predikt").status_code == 404
    assert "/predict" in client.get("/predikt").json()["error"]
    assert client.get("/predict").status_code == 405


def test_the_token(folders):
    with client_of(folders[0], token="secret") as client:
        assert client.get("/health").json()["status"] == "ok"
        for headers in (
            {}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}, {"authorization": "Basic !"},
            {"authorization": "Basic " + base64.b64encode(b"me:wrong").decode()},
        ):  # fmt: skip
            reply = client.post("/predict", json={"text": "a"}, headers=headers)
            assert reply.status_code == 401
            assert "TEXTCNN_TOKEN" in reply.json()["error"]
            assert client.get("/", headers=headers).status_code == 401
        basic = "Basic " + base64.b64encode(b"me:secret").decode()
        for value in ("Bearer secret", basic):
            assert client.get("/", headers={"authorization": value}).status_code == 200


def test_metrics(folders):
    with client_of(folders[0]) as client:
        client.post("/predict", json={"texts": ["w2", "w3"]})
        client.post("/predict", json={"texts": 3})
        lines = client.get("/metrics").text.splitlines()
    assert 'textcnn_requests_total{path="/predict",status="200"} 1' in lines
    assert 'textcnn_requests_total{path="/predict",status="422"} 1' in lines
    assert 'textcnn_texts_total{model="single"} 2' in lines
    assert 'textcnn_request_duration_seconds_bucket{path="/predict",le="+Inf"} 2' in lines
    assert "textcnn_batches_total 1" in lines


def test_a_full_queue_still_answers_what_is_small(folders, monkeypatch):
    async def refuse(self, job, size=1):
        raise Overloaded

    monkeypatch.setattr(WorkQueue, "submit", refuse)
    with client_of(*folders[:2]) as client:
        assert client.post("/predict", json={"text": "w2 " * 1000}).status_code == 200
        assert client.post("/predict", json={"texts": ["w2"] * 100}).status_code == 200
        for large in (["w2 " * 1366], ["w2"] * 1000):
            reply = client.post("/predict", json={"texts": large})
            assert reply.status_code == 503
            assert reply.headers["retry-after"] == "1"
            assert "expected fewer" in reply.json()["error"]
        # Models without tables take milliseconds a text.
        monkeypatch.setattr(FoldedTextCNN, "from_tables", False)
        assert client.post("/predict", json={"text": "w2"}).status_code == 503


def test_the_documented_route_answers_like_the_direct_one(folders):
    """A server that mounts the application under a path has no direct route."""
    with client_of(folders[0]) as client:
        content = {"texts": ["w2", "w3 w4"], "top_k": 1}
        direct = client.post("/predict", json=content)
        mounted = TestClient(client.app, root_path="/models").post("/models/predict", json=content)
        assert mounted.status_code == 200
        assert mounted.content == direct.content
        assert mounted.headers["content-type"] == direct.headers["content-type"]
        mistakes = [one.post(path, json={"texts": 3}) for one, path in (
            (client, "/predict"), (TestClient(client.app, root_path="/models"), "/models/predict")
        )]  # fmt: skip
        assert [reply.status_code for reply in mistakes] == [422, 422]
        assert mistakes[0].json() == mistakes[1].json()


def test_openapi_has_examples(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/predict", "/explain", "/models", "/health", "/metrics"} <= set(paths)
    for path in ("/predict", "/explain"):
        schema = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        for example in schema["examples"]:
            assert client.post(path, json=example).status_code == 200


def test_no_request_makes_an_error_of_the_server(client):
    draw = random.Random(0)
    values = ["w2", "", "\0", "😀" * 50, 3, -1, 1e400, None, True, [], {}, ["w2", None], [["w2"]], "\ud800", 10**30]
    names = ["text", "texts", "model", "label", "top_k", "probabilities", "abstain", "x", ""]
    kinds = ["application/json", "text/plain", "multipart/form-data", b"\xfc"]
    wholes = [
        b"",
        b"{",
        b"[" * 5000,
        b'"' + b"\xff" * 9,
        b'{"text": "\\ud800"}',
        b"null",
        b"9" * 9000,
        b"NaN",
        b"\xef\xbb\xbf{}",
    ]
    seen = set()
    for _ in range(300):
        content = {draw.choice(names): draw.choice(values) for _ in range(draw.randrange(5))}
        body = json.dumps(content).encode()
        kind = draw.random()
        if kind < 0.3:
            body = draw.choice(wholes)
        elif kind < 0.6:
            damaged = bytearray(body)
            for _ in range(draw.randrange(1, 4)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            body = bytes(damaged)
        elif kind < 0.7:
            body = draw.randbytes(draw.randrange(200))
        method = draw.choice(["POST"] * 6 + ["GET", "PUT", "BREW"])
        path = draw.choice(["/predict"] * 5 + ["/explain"] * 3 + ["/models", "/nothing", "/%ff%00", "//", "/../x"])
        headers = {"content-type": draw.choice(kinds)}
        reply = client.request(method, path, content=body, headers=headers)
        assert reply.status_code < 500, (method, path, body, reply.text)
        if reply.status_code >= 400 and method != "HEAD":
            assert reply.json()["error"]
        seen.add(reply.status_code)
    assert {200, 404, 405, 422} <= seen


def test_it_imports_no_torch(folders):
    program = f"""
import sys
from starlette.testclient import TestClient
from textcnn.serving.app import make_app
from textcnn.serving.served_models import ServedModels, named
with TestClient(make_app(ServedModels(named({[str(folder) for folder in folders]!r})))) as client:
    for name in ("single", "several", "converted"):
        assert client.post("/predict", json={{"model": name, "text": "w2"}}).status_code == 200
        assert client.post("/explain", json={{"model": name, "text": "w2"}}).status_code == 200
heavy = {{"torch", "transformers", "lightning", "datasets", "sklearn"}} & set(sys.modules)
sys.exit(str(heavy) if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("names", [["price"], ["price", "stars"]])
def test_numbers_of_a_regression(names, tmp_path):
    """`/predict` answers numbers, `/explain` the shares that add up to one; OpenAPI knows of both."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    settings = {"problem_type": "regression", "id2label": dict(enumerate(names)), "bag": "sqrtn", "bag_buckets": 100}
    folder = save_artifact(make_model(**settings), tokenizer, tmp_path / "numbers")
    model = textcnn.load(folder)
    with client_of(folder) as client:
        (described,) = client.get("/models").json()["models"]
        assert described["regression"]
        assert described["labels"] == names
        assert described["explains"]
        reply = client.post("/predict", json={"texts": TEXTS})
        assert reply.status_code == 200, reply.text
        answers, expected = reply.json()["answers"], model.predict(TEXTS).reshape(len(TEXTS), -1)
        np.testing.assert_allclose([answer["predictions"] for answer in answers], expected, rtol=1e-6)
        if len(names) == 1:
            np.testing.assert_allclose([answer["prediction"] for answer in answers], expected[:, 0], rtol=1e-6)
        else:
            assert {answer["prediction"] for answer in answers} == {None}
        for name in (None, names[-1]):
            why = client.post("/explain", json={"text": "w2 w3 w4", "label": name})
            assert why.status_code == 200, why.text
            content = why.json()
            assert content == json.loads(json.dumps(model.explain("w2 w3 w4", name).to_dict()))
            total = content["bias"] + sum(one["weight"] for one in content["contributions"])
            assert total == pytest.approx(content["logit"], abs=1e-5)
            assert content["probability"] is None
        refused = client.post("/predict", json={"text": "w2", "top_k": 2})
        assert refused.status_code == 422
        assert refused.json()["error"].startswith("top_k: got 2 for numbers, a regression, whose answers are numbers")
        schema = json.dumps(client.get("/openapi.json").json())
        assert "of a regression" in schema
        assert "`predictions`" in schema
