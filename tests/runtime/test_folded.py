"""FoldedTextCNN: what it answers, what it refuses, and that it stays the same in threads, forks and long texts."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from folded_models import VOCAB_SIZE, make_model, reference_logits, word_tokenizer
from numpy.testing import assert_allclose

from textcnn.artifact import write_calibration
from textcnn.folding.fold import fold
from textcnn.runtime import FoldedTextCNN
from textcnn.runtime.classifier import TextClassifier
from textcnn.runtime.storage import read_tensors, write_tensors

TEXTS = ["w2 w3 w4", "", "w5", "unheard of", "w9 " * 30, "[PAD] w4 [PAD] w5", "  w6\tw7\n"]


def folded_model(**changes: object) -> FoldedTextCNN:
    return fold(make_model(**changes), word_tokenizer())


def test_answers_are_those_of_the_model() -> None:
    model = make_model(temperature=1.5)
    folded = fold(model, word_tokenizer())
    ids = [word_tokenizer().encode(text).ids for text in TEXTS]
    wanted = np.array([reference_logits(model, row) for row in ids])
    assert_allclose(folded.logits(TEXTS), wanted, rtol=1e-5, atol=1e-4)
    probabilities = torch.from_numpy(wanted).softmax(dim=1).numpy()
    assert_allclose(folded.predict_proba(TEXTS), probabilities, atol=1e-5)
    assert folded.predict(TEXTS).tolist() == ["abc"[i] for i in wanted.argmax(axis=1)]
    assert folded.labels == ["a", "b", "c"]
    top = folded.predict_top_k(TEXTS, k=2)
    assert [[label for label, _ in pairs] for pairs in top] == [
        ["abc"[i] for i in row] for row in np.argsort(-wanted, axis=1)[:, :2]
    ]
    assert isinstance(folded, TextClassifier)


def test_multi_label_answers_are_lists_by_threshold() -> None:
    folded = folded_model(problem_type="multi_label_classification", thresholds={"b": 0.0, "c": 1.0})
    probabilities = folded.predict_proba(TEXTS)
    assert_allclose(probabilities, torch.from_numpy(folded.logits(TEXTS)).sigmoid().numpy(), atol=1e-6)
    for labels, row in zip(folded.predict(TEXTS), probabilities, strict=True):
        assert sorted(labels) == (["a", "b"] if row[0] >= 0.5 else ["b"])


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, lambda texts: (text for text in texts)])
def test_any_iterable_of_strings(kind: object) -> None:
    folded = folded_model()
    assert (folded.logits(kind(TEXTS)) == folded.logits(TEXTS)).all()  # type: ignore[operator]
    assert folded.logits(kind([])).shape == (0, 3)  # type: ignore[operator]
    assert folded.features([]).shape == (0, 12)


def test_one_text_and_many_get_the_same_answer() -> None:
    folded = folded_model()
    texts = [f"w{i % VOCAB_SIZE} w{i % 7} w3" for i in range(3000)]
    together = folded.logits(texts)
    assert (together == np.concatenate([folded.logits([text]) for text in texts])).all()
    # Batches are cut by characters too.
    long_texts = ["w4 w8 " * 40_000, "w2", "w3 " * 100_000, "w5"] * 2
    assert (folded.logits(long_texts)[:4] == np.concatenate([folded.logits([t]) for t in long_texts[:4]])).all()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("w2", r"got one str; expected an iterable of strings; write \[text\]"),
        (b"w2", "got one bytes"),
        ([b"w2"], r"got b'w2' \(bytes\) at position 0; expected a string"),
        (["w2", None], r"got None \(NoneType\) at position 1"),
        (["w2"] * 600 + [3.5], r"got 3.5 \(float\) at position 600"),
        (7, "not iterable"),
    ],
)
def test_what_is_no_iterable_of_strings_is_refused(texts: object, message: str) -> None:
    folded = folded_model()
    for method in (folded.logits, folded.predict, folded.predict_proba, folded.predict_top_k):
        with pytest.raises(TypeError, match=message):
            method(texts)  # type: ignore[arg-type]


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        folded_model().predict(["\ud800"])


def test_threads_give_the_same_answers() -> None:
    folded = folded_model(stride=2)
    texts = [f"w{i % VOCAB_SIZE} w{i % 11} odd w3" for i in range(5000)]
    wanted = folded.logits(texts)
    folded.threads = 3
    assert folded.threads == 3
    assert (folded.logits(texts) == wanted).all()
    # Many callers of one object, each with threads of its own.
    with ThreadPoolExecutor(6) as pool:
        for logits in pool.map(folded.logits, [texts] * 12):
            assert (logits == wanted).all()
    for threads in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="threads: got"):
            folded.threads = threads  # type: ignore[assignment]


_shared: FoldedTextCNN


def _in_child(texts: list[str]) -> list[list[float]]:
    return _shared.logits(texts).tolist()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.timeout(60)
def test_a_forked_child_answers() -> None:
    global _shared
    _shared = folded_model()
    _shared.threads = 2
    texts = [f"w{i % VOCAB_SIZE} w3" for i in range(1500)]
    wanted = _shared.logits(texts)  # the parent's threads run now, and the child has none of them
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for logits in pool.map(_in_child, [texts] * 2):
            assert logits == wanted.tolist()


def test_it_can_be_pickled_for_workers() -> None:
    folded = folded_model()
    again = pickle.loads(pickle.dumps(folded))
    assert (again.logits(TEXTS) == folded.logits(TEXTS)).all()


@pytest.mark.parametrize("int8", [False, True])
def test_save_and_load(tmp_path: Path, int8: bool) -> None:
    folded = fold(make_model(pooled_norm=True), word_tokenizer(), int8=int8, texts=TEXTS)
    folded.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "folded.safetensors", "tokenizer.json"]
    again = FoldedTextCNN.load(tmp_path)
    assert (again.logits(TEXTS) == folded.logits(TEXTS)).all()
    assert again.is_int8 is int8
    assert folded.metadata.items() <= again.metadata.items()
    # The tables are views of the file, at a cache line, and the format is that of the safetensors library.
    table = again.tensors["table"]
    assert isinstance(_root(table), np.memmap)
    assert table.ctypes.data % 64 == 0
    library = safetensors.numpy.load_file(tmp_path / "folded.safetensors")
    assert library.keys() == folded.tensors.keys()
    assert all((library[name] == folded.tensors[name]).all() for name in library)


def _root(array: np.ndarray) -> object:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def test_tables_of_before_there_were_members_open(tmp_path: Path) -> None:
    folded_model().save(tmp_path)
    path = tmp_path / "folded.safetensors"
    tensors, metadata = read_tensors(path)
    tensors = {name: tensor.copy() for name, tensor in tensors.items()}
    config = json.loads(metadata["config"])
    del config["num_members"]
    write_tensors(path, tensors, metadata | {"config": json.dumps(config)})
    assert (FoldedTextCNN.load(tmp_path).logits(TEXTS) == folded_model().logits(TEXTS)).all()


def test_calibration_after_folding_counts(tmp_path: Path) -> None:
    folded_model().save(tmp_path)
    write_calibration(tmp_path, temperature=4.0)
    assert_allclose(FoldedTextCNN.load(tmp_path).logits(TEXTS), folded_model().logits(TEXTS) / 4, rtol=1e-5)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    folded_model().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["digests"]  # which would find each of these

    def check(error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            FoldedTextCNN.load(tmp_path)

    (tmp_path / "config.json").write_text(json.dumps(config | {"stride": 3}))
    check(ValueError, "folded from another model than config.json describes; delete it, and textcnn.load")
    (tmp_path / "config.json").write_text("{")
    check(ValueError, r"config\.json is no JSON")
    (tmp_path / "config.json").write_text(json.dumps(config))
    tokenizer = (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(word_tokenizer(60).to_str())
    check(ValueError, "tokenizer: got 60 tokens; expected at most the model's 50")
    (tmp_path / "tokenizer.json").write_text(tokenizer)
    content = (tmp_path / "folded.safetensors").read_bytes()
    for size in (0, 5, 60, len(content) // 2):
        (tmp_path / "folded.safetensors").write_bytes(content[:size])
        check(ValueError, r"folded\.safetensors")
    safetensors.numpy.save_file({"a": np.zeros(3, np.float32)}, tmp_path / "folded.safetensors")
    check(ValueError, "got format None; expected 'textcnn-folded-2'")
    (tmp_path / "folded.safetensors").unlink()
    check(FileNotFoundError, r"has no folded\.safetensors.*textcnn\.load")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folded_model().save(tmp_path)
    before = (tmp_path / "folded.safetensors").read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        folded_model(stride=2).save(tmp_path)
    assert (tmp_path / "folded.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_without_a_tokenizer_only_ids_are_answered(tmp_path: Path) -> None:
    folded = fold(make_model())
    with pytest.raises(ValueError, match="folded without a tokenizer"):
        folded.predict(["w2"])
    with pytest.raises(ValueError, match="without a tokenizer"):
        folded.save(tmp_path)


def _run(code: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, check=True
    ).stdout


def test_the_runtime_imports_no_training_stack(tmp_path: Path) -> None:
    folded_model().save(tmp_path)
    code = """
