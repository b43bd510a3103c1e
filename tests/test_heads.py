"""Several label columns in one model, from the first row to the last interface."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from folded_models import make_model, word_tokenizer
from sklearn.metrics import accuracy_score
from torch.nn import functional

import textcnn
from textcnn import TextDataModule
from textcnn.artifact import read_artifact
from textcnn.cli import main
from textcnn.core.build import MODULE
from textcnn.data.errors import DataError
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier, load_classifier
from textcnn.runtime.checks import check_config
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.runtime.heads import HeadsClassifier
from textcnn.training.bag_start import bag_weights, start_of_bag

WORDS = [f"w{number}" for number in range(20)]
COLUMNS = ["topic", "tone", "spam"]
QUICK: dict[str, Any] = {
    "kernel_sizes": [1, 2], "num_filters": 12, "embedding_dim": 16, "vectors": None, "tokenizer": "word",
    "progress": False, "summary": False, "learning_rate": 1e-2, "bag_buckets": 256,
}  # fmt: skip
HEADS: list[dict[str, Any]] = [
    {"name": "topic", "problem_type": "single_label_classification", "labels": ["a", "b", "c"], "temperature": 2.0},
    {"name": "tone", "problem_type": "multi_label_classification", "labels": ["loud", "rude"],
     "thresholds": {"loud": 0.3}},
]  # fmt: skip


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    """Texts of random words, and three columns of labels that words decide; some are missing."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, rng.integers(2, 8))) for _ in range(count)]
    words = [text.split() for text in texts]
    topics = ["a" if "w1" in own else "b" if "w2" in own else "c" for own in words]
    tones = [[tone for tone, word in (("loud", "w3"), ("rude", "w4")) if word in own] for own in words]
    data = pd.DataFrame({"text": texts, "topic": topics, "tone": tones, "spam": ["w5" in own for own in words]})
    data["topic"] = data["topic"].astype(object)
    data.loc[::10, "topic"] = None
    data.loc[5::20, "tone"] = None
    return data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on generated data with three label columns."""
    folder = tmp_path_factory.mktemp("heads")
    frame(400).to_json(folder / "train.jsonl", orient="records", lines=True)
    textcnn.train(str(folder / "train.jsonl"), folder / "run", label_columns=COLUMNS, max_epochs=4, **QUICK)
    return folder / "run"


@pytest.mark.parametrize(
    "network",
    [{}, {"bag": "sqrtn", "bag_buckets": 32}, {"bag": "sqrtn", "bag_buckets": 32, "bag_dim": 3},
     {"bag": "mean", "bag_buckets": 32, "kernel_sizes": []}, {"pooling": "segments"}, {"num_experts": 2},
     {"backbone": "dilated", "num_blocks": 1}],
)  # fmt: skip
def test_every_head_is_what_torch_says(network: dict[str, Any]) -> None:
    from transformers import PreTrainedTokenizerFast

    model = make_model(heads=HEADS, **network)
    texts = ["", "w2", "w3 w4 w5", "w9 w8 w7 w6 w5"]
    ids = [[int(word[1:]) for word in text.split()] for text in texts]
    padded = torch.tensor([[*row, *[0] * (5 - len(row))] for row in ids])
    with torch.inference_mode():
        wanted = model.by_head(model(padded).logits)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    folds = "backbone" not in network
    for engine in [fold(model, word_tokenizer()) if folds else TorchClassifier(model, tokenizer)]:
        heads = HeadsClassifier(engine)
        for name, logits in wanted.items():
            np.testing.assert_allclose(heads.logits_of(name, engine.logits(texts)), logits, rtol=1e-6, atol=1e-5)
            np.testing.assert_allclose(heads.heads[name].logits(texts), logits, rtol=1e-6, atol=1e-5)
            why = heads.explain("w3 w4 w5", head=name)
            assert why.logit == pytest.approx(float(logits[2].max()), abs=1e-4)
            if folds:
                assert why.bias + sum(part.weight for part in why.contributions) == pytest.approx(why.logit, abs=1e-5)
    if folds and network.get("num_experts") is None:
        rounded = fold(model, word_tokenizer(), int8=True, texts=texts)
        assert json.loads(rounded.metadata["int8_error"])["label_agreement"] <= 1
        heads = HeadsClassifier(rounded)
        for name in wanted:
            together = heads.logits_of(name, rounded.logits(texts))
            np.testing.assert_allclose(heads.heads[name].logits(texts), together, rtol=1e-6, atol=1e-5)


def test_the_loss_of_a_head_is_that_of_a_model_with_that_column_alone() -> None:
    model = make_model(heads=HEADS)
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    topics = torch.tensor([0, 1, -1, 2, 3, 0])  # -1: no label; 3: one that train lacks
    tones = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [torch.nan] * 2, [1.0, 0.0], [0.0, 0.0]])
    nothing = {"topic": torch.full_like(topics, -1), "tone": torch.full_like(tones, torch.nan)}
    known, there = topics.lt(3) & topics.ge(0), ~tones.isnan().any(dim=1)
    of_topics = functional.cross_entropy(logits[known, :3], topics[known])
    of_tones = functional.binary_cross_entropy_with_logits(logits[there, 3:], tones[there])
    torch.testing.assert_close(model.loss(logits, {**nothing, "topic": topics}), of_topics)
    torch.testing.assert_close(model.loss(logits, {**nothing, "tone": tones}), of_tones)
    torch.testing.assert_close(model.loss(logits, {"topic": topics, "tone": tones}), (of_topics + of_tones) / 2)
    assert model.loss(logits, nothing) == 0
    with pytest.raises(ValueError, match="labels: got a Tensor; expected a dict"):
        model.loss(logits, topics)


def test_rows_without_a_label_count_for_the_other_columns() -> None:
    data = TextDataModule(frame(300), label_columns=COLUMNS, vectors=None, tokenizer="word", validation_fraction=0.0)
    texts, targets = data.texts_and_targets("train")
    assert len(texts) == 300
    assert (targets["topic"] < 0).sum() == 30
    assert np.isnan(targets["tone"]).any(axis=1).sum() == 15
    assert targets["spam"].min() == 0
    assert "train: 30 without a label in 'topic', which count for other columns" in data.data_report
    batch = next(iter(data.train_dataloader()))
    assert {name: labels.shape[1:] for name, labels in batch["labels"].items()} == {
        "topic": (), "tone": (2,), "spam": (),
    }  # fmt: skip
    empty = frame(40).assign(topic=None)
    with pytest.raises(DataError, match="the column 'topic': the train split has no label"):
        _ = TextDataModule(empty, label_columns=COLUMNS).labels


def test_the_bag_has_a_linear_model_of_each_column() -> None:
    data = TextDataModule(frame(200), label_columns=COLUMNS, vectors=None, tokenizer="word")
    bag = make_model(heads=data.heads, bag="sqrtn", bag_buckets=64, vocab_size=data.vocab_size).bag
    weights, bias = bag_weights(bag, "linear", data, 7, True, data.heads)
    assert weights.shape[1] == len(bias) == len(data.labels) == 7
    ids, lengths, targets = data.encoded_train()
    for head, own in zip(data.heads, (slice(0, 3), slice(3, 5), slice(5, 7)), strict=True):
        alone, _ = start_of_bag(bag, "linear", ids, lengths, targets[head["name"]], len(head["labels"]))
        np.testing.assert_array_equal(weights[:, own], alone)


def test_a_run_learns_every_column(run: Path) -> None:
    new = frame(200, seed=1)
    model = textcnn.load(run)
    assert isinstance(model, HeadsClassifier)
    answers = model.predict(new["text"].tolist())
    assert list(answers) == list(model.heads) == COLUMNS
    there = new["topic"].notna()
    assert accuracy_score(new["topic"][there], answers["topic"][there]) > 0.9
    assert accuracy_score(new["spam"].astype(str), answers["spam"]) > 0.9
    assert np.mean([set(a) == set(b) for a, b in zip(answers["tone"], new["tone"], strict=True) if b is not None]) > 0.9
    epochs = pd.read_csv(run / "logs" / "version_0" / "metrics.csv").dropna(subset="val_mean_score")
    chosen = epochs[["val_topic_micro_f1", "val_tone_average_precision", "val_spam_micro_f1"]]
    np.testing.assert_allclose(epochs["val_mean_score"], chosen.mean(axis=1), atol=1e-6)
    assert len(epochs) == 4
    assert chosen.iloc[0].nunique() > 1
    card = (run / "README.md").read_text()
    assert "text classifier of 3 label columns" in card
    assert "Label columns: topic (3 labels), tone (2 labels), spam (2 labels)." in card


def test_one_pass_is_what_each_head_answers_alone(run: Path) -> None:
    model, texts = textcnn.load(run), [*frame(50, seed=2)["text"], ""]
    network, tokenizer = read_artifact(run)
    of_torch = HeadsClassifier(TorchClassifier(network, tokenizer))
    together = model.predict(texts)
    for name, probabilities in model.predict_proba(texts).items():
        head = model.heads[name]
        np.testing.assert_allclose(probabilities, head.predict_proba(texts), atol=1e-5)
        np.testing.assert_allclose(probabilities, of_torch.heads[name].predict_proba(texts), atol=1e-5)
        assert list(together[name]) == list(head.predict(texts))
        assert head.columns(head.answer(texts))["predicted_label"] == list(together[name])
    assert list(load_classifier(run, head="spam").predict(texts)) == list(together["spam"])
    loaded = HeadsClassifier(textcnn.load(run).model)
    assert list(loaded.predict(texts)["topic"]) == list(together["topic"])


def test_evaluate_scores_each_head_and_their_mean(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = frame(150, seed=3)
    new.to_json(tmp_path / "new.jsonl", orient="records", lines=True)
    found = textcnn.evaluate(run, tmp_path / "new.jsonl", resamples=10)
    there = new["topic"].notna()
    predicted = textcnn.load(run).predict(new["text"].tolist())["topic"][there]
    topic = found.heads["topic"]
    assert topic.scores["accuracy"].value == accuracy_score(new["topic"][there], predicted)
    assert (topic.texts, topic.without_label, found.heads["spam"].texts) == (135, 15, 150)
    first = [next(iter(one.scores.values())).value for one in found.heads.values()]
    assert found.mean == pytest.approx(np.mean(first))
    assert list(found.to_dict()["heads"]) == COLUMNS
    alone = textcnn.evaluate(run, tmp_path / "new.jsonl", resamples=0, head="topic", report=tmp_path / "topic.html")
    assert alone.scores["accuracy"].value == topic.scores["accuracy"].value
    assert (tmp_path / "topic.html").is_file()
    main(["evaluate", str(run), "--data", str(tmp_path / "new.jsonl"), "--resamples", "10"])
    printed = capsys.readouterr().out
    assert "mean of the heads" in printed
    assert "topic: 135 texts, 3 classes" in printed
    with pytest.raises(ValueError, match="report: got it for a model with the heads topic, tone, spam"):
        textcnn.evaluate(run, tmp_path / "new.jsonl", report=tmp_path / "r.html")


def test_calibration_of_one_head_leaves_the_others(copy: Path) -> None:
    texts = frame(60, seed=4)["text"].tolist()
    before = textcnn.load(copy).predict_proba(texts)
    found = textcnn.calibrate(copy, head="tone", threshold_for="f1")
    assert set(found.thresholds) <= {"loud", "rude"}
    model = textcnn.load(copy)
    after = model.predict_proba(texts)
    np.testing.assert_array_equal(before["topic"], after["topic"])
    np.testing.assert_array_equal(before["spam"], after["spam"])
    assert np.abs(before["tone"] - after["tone"]).max() > 1e-3
    assert model.heads["tone"].temperature == pytest.approx(found.temperature)
    assert model.heads["topic"].temperature == 1
    every = textcnn.calibrate(copy)
    assert list(every.heads) == COLUMNS
    assert textcnn.load(copy).heads["topic"].temperature == pytest.approx(every.heads["topic"].temperature)
    textcnn.calibrate(copy, head="topic", abstain="fired:coverage=0.5")
    model = textcnn.load(copy)
    answers = model.predict(texts)
    assert None in list(answers["topic"])
    assert list(answers["topic"]) == list(model.heads["topic"].predict(texts))
    assert None not in list(model.predict(texts, abstain=False)["topic"])
    textcnn.calibrate(copy, reset=True)
    np.testing.assert_allclose(textcnn.load(copy).predict_proba(texts)["tone"], before["tone"], atol=1e-7)
    with pytest.raises(ValueError, match="threshold_for: got it for a model with the heads"):
        textcnn.calibrate(copy, threshold_for="f1")


def test_score_writes_the_columns_of_each_head(run: Path, tmp_path: Path) -> None:
    rows = frame(30, seed=5).assign(text=lambda data: data["text"].where(data.index != 3))
    rows[["text"]].to_json(tmp_path / "new.jsonl", orient="records", lines=True)
    textcnn.score(run, tmp_path / "new.jsonl", tmp_path / "new.parquet")
    table = pq.read_table(tmp_path / "new.parquet")
    columns = [name for name in table.column_names if name.endswith("predicted_label")]
    assert columns == [f"{name}_predicted_label" for name in COLUMNS]
    assert {"topic_probability_a", "tone_probability_loud", "spam_probability_True"} <= set(table.column_names)
    texts = [text for text in rows["text"] if text is not None and text == text]
    wanted = textcnn.load(run).predict(texts)
    scored = table.to_pydict()
    assert scored["topic_predicted_label"][3] is None
    assert [x for x in scored["topic_predicted_label"] if x is not None] == list(wanted["topic"])
    assert [x for x in scored["tone_predicted_label"] if x is not None] == wanted["tone"]
    textcnn.score(run, tmp_path / "new.jsonl", tmp_path / "new.csv", label_only=True)
    assert [*pd.read_csv(tmp_path / "new.csv")] == ["text"] + [
        f"{head}_{column}" for head in COLUMNS for column in ("predicted_label", "probability")
    ]
    assert textcnn.score(run, tmp_path / "new.jsonl", estimate=True).estimate is not None


def test_a_scorer_has_the_columns_of_each_head(run: Path) -> None:
    texts = frame(20, seed=6)["text"].tolist()
    scorer = textcnn.Scorer(run, thresholds={"topic": {"a": 0.5}}, reasons=1, label_only=True)
    scored = scorer(pd.DataFrame({"text": [*texts, None]}))
    assert list(scored)[:4] == ["text", "topic_predicted_label", "topic_probability", "topic_reasons"]
    assert [name for name in scored if name.startswith("topic_keep")] == ["topic_keep_a"]
    wanted = textcnn.load(run).predict(texts)
    assert scored["spam_predicted_label"].tolist()[:-1] == list(wanted["spam"])
    assert set(scorer.schema.names) == set(scored) - {"text"}
    two = textcnn.Scorer({"one": run, "two": run}, label_only=True)
    assert "two_tone_predicted_label" in two(pd.DataFrame({"text": texts}))
    only = textcnn.LabelFilter(run, "loud", 0.5, head="tone")
    assert len(only.probability(texts)) == 20


def test_certify_inspect_and_pages_take_a_head(run: Path, tmp_path: Path) -> None:
    assert textcnn.certify(run, text="w1 w2", replaced=[1], head="topic").of_text[0].labels[0] in "abc"
    lexicon = textcnn.inspect(run, frame(50), head="topic").lexicon
    assert lexicon is not None
    assert list(lexicon.classes) == ["a", "b", "c"]
    for call in (lambda: textcnn.certify(run, text="w1"), lambda: textcnn.inspect(run, frame(9)),
                 lambda: textcnn.explain(run, "w1"),
                 lambda: textcnn.export(run, tmp_path / "x.js"), lambda: textcnn.LabelFilter(run, "loud")):  # fmt: skip
        with pytest.raises(ValueError, match=r"the heads topic, tone, spam; expected one of them; choose .*--head"):
            call()
    with pytest.raises(ValueError, match=r"head: got 'topc'; expected one of topic, tone, spam .did you mean 'topic'"):
        textcnn.explain(run, "w1", head="topc")
    with pytest.raises(ValueError, match="output: got it with head"):
        textcnn.inspect(run, frame(9), drop=[1], output=tmp_path / "y", head="topic")


def test_a_head_in_the_page(run: Path) -> None:
    from textcnn.exporting.inlined import inline, models_of

    head = load_classifier(run, head="tone")
    assert [model.name for model in models_of([run], every_head=True)] == ["run topic", "run tone", "run spam"]
    if not MODULE.is_file():
        pytest.skip("the WebAssembly module is not built: make wasm")
    assert isinstance(head, FoldedTextCNN)
    model = inline(head, "posts tone")
    assert model.labels == ["loud", "rude"]
    assert "heads" not in json.loads(model.config)


def test_a_head_is_saved_by_itself_and_the_c_interface_opens_it_only(run: Path, tmp_path: Path) -> None:
    from textcnn.core.library import last_error, library

    texts = ["w1 w3", "w2 w4 w5", ""]
    model = textcnn.load(run)
    saved = textcnn.load(model.heads["topic"].save(tmp_path / "topic"))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(saved.predict_proba(texts), model.heads["topic"].predict_proba(texts))
    core = library()
    for folder, opens in ((tmp_path / "topic", True), (run, False)):
        files = [(folder / name).read_bytes() for name in ("config.json", "tokenizer.json", "folded.safetensors")]
        handle = core.textcnn_open_memory(*(part for file in files for part in (file, len(file))))
        assert bool(handle) == opens
        if opens:
            core.textcnn_close(handle)
        else:
            assert "got several heads; expected one" in str(last_error())


def test_onnx_has_the_logits_of_all_heads(copy: Path) -> None:
    pytest.importorskip("onnxruntime")
    texts = ["w1 w3", "w2 w4 w5", ""]
    textcnn.calibrate(copy, head="topic")
    model = textcnn.load(copy)
    written = textcnn.export(copy, copy / "posts.onnx")
    assert isinstance(written, HeadsClassifier)
    for name, probabilities in written.predict_proba(texts).items():
        np.testing.assert_allclose(probabilities, model.predict_proba(texts)[name], atol=1e-5)
        np.testing.assert_allclose(written.heads[name].predict_proba(texts), probabilities, atol=1e-6)
    assert [head["name"] for head in json.loads(written.metadata["heads"])] == COLUMNS
    why = written.explain("w1 w3", head="topic")
    assert why.logit == pytest.approx(float(model.explain("w1 w3", head="topic").logit), abs=1e-4)
    assert {part.text for part in why.contributions} >= {"w1"}
    with pytest.raises(ValueError, match="head: got it for an ONNX file"):
        textcnn.export(copy, copy / "x.onnx", head="topic")


def test_transformers_pipeline_answers_for_each_head(copy: Path, tmp_path: Path) -> None:
    from transformers import pipeline

    textcnn.calibrate(copy, head="topic")
    texts = ["w1 w3", "w2 w4 w5"]
    classify = pipeline("text-classification", str(copy), trust_remote_code=True)
    model = textcnn.load(copy)
    wanted = model.predict_proba(texts)
    for n, found in enumerate(classify(texts)):
        assert list(found) == COLUMNS
        assert found["topic"]["label"] == model.predict(texts)["topic"][n]
        assert found["topic"]["score"] == pytest.approx(float(wanted["topic"][n].max()), abs=1e-5)
        assert found["tone"]["score"] == pytest.approx(float(wanted["tone"][n].max()), abs=1e-5)
    assert len(classify("w1", top_k=2)["topic"]) == 2
    with pytest.raises(ValueError, match="function_to_apply"):
        classify("w1", function_to_apply="none")


def test_a_server_answers_for_every_head(run: Path) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from textcnn.serving.app import make_app
    from textcnn.serving.served_models import ServedModels

    texts = ["w1 w3", "w2"]
    wanted = textcnn.load(run).predict(texts)
    with TestClient(make_app(ServedModels({"posts": run}))) as client:
        found = client.post("/predict", json={"texts": texts, "top_k": 1}).json()
        assert list(found["heads"]) == COLUMNS
        assert [row["label"] for row in found["heads"]["topic"]["answers"]] == list(wanted["topic"])
        one = client.post("/predict", json={"model": "posts/topic", "texts": texts}).json()
        assert [row["label"] for row in one["answers"]] == list(wanted["topic"])
        why = client.post("/explain", json={"model": "posts/tone", "text": "w3 w4"}).json()
        assert why["label"] in ("loud", "rude")
        refused = client.post("/explain", json={"text": "w3"})
        assert refused.status_code == 422
        assert "posts/topic, posts/tone, posts/spam" in refused.json()["error"]
        assert "did you mean 'posts/topic'" in client.post("/predict", json={"model": "posts/topc", "text": ""}).text
        models = client.get("/models").json()
        assert [model["name"] for model in models["models"]] == ["posts/topic", "posts/tone", "posts/spam"]
        assert models["heads"] == {"posts": COLUMNS}


def test_the_model_whose_cost_is_measured_answers_as_its_one_head() -> None:
    from textcnn.bench.heads import with_copies

    texts = ["", "w2", "w3 w4 w5"]
    for network in ({"bag": "sqrtn", "bag_buckets": 32}, {"bag": "sqrtn", "bag_buckets": 32, "bag_dim": 2}, {}):
        model = make_model(problem_type="single_label_classification", **network)
        for int8 in (False, True):
            one = fold(model, word_tokenizer(), int8=int8)
            for labels in with_copies(one, 3).predict(texts).values():
                assert list(labels) == list(one.predict(texts))


def refused(run: Path, tmp_path: Path) -> dict[str, tuple[Any, str]]:
    """Calls that take one label column or one head, and what they say, by name."""
    columns = {"label_columns": ["topic", "spam"]}
    said = "label_columns: got topic, spam for {}, which takes one column of labels"
    small = frame(30)
    return {
        "distill": (lambda: textcnn.distill("t", small, output=tmp_path / "d", **columns), said.format("distill")),
        "teach": (lambda: textcnn.teach("t", small, output=tmp_path / "t", **columns), said.format("teach")),
        "tune": (lambda: textcnn.tune(small, output=tmp_path / "u", **columns), said.format("tune")),
        "compare": (lambda: textcnn.compare(small, output=tmp_path / "c", **columns), said.format("compare")),
        "teacher": (
            lambda: textcnn.distill(run, small, output=tmp_path / "e", label_column="topic"),
            "got a model with the heads",
        ),
        "stream": (lambda: textcnn.train(small, tmp_path / "s", streaming=True, **columns), "streaming: got it with"),
        "naive_bayes": (
            lambda: textcnn.train(small, tmp_path / "n", **columns, **QUICK, naive_bayes=1.0), "naive_bayes: got 1.0"
        ),
        "contrastive": (
            lambda: textcnn.train(small, tmp_path / "k", **columns, **QUICK, contrastive_weight=0.5),
            "contrastive_weight: got 0.5",
        ),
        "regression": (
            lambda: textcnn.train(small, tmp_path / "r", problem_type="regression", **columns), "problem_type: got 'reg"
        ),
        "real numbers": (
            lambda: textcnn.train(small.assign(spam=np.arange(30) / 7), tmp_path / "f", **columns, **QUICK),
            "the column 'spam' of the train split of the data set holds real numbers",
        ),
        "both": (
            lambda: textcnn.train(small, tmp_path / "b", label_column="topic", **columns), "label_column: got 'topic'"
        ),
        "one": (lambda: textcnn.train(small, tmp_path / "o", label_columns=["topic"]), "label_columns: got 'topic'"),
        "misspelt": (
            lambda: textcnn.train(small, tmp_path / "m", label_columns=["topc", "spam"], **QUICK),
            "did you mean 'topic'",
        ),
        "nothing held out": (
            lambda: textcnn.calibrate(nothing_held_out(tmp_path)), "nothing was held out of the training data"
        ),
        "fold": (lambda: fold(*read_artifact(run)).predict(["w1"]), "predict: got a model with the heads"),
        "head of one task": (lambda: load_classifier(one_task(tmp_path), head="topic"), "for a model with one task"),
    }  # fmt: skip


def nothing_held_out(folder: Path) -> Path:
    """A run of two label columns that held no row out."""
    columns = ["topic", "spam"]
    frame(60).to_json(folder / "few.jsonl", orient="records", lines=True)
    textcnn.train(folder / "few.jsonl", folder / "few", label_columns=columns, max_epochs=1, **QUICK)
    return folder / "few"


def one_task(folder: Path) -> Path:
    """A run of one label column."""
    data = frame(60)[["text", "spam"]]
    textcnn.train(data, folder / "one", label_column="spam", max_epochs=1, **QUICK)
    return folder / "one"


@pytest.mark.parametrize("name", list(refused(Path(), Path())))
def test_what_takes_one_column_is_refused_in_one_line(name: str, run: Path, tmp_path: Path) -> None:
    call, said = refused(run, tmp_path)[name]
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        call()
    assert "\n" not in str(error.value)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data.jsonl", str(tmp_path / "run")
    frame(120).to_json(data, orient="records", lines=True)
    quick = ["--num_filters", "4", "--embedding_dim", "8", "--max_epochs", "1", "--vectors", "none"]
    main(["train", str(data), "--output", out, "--label_columns", "topic", "spam", *quick])
    assert "val_mean_score" in capsys.readouterr().out
    main(["info", out])
    described = capsys.readouterr().out
    assert "head topic" in described
    assert "distill" not in described
    main(["explain", out, "w1 w2", "--head", "topic"])
    assert capsys.readouterr().out[0] in "abc"
    for line in (["train", str(data), "--label_columns", "topc", "spam", "--output", out + "2"],
                 ["evaluate", out, "--data", str(data), "--head", "topc"],
                 ["predict", "--config", f"{out}/config.yaml", "--data.predict_path", str(data)]):  # fmt: skip
        with pytest.raises(SystemExit) as end:
            main(line)
        assert end.value.code == 2
        assert capsys.readouterr().err.strip().count("\n") == 0
    # The run can be scored as a YAML job.
    main(["validate", "--config", f"{out}/config.yaml", "--trainer.enable_progress_bar", "false"])
    assert "val_mean_score" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"heads": "x"}, "heads: got 'x'; expected a list of heads"),
        ({"heads": [{**HEADS[0], "labels": ["a"]}, HEADS[1]]}, "whose labels are not those of id2label"),
        ({"heads": [HEADS[1], HEADS[0]]}, "whose labels are not those of id2label"),
        ({"heads": [{**HEADS[0], "problem_type": "regress"}, HEADS[1]]}, "heads: problem_type: got 'regress'"),
        ({"heads": [{**HEADS[0], "temperature": 0}, HEADS[1]]}, "temperature: got 0"),
        ({"heads": [HEADS[0], {**HEADS[1], "thresholds": {"lout": 0.5}}]}, "did you mean 'loud'"),
    ],
)
def test_damaged_heads_are_named(change: dict[str, Any], said: str) -> None:
    labels = [f"{head['name']}: {label}" for head in HEADS for label in head["labels"]]
    config = {"id2label": {str(n): label for n, label in enumerate(labels)}, "heads": HEADS}
    check_config(config)
    with pytest.raises(ValueError, match=re.escape(said)):
        check_config({**config, **change})
