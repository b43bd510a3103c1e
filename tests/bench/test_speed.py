"""The speed benchmarks on a small model: what they compare is the same, and every figure is written."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from folded_models import flat, id_lists, make_model, write_artifact

import textcnn
from textcnn.bench import peers, processes, speed, timing, tokenizers, training
from textcnn.bench.figures import Figures
from textcnn.cli import main
from textcnn.core.library import instructions
from textcnn.folding.fold import fold
from textcnn.runtime.tokenizer import ReferenceTokenizer

TEXTS = [f"w{i % 40 + 2} w{i % 11 + 2} w{i % 7 + 2}" for i in range(300)]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", 0.001)
    monkeypatch.setattr(timing.per_call, "__defaults__", (0.001,))
    monkeypatch.setattr(processes.cold_start, "__defaults__", (1,))
    monkeypatch.setattr(processes.resident_memory, "__defaults__", ((1, 2),))


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    return write_artifact(tmp_path / "model")


def test_the_reference_computes_what_the_tables_hold() -> None:
    model = make_model()
    ids, offsets = flat([row for row in id_lists() if row])
    got = speed.conv1d_reference(model, ids, offsets)()
    np.testing.assert_allclose(got, fold(model).features_of_ids(ids, offsets), rtol=1e-4, atol=1e-4)
    with pytest.raises(RuntimeError, match="differ"):
        speed._check(got, got + 1)


def test_bench_speed(artifact: Path, tmp_path: Path) -> None:
    texts, output = str(tmp_path / "texts.txt"), tmp_path / "speed.json"
    arguments = [str(artifact), "--texts", texts, "--peers", "tfidf", "--unicode", texts, "--resident"]
    arguments += ["--instructions", "plain"]
    main(["bench", "speed", *arguments, "--output", str(output)])
    written = json.loads(output.read_text())
    assert written["machine"]["cores"] >= 1
    assert written["machine"]["instructions"] == "plain" != instructions()
    assert torch.__version__.startswith(written["versions"]["torch"].partition("+")[0])
    figures = written["figures"]
    assert {
        "pooled_float32_vs_conv1d", "pooled_int8_vs_conv1d", "tokenizer_vs_tokenizers", "label_vs_tfidf",
        "heads_cost", "heads_cost_int8",
        "threads_2_vs_1", "single_text_microseconds", "cost_growth", "cold_start_vs_import_torch", "resident_mb",
        "resident_growth_mb",
    } <= figures.keys()  # fmt: skip
    for figure in figures.values():
        assert np.isfinite(figure["value"])
    # What this process holds does not count: a child that only scores needs a fraction of torch's memory.
    assert 20 < figures["resident_mb"]["value"] < 400
    ratio = figures["label_vs_tfidf"]
    assert ratio["value"] == pytest.approx(ratio["ours"] / ratio["theirs"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--peers", "fasttxt"], "fasttxt"),
        (["--peers", "transformers"], "--transformer"),
        (["--instructions", "avx9"], "avx9, which this machine or this build lacks; expected one of"),
    ],
)
def test_mistakes(artifact: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["bench", "speed", str(artifact), "--texts", "x.txt", *arguments])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_peer_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"textcnn\[bench\]"):
        peers.import_peer("no_such_peer")


class OtherTokenizer:
    """A tokenizer of another library: the ids of this one's reference, or others."""

    shift = 0

    def __init__(self, text: str) -> None:
        self.reference = ReferenceTokenizer(text)

    @classmethod
    def from_json(cls, data: str) -> OtherTokenizer:
        return cls(data if data.startswith("{") else Path(data).read_text(encoding="utf-8"))

    def encode_batch_flat(self, texts: list[str], add_special_tokens: bool) -> tuple[np.ndarray, np.ndarray]:
        ids, offsets = self.reference.encode_batch(texts)
        return ids + self.shift, np.diff(offsets)

    def encode_batch(self, texts: list[str], parallel: bool) -> list[np.ndarray]:
        ids, offsets = self.reference.encode_batch(texts)
        return np.split(ids + self.shift, offsets[1:-1])


