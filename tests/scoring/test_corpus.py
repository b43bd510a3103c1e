"""LabelFilter in `datasets`, in a pipeline of its own shape and in datatrove's, against the classifier itself."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

import textcnn
from textcnn import LabelFilter
from textcnn.artifact import save_artifact
from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.tokenization import train_tokenizer

WORDS = [
    "a",
    "lovely",
    "film",
    "with",
    "great",
    "acting",
    "and",
    "dull",
    "awful",
    "plot",
    "that",
    "felt",
    "too",
    "long",
]
TEXTS = [" ".join(WORDS[(i * j) % len(WORDS)] for j in range(i % 9)) for i in range(700)]


@dataclass
class Document:
    """What datatrove's Document has, of which the filter uses text and metadata."""

    text: str
    id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def build(folder: Path, seed: int = 0, **changes: Any) -> Path:
    torch.manual_seed(seed)
    tokenizer = train_tokenizer([" ".join(WORDS)] * 3, vocab_size=100)
    config = TextCNNConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        embedding_dim=8,
        num_filters=5,
        id2label={0: "good", 1: "bad"},
        **{"problem_type": "single_label_classification", **changes},
    )
    return save_artifact(TextCNNForSequenceClassification(config), tokenizer, folder)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = build(tmp_path_factory.mktemp("corpus") / "artifact")
    textcnn.load(folder)  # folds it
    return folder


@pytest.fixture(scope="module")
def expected(artifact):
    """The probability of "bad", and a threshold that about half of the texts reach."""
    probabilities = textcnn.load(artifact).predict_proba(TEXTS)[:, 1]
    return probabilities, float(np.median(probabilities))


@pytest.mark.parametrize("workers", [None, 2])
def test_datasets(artifact, expected, workers, tmp_path):
    probabilities, threshold = expected
    # From a file: rows in memory are not sent to workers.
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"body": text}) for text in [*TEXTS, None]))
    rows = Dataset.from_json(str(tmp_path / "rows.jsonl"), cache_dir=str(tmp_path / "cache"))
    only = LabelFilter(artifact, "bad", threshold, text_column="body")
    kept = rows.filter(only.keep, batched=True, batch_size=100, num_proc=workers)
    assert kept["body"][:] == [text for text, p in zip(TEXTS, probabilities, strict=True) if p >= threshold]
    assert 200 < len(kept) < 600
    scored = rows.map(only.probabilities, batched=True, batch_size=100, num_proc=workers)
    np.testing.assert_allclose(scored["probability_bad"][:-1], probabilities, atol=1e-6)
    assert scored["probability_bad"][-1] is None


def test_datasets_a_row_at_a_time(artifact, expected):
    probabilities, threshold = expected
    only = LabelFilter(artifact, "bad", threshold)
    rows = Dataset.from_dict({"text": [*TEXTS[:40], None]})
    wanted = [text for text, p in zip(TEXTS, probabilities[:40], strict=False) if p >= threshold]
    assert rows.filter(only.keep)["text"][:] == wanted
    np.testing.assert_allclose(rows.map(only.probabilities)["probability_bad"][:40], probabilities[:40], atol=1e-6)


def test_another_model_in_the_directory_is_not_answered_from_the_cache(tmp_path):
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS[:50]))
    answers = []
    for seed in (0, 1):
        build(tmp_path / "artifact", seed)
        rows = Dataset.from_json(str(tmp_path / "rows.jsonl"), cache_dir=str(tmp_path / "cache"))
        only = LabelFilter(tmp_path / "artifact", "bad")
        answers.append(rows.map(only.probabilities, batched=True)["probability_bad"][:])
        np.testing.assert_allclose(answers[-1], textcnn.load(tmp_path / "artifact").predict_proba(TEXTS[:50])[:, 1])
    assert answers[0] != answers[1]


def test_run_keeps_order_and_writes_the_probability(artifact, expected):
    probabilities, threshold = expected
    documents = [Document(text, str(i)) for i, text in enumerate(TEXTS)]
    step = pickle.loads(pickle.dumps(LabelFilter(artifact, "bad", threshold)))
    wanted = [str(i) for i, p in enumerate(probabilities) if p >= threshold]
    for run in (step.run, step):
        kept = list(run(iter(documents), rank=1, world_size=4))
        assert [document.id for document in kept] == wanted
        given = [document.metadata["probability_bad"] for document in kept]
        np.testing.assert_allclose(given, probabilities[probabilities >= threshold], atol=1e-6)
    assert list(step.run(None)) == []


def test_run_streams(artifact):
    read = 0

    def documents():
        nonlocal read
        while True:
            read += 1
            yield Document("a lovely film")

    assert next(LabelFilter(artifact, "good", 0.0).run(documents())).text == "a lovely film"
    assert read <= 512