import sys
import textcnn.runtime
model = textcnn.runtime.FoldedTextCNN.load(sys.argv[1])
model.predict(["w2 w3"]), model.predict_proba(["w2 w3"])
names = "torch transformers lightning datasets sklearn pandas pyarrow tokenizers".split()
print([name for name in names if name in sys.modules])
"""
    assert _run(code, str(tmp_path)).strip() == "[]"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of a process from /proc")
def test_long_texts_need_little_memory(tmp_path: Path) -> None:
    folded_model().save(tmp_path)
    code = """
import re, sys
from pathlib import Path
from textcnn.runtime import FoldedTextCNN

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

model = FoldedTextCNN.load(sys.argv[1])
model.predict(["w2 w3 " * 200_000])
texts = ["w2 w3 " * 5_000_000]
before = peak()
model.predict(texts)
print(peak() - before)
"""
    # 30 MB of text, 10 million tokens: not even the text is copied as a whole.
    assert int(_run(code, str(tmp_path))) < 10


def test_long_texts_are_answered_as_any_other() -> None:
    folded = folded_model(dilation=2, kernel_sizes=[2, 5])
    rng = np.random.default_rng(0)
    text = " ".join(f"w{i}" for i in rng.integers(0, VOCAB_SIZE + 5, 150_000))
    ids, offsets = folded.tokenizer.encode_batch([text])
    assert (folded.logits([text]) == folded.logits_of_ids(ids, offsets)).all()