def test_other_tokenizers_are_timed_where_their_ids_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tokie", "gigatoken"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(Tokenizer=OtherTokenizer))
    figures = Figures()
    tokenizers.measure_tokenizers(figures, TEXTS, ["fasttext", "tokie", "gigatoken"])
    assert set(figures) == {"wordpiece_vs_tokie", "bpe_vs_gigatoken"}
    monkeypatch.setattr(OtherTokenizer, "shift", 1)
    for name in ("tokie", "gigatoken"):
        with pytest.raises(RuntimeError, match="other ids"):
            tokenizers.measure_tokenizers(Figures(), TEXTS, [name])


@pytest.mark.skipif(importlib.util.find_spec("fasttext") is None, reason="fasttext is an extra")
def test_fasttext_labels_texts() -> None:
    peer = peers.fasttext_peer(["good film", "bad film"] * 50, ["a b", "c"] * 50)
    labels = [label[0] for label in peer(["good", "bad\nfilm"])[1]]
    assert len(labels) == 2


def test_paired_gives_the_time_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {"ours": 0, "theirs": 0}
    clock = 0.0

    def count(name: str) -> None:
        nonlocal clock
        calls[name] += 1
        # The first call of each is slow, as with cold caches, and does not count.
        clock += (0.05 if name == "theirs" else 0.01) * (100 if calls[name] == 1 else 1)

    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock)
    ours, theirs = timing.paired(lambda: count("ours"), lambda: count("theirs"), rounds=3)
    assert (ours, theirs) == pytest.approx((0.01, 0.05))
    assert calls == {"ours": 1 + 3, "theirs": 1 + 3}
    assert timing.per_call(lambda: count("ours"), seconds=0.195) == pytest.approx(0.01)
    assert calls["ours"] == 1 + 3 + 20


def test_a_training_step_does_what_conv1d_does() -> None:
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 40, size=length) for length in (3, 9, 1, 30)]
    step = training.Step(texts, 40)
    torch.testing.assert_close(step.ours(), step.theirs(), rtol=1e-4, atol=1e-4)
    step._done = lambda features: features  # type: ignore[method-assign]
    gradients = []
    for run in (step.ours, step.theirs):
        run()
        parameters = [*step.embedding.parameters(), *step.convolution.parameters()]
        gradients.append([p.grad.to_dense() if p.grad.is_sparse else p.grad for p in parameters])
        for parameter in parameters:
            parameter.grad = None
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_bench_train(reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "synthetic", lambda count, length: [np.ones(length, np.int64)] * 2)
    monkeypatch.setattr(training, "MEMORY", "print(3.0)")
    monkeypatch.setattr(peers, "fasttext_best", lambda path, label_column: (2.0, 0.75))
    data, output = tmp_path / "data", tmp_path / "train.json"
    data.mkdir()
    for split in ("train", "test"):
        (data / f"{split}.csv").write_text(reviews.read_text())
    main(["bench", "train", str(data), "--peers", "fasttext", "--output", str(output)])
    figures = json.loads(output.read_text())["figures"]
    assert {"step_sorted_256", "step_unsorted_256", "step_sorted_50", "memory_512", "cost_growth", "fit_vs_op"} <= set(
        figures
    )
    assert figures["fit_vs_fasttext"]["theirs"] == 2
    assert figures["fit_vs_fasttext"]["accuracy"] > figures["fit_vs_fasttext"]["their_accuracy"]


def test_bench_int8(reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"num_filters": 16, "max_epochs": 3, "learning_rate": 3e-3, "log_every_n_steps": 1}
    textcnn.train(str(reviews), tmp_path / "run", progress=False, **options)
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.csv").write_text(reviews.read_text())
    output = tmp_path / "int8.json"
    main(["bench", "int8", str(tmp_path / "run"), "--data", str(folder), "--output", str(output)])
    figures = json.loads(output.read_text())["figures"]
    assert 0.9 < figures["label_agreement"]["value"] <= 1
    assert 0 < figures["max_probability_difference"]["value"] < 0.2
    difference = figures["accuracy_difference"]
    assert difference["value"] == pytest.approx(difference["ours"] - difference["theirs"])


def test_figures_print_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    Figures().add("key", "what", 2.5, "x", 1000, 400, "texts/s")
    assert capsys.readouterr().out.split() == ["key", "2.5", "x", "1,000", "against", "400", "texts/s"]