def test_the_threshold_itself_is_kept(artifact):
    probability = LabelFilter(artifact, "good").probability(["a lovely film"])[0]
    assert LabelFilter(artifact, "good", probability).keep({"text": "a lovely film"}) is True
    assert LabelFilter(artifact, "good", np.nextafter(probability, 1)).keep({"text": "a lovely film"}) is False
    assert LabelFilter(artifact, "good", 0).keep({"text": ["", None]}) == [True, False]


def test_half_a_surrogate_pair_does_not_stop_a_corpus(artifact):
    only = LabelFilter(artifact, "good")
    assert only.probability(["film \ud83d"]) == only.probability(["film \ufffd"])


def test_several_labels(tmp_path):
    folder = build(tmp_path / "artifact", problem_type="multi_label_classification")
    probabilities = textcnn.load(folder).predict_proba(TEXTS)
    np.testing.assert_allclose(LabelFilter(folder, "good").probability(TEXTS), probabilities[:, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("label", "threshold", "said"),
    [
        ("goood", 0.5, r"label: got 'goood'; expected one of good, bad \(did you mean 'good'\?\)"),
        ("good", 1.5, "threshold: got 1.5; expected a probability, from 0 to 1"),
        ("good", -0.1, "threshold: got -0.1"),
        ("good", float("nan"), "threshold: got nan"),
        ("good", "high", "threshold: got 'high'"),
    ],
)
def test_mistakes(artifact, label, threshold, said):
    with pytest.raises(ValueError, match=said):
        LabelFilter(artifact, label, threshold)


def test_a_column_that_is_not_there(artifact):
    with pytest.raises(ValueError, match=r"columns texts; expected 'text' \(did you mean 'texts'\?\); name the column"):
        LabelFilter(artifact, "good").keep({"texts": ["a"]})


def test_datatrove_is_not_needed(artifact):
    program = f"""
import sys
sys.modules["datatrove"] = sys.modules["torch"] = sys.modules["datasets"] = None
from textcnn import LabelFilter
class D: text, metadata = "a lovely film", {{}}
print(len(list(LabelFilter({str(artifact)!r}, "good", 0.0).run([D()]))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr[-2000:]


# datatrove leaves files that it has written to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("workers", [1, 2])
def test_in_datatrove(artifact, expected, tmp_path, workers):
    pytest.importorskip("datatrove")
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    probabilities, threshold = expected
    (tmp_path / "crawl").mkdir()
    for part in range(2):
        lines = [json.dumps({"text": TEXTS[i] or " ", "id": str(i)}) for i in range(part, len(TEXTS), 2)]
        (tmp_path / "crawl" / f"{part}.jsonl").write_text("\n".join(lines))
    dropped = JsonlWriter(str(tmp_path / "dropped"), compression=None)
    pipeline = [
        JsonlReader(str(tmp_path / "crawl")),
        LabelFilter(artifact, "bad", threshold, exclusion_writer=dropped),
        JsonlWriter(str(tmp_path / "kept"), compression=None),
    ]
    LocalPipelineExecutor(pipeline, tasks=2, workers=workers, logging_dir=str(tmp_path / "logs")).run()
    found = {}
    for name in ("kept", "dropped"):
        rows = [json.loads(line) for path in (tmp_path / name).glob("*.jsonl") for line in path.open()]
        found[name] = {int(row["id"]): row["metadata"]["probability_bad"] for row in rows}
    assert found["kept"].keys() == {i for i, p in enumerate(probabilities) if p >= threshold}
    assert found["dropped"].keys() == {i for i, p in enumerate(probabilities) if p < threshold}
    everything = found["kept"] | found["dropped"]
    np.testing.assert_allclose([everything[i] for i in range(len(TEXTS))], probabilities, atol=1e-6)


def documents(texts):
    return [Document(text, str(i)) for i, text in enumerate(texts)]


PARTS = "a lovely film.\n\nawful plot. dull acting!\nthat felt too long\n \n"


def test_labels_to_keep_and_to_remove(artifact, expected):
    classifier = textcnn.load(artifact)
    good, bad = classifier.predict_proba(TEXTS).T
    at_good, at_bad = float(np.quantile(good, 0.7)), float(np.quantile(bad, 0.8))
    keep = LabelFilter(artifact, keep_labels=[("good", at_good), ("bad", at_bad)])
    remove = LabelFilter(artifact, remove_labels=("bad", at_bad))
    annotate = LabelFilter(artifact)
    for step, wanted in (
        (keep, (good >= at_good) | (bad >= at_bad)),
        (remove, bad < at_bad),
        (annotate, np.full(len(TEXTS), True)),
    ):
        kept = list(pickle.loads(pickle.dumps(step)).run(documents(TEXTS)))
        assert [int(one.id) for one in kept] == np.flatnonzero(wanted).tolist()
        np.testing.assert_allclose([one.metadata["probability_good"] for one in kept], good[wanted], atol=1e-6)
        np.testing.assert_allclose([one.metadata["probability_bad"] for one in kept], bad[wanted], atol=1e-6)
        rows = Dataset.from_dict({"text": TEXTS})
        assert rows.filter(step.keep, batched=True)["text"][:] == [one.text for one in kept]
    quiet = list(LabelFilter(artifact, save_labels_in_metadata=False).run(documents(TEXTS[:2])))
    assert quiet[0].metadata == {}


@pytest.mark.parametrize("mode", ["PARAGRAPH", "SENTENCE"])
def test_parts_of_documents(artifact, mode):
    parts = {
        "PARAGRAPH": ["a lovely film.\n\n", "awful plot. dull acting!\n", "that felt too long\n \n"],
        "SENTENCE": ["a lovely film.\n\n", "awful plot. ", "dull acting!\n", "that felt too long\n", " \n"],
    }[mode]
    probabilities = textcnn.load(artifact).predict_proba(parts)[:, 1]
    threshold = float(np.sort(probabilities)[1])
    dropped = []

    class Writer:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def write(self, document, rank):
            dropped.append(document.text)

    step = LabelFilter(artifact, "bad", threshold, filter_mode=mode, exclusion_writer=Writer())
    (kept,) = step.run(documents([PARTS]))
    assert kept.text == "".join(part for part, p in zip(parts, probabilities, strict=True) if p >= threshold)
    assert kept.text != PARTS
    assert kept.metadata["probability_bad"] == pytest.approx(probabilities.mean(), abs=1e-6)
    none = LabelFilter(artifact, "bad", 1.0, filter_mode=mode, exclusion_writer=Writer())
    assert list(none.run(documents([PARTS, ""]))) == []
    assert dropped == [PARTS, ""]


def test_parts_joined_are_the_text():
    from hypothesis import given
    from hypothesis import strategies as st

    from textcnn.scoring.parts import parts_of

    @given(st.text(alphabet='ab.!?。"」) \n\t', max_size=40))
    def joined(text):
        for mode in ("DOCUMENT", "PARAGRAPH", "SENTENCE"):
            assert "".join(parts_of(text, mode)) == text

    joined()


@pytest.mark.parametrize("mode", ["DOCUMENT", "PARAGRAPH"])
def test_the_decisions_of_datatroves_own_filter(artifact, monkeypatch, mode):
    """datatrove's FastTextClassifierFilter with our model in the place of fastText's."""
    pytest.importorskip("datatrove")
    from datatrove.data import Document as Trove
    from datatrove.pipeline.filters import FastTextClassifierFilter

    classifier = textcnn.load(artifact)

    class Stand:
        def predict(self, text, k):
            best = classifier.predict_top_k([text], 2)[0]
            return [f"__label__{label}" for label, _ in best], np.array([p for _, p in best])

    monkeypatch.setattr(FastTextClassifierFilter, "model", Stand())
    monkeypatch.setattr(FastTextClassifierFilter, "_requires_dependencies", [])
    texts = [f"{one}\n\n{two}" for one, two in zip(TEXTS[:200], TEXTS[200:400], strict=True) if one and two]
    middle = float(np.median(classifier.predict_proba(texts)[:, 0]))
    for option in ("keep_labels", "remove_labels"):
        pairs = [("good", middle), ("bad", 0.9)]
        theirs = FastTextClassifierFilter("model", **{option: pairs}, filter_mode=mode, newline_replacement=" ")
        wanted = []
        for i, text in enumerate(texts):
            document = Trove(text=text, id=str(i))
            if theirs.filter(document):
                wanted.append((document.id, document.text, document.metadata["__label__good"]))
        step = LabelFilter(artifact, **{option: pairs}, filter_mode=mode)
        got = list(step.run([Trove(text=text, id=str(i)) for i, text in enumerate(texts)]))
        assert [(one.id, one.text) for one in got] == [(i, text) for i, text, _ in wanted]
        assert [one.metadata["probability_good"] for one in got] == pytest.approx([p for *_, p in wanted], abs=1e-5)
        assert 0 < len(got) < len(texts)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"label": "good", "keep_labels": ("bad", 0.5)}, "got label and keep_labels; expected one of them"),
        ({"keep_labels": [("goood", 0.5)]}, r"keep_labels: got 'goood'; .*did you mean 'good'"),
        ({"remove_labels": [("good", 1.5)]}, "remove_labels: good: got 1.5; expected a probability"),
        ({"remove_labels": ["good"]}, "got 'good'; expected a probability|expected pairs"),
        ({"filter_mode": "SENTENCES"}, r"filter_mode: got 'SENTENCES'; .*did you mean 'SENTENCE'"),
    ],
)
def test_mistakes_in_several_labels(artifact, settings, said):
    with pytest.raises(ValueError, match=said):
        LabelFilter(artifact, **settings)
