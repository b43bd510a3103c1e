"""Every file of an artifact, cut short or with a bit flipped: an error, a warning, or the answers as before."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fault_ledger import Ledger
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import textcnn
from textcnn.artifact import read_artifact, save_artifact, write_calibration
from textcnn.core.library import library
from textcnn.loading import TorchClassifier
from textcnn.runtime import FoldedTextCNN
from textcnn.runtime.checks import check_config
from textcnn.runtime.storage import digest_of_weights, read_tensors, write_tensors

TEXTS = ["w3 w4 w5 w6", "", "w7", "odd w2 w49 w3 w3", " ".join(f"w{i}" for i in range(2, 50))]
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "folded.safetensors")
Answer = tuple[list[str], NDArray[Any]]


def from_tables(directory: Path) -> Answer:
    classifier = FoldedTextCNN.load(directory)
    return classifier.labels, classifier.predict_proba(TEXTS)


def from_torch(directory: Path) -> Answer:
    classifier = TorchClassifier(*read_artifact(directory))
    return classifier.labels, classifier.predict_proba(TEXTS)


def from_c(directory: Path) -> Answer:
    core = ctypes.CDLL(library()._name)
    core.textcnn_open.restype = ctypes.c_void_p
    core.textcnn_classes.restype = core.textcnn_classify.restype = ctypes.c_int64
    core.textcnn_label.restype = ctypes.c_char_p
    core.textcnn_classes.argtypes = core.textcnn_close.argtypes = (ctypes.c_void_p,)
    core.textcnn_label.argtypes = (ctypes.c_void_p, ctypes.c_int64)
    core.textcnn_classify.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p)
    model = core.textcnn_open(str(directory).encode())
    if not model:
        raise ValueError("the C interface refused it")
    try:
        classes = core.textcnn_classes(model)
        probabilities = np.zeros((len(TEXTS), classes), np.float32)
        for row, text in zip(probabilities, TEXTS, strict=True):
            assert core.textcnn_classify(model, text.encode(), len(text.encode()), row.ctypes.data) >= 0
        return [core.textcnn_label(model, i).decode() for i in range(classes)], probabilities
    finally:
        core.textcnn_close(model)


INTERFACES: dict[str, Callable[[Path], Answer]] = {"tables": from_tables, "torch": from_torch, "C": from_c}


@pytest.fixture(scope="module")
def folded(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("folded") / "model"
    shutil.copytree(artifact, directory)
    textcnn.load(directory)
    return directory


def outcome(directory: Path, interface: Callable[[Path], Answer], before: Answer) -> str:
    """Outcomes of opening a damaged artifact through one interface; any other is a failure."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            labels, probabilities = interface(directory)
        except (ValueError, OSError) as error:
            return "a bare word" if not str(error) or isinstance(error, UnicodeDecodeError) else "refused"
    if labels == before[0] and np.array_equal(probabilities, before[1]):
        return "same answers"
    if any("changed after it was written" in str(warning.message) for warning in said):
        return "warned"
    return "wrong"


@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_damage_is_found(
    kind: str, folded: Path, tmp_path: Path, count: Callable[[int, int], int], rng: np.random.Generator, ledger: Ledger
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    before = {name: interface(folded) for name, interface in INTERFACES.items()}
    for name in FILES:
        path, content = directory / name, (folded / name).read_bytes()
        found: dict[str, int] = {}
        times = count(12, 300) if kind == "flipped" else count(8, 200)
        for _ in range(times):
            if kind == "flipped":
                damaged = bytearray(content)
                damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            else:
                damaged = bytearray(content[: rng.integers(len(content))])
            path.write_bytes(damaged)
            for interface_name, interface in INTERFACES.items():
                result = outcome(directory, interface, before[interface_name])
                # C has no warnings: it takes the names of labels and the temperature as they are.
                if result == "wrong" and interface_name == "C" and name == "config.json" and kind == "flipped":
                    result = "C: an edited label or temperature"
                    with warnings.catch_warnings(record=True) as said:
                        warnings.simplefilter("always")
                        FoldedTextCNN.load(directory)
                    assert said, "what C takes in silence, Python warns of"
                assert result not in ("wrong", "a bare word"), f"{interface_name}, {name}"
                found[result] = found.get(result, 0) + 1
        path.write_bytes(content)
        told = ", ".join(f"{number:,} {result}" for result, number in sorted(found.items()))
        how = "with one bit flipped" if kind == "flipped" else "cut short"
        ledger.note(f"`{name}` {how}, opened from tables, torch and C", times * len(INTERFACES), told)


def test_weights_beside_tables_of_other_weights(folded: Path, tmp_path: Path) -> None:
    """Also where transformers wrote them, whose config.json has no digests."""
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    model, tokenizer = read_artifact(directory)
    with torch.no_grad():
        model.head.weight.add_(1)
    model.save_pretrained(directory)
    assert "digests" not in json.loads((directory / "config.json").read_text())
    with pytest.raises(
        ValueError, match=r"model\.safetensors: got the digest .* made from other weights: run `textcnn fo"
    ):
        textcnn.load(directory)
    textcnn.fold(directory)
    wanted = TorchClassifier(model, tokenizer).predict_proba(TEXTS)
    np.testing.assert_allclose(textcnn.load(directory).predict_proba(TEXTS), wanted, atol=1e-5)
    # A copy of the tables without the weights, as a server has it, opens.
    (directory / "model.safetensors").unlink()
    np.testing.assert_allclose(textcnn.load(directory).predict_proba(TEXTS), wanted, atol=1e-5)


def test_the_digest_of_weights_is_that_of_their_file(artifact: Path, tmp_path: Path) -> None:
    textcnn.load(artifact)
    _, metadata = read_tensors(artifact / "folded.safetensors")
    assert metadata["weights"] == digest_of_weights(artifact / "model.safetensors")
    # It does not depend on the order in the file or on its metadata, and it does on each value and name.
    weights = load_file(artifact / "model.safetensors")
    save_file(dict(reversed(weights.items())), tmp_path / "again.safetensors", {"a": "b"})
    assert digest_of_weights(tmp_path / "again.safetensors") == metadata["weights"]
    with safe_open(artifact / "model.safetensors", "pt") as file:
        first = sorted(file.keys())[0]
    renamed = {("z" + name if name == first else name): tensor for name, tensor in weights.items()}
    save_file(renamed, tmp_path / "again.safetensors")
    assert digest_of_weights(tmp_path / "again.safetensors") != metadata["weights"]
    weights[first].view(-1)[0] += 1
    save_file(weights, tmp_path / "again.safetensors")
    assert digest_of_weights(tmp_path / "again.safetensors") != metadata["weights"]


def test_an_artifact_without_digests_opens(folded: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    tensors, metadata = read_tensors(directory / "folded.safetensors")
    config = json.loads((directory / "config.json").read_text())
    before = {name: interface(directory) for name, interface in INTERFACES.items()}
    del config["digests"]
    (directory / "config.json").write_text(json.dumps(config))
    old = {name: value for name, value in metadata.items() if name not in ("digest", "weights")}
    safetensors_of(directory / "folded.safetensors", tensors, old)
    for name, interface in INTERFACES.items():
        assert outcome(directory, interface, before[name]) == "same answers", name
    assert "weights" not in read_tensors(directory / "folded.safetensors")[1]


def safetensors_of(path: Path, tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    """As an earlier version wrote it."""
    from safetensors.numpy import save_file as save_arrays

    save_arrays({name: np.array(tensor) for name, tensor in tensors.items()}, path, metadata)


def test_a_large_file_is_read_once_on_a_machine(folded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again when its size, its time or its inode changed."""
    from textcnn.runtime import digests

    directory, home = tmp_path / "model", tmp_path / "cache"
    shutil.copytree(folded, directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setattr(digests, "LARGE", 100)
    read: list[str] = []
    plain = digests._compare
    monkeypatch.setattr(digests, "_compare", lambda path, *arguments: read.append(path.name) or plain(path, *arguments))

    def names() -> set[str]:
        read.clear()
        FoldedTextCNN.load(directory)
        return set(read)

    large = {"folded.safetensors", "model.safetensors", "tokenizer.json"}
    assert names() >= large
    assert len(list((home / "textcnn" / "verified").iterdir())) == 3
    assert not names() & large
    os.utime(directory / "tokenizer.json", (1, 1))
    assert names() & large == {"tokenizer.json"}
    content = bytearray((directory / "folded.safetensors").read_bytes())
    content[-9] ^= 16
    (directory / "folded.safetensors").write_bytes(content)
    for _ in range(2):  # what failed is not noted as verified
        with pytest.raises(ValueError, match=r"folded\.safetensors: got the digest"):
            FoldedTextCNN.load(directory)
    (directory / "folded.safetensors").write_bytes((folded / "folded.safetensors").read_bytes())
    # A damaged note, and no place for one.
    for note in (home / "textcnn" / "verified").iterdir():
        note.write_bytes(b"\xff")
    assert names() >= large
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    assert names() >= large
    assert names() >= large


def test_calibration_keeps_the_digests_true(folded: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    write_calibration(directory, temperature=2.0, thresholds={"a": 0.7})
    for interface in INTERFACES.values():  # a warning is an error here
        interface(directory)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"id2label": {"0": "x", "1": "b", "2": "c"}, "thresholds": None}))
    with pytest.warns(UserWarning, match="changed after it was written; if nobody edited it"):
        assert FoldedTextCNN.load(directory).labels == ["x", "b", "c"]
    # The edit is accepted: its digest is no longer there.
    del config["digests"]["labels"]
    path.write_text(json.dumps(config))
    FoldedTextCNN.load(directory)
    path.write_text(json.dumps(config | {"dropout": 0.3}))
    with pytest.raises(ValueError, match="got other settings of the network than when it was written"):
        read_artifact(directory)


NAN = float("nan")
BAD_SETTINGS: dict[str, dict[str, Any]] = {
    "kernel_sizes": {"kernel_sizes": [-3, 4, 5]}, "kernel_sizes of 0": {"kernel_sizes": [0]},
    "dilation": {"dilation": 0}, "dilation below": {"dilation": -1}, "dilation true": {"dilation": True},
    "stride": {"stride": 0}, "stride of text": {"stride": "1"}, "num_filters": {"num_filters": -4},
    "num_filters list": {"num_filters": [4, 4]}, "num_members": {"num_members": 0}, "padding": {"padding": "wode"},
    "activation": {"activation": "gelu"}, "temperature 0": {"temperature": 0}, "temperature -1": {"temperature": -1},
    "temperature NaN": {"temperature": NAN}, "temperature inf": {"temperature": float("inf")},
    "temperature text": {"temperature": "1"}, "threshold": {"thresholds": {"a": 2}},
    "threshold NaN": {"thresholds": {"a": NAN}}, "threshold label": {"thresholds": {"d": 0.5}},
    "abstention": {"abstention": {"score": "energy"}},
    "abstention NaN": {"abstention": {"score": "energy", "threshold": NAN}},
    "abstention score": {"abstention": {"score": "enrgy", "threshold": 1}}, "problem_type": {"problem_type": "sinfle"},
    "id2label": {"id2label": {"0": "a", "2": "b", "3": "c"}},
    "labels twice": {"id2label": {"0": "a", "1": "a", "2": "c"}},
    "no labels": {"id2label": None}, "half a surrogate": {"id2label": {"0": "\ud800", "1": "b", "2": "c"}},
    "pad_token_id": {"pad_token_id": 50}, "vocab_size": {"vocab_size": -1}, "layer_norm_eps": {"layer_norm_eps": -1.0},
}  # fmt: skip


# The C interface gives probabilities: it decides nothing, and takes names of labels as they are.
UNUSED_IN_C = {"threshold", "threshold NaN", "threshold label", "abstention", "abstention NaN", "abstention score",
               "problem_type", "labels twice"}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_settings_that_cannot_be_are_refused_by_every_interface(
    name: str, folded: Path, tmp_path: Path, ledger: Ledger
) -> None:
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    del config["digests"]  # somebody who means it
    path.write_text(json.dumps(config | BAD_SETTINGS[name]))
    for interface in (from_tables, from_torch):
        with pytest.raises(ValueError, match=r"got .*"):
            interface(directory)
    with pytest.raises(ValueError, match="; expected"):
        check_config(config | BAD_SETTINGS[name])
    if name in UNUSED_IN_C:
        assert np.isfinite(from_c(directory)[1]).all()
    elif name != "half a surrogate":  # C hands out the bytes of a label
        with pytest.raises(ValueError, match="refused"):
            from_c(directory)
        ledger.add("a setting that cannot be, of those that C uses, opened from C", 1, "refused")
    ledger.add("a setting that cannot be, in `config.json` without digests, opened from tables and torch", 2, "refused")


def test_missing_keys_are_named(folded: Path, tmp_path: Path, ledger: Ledger) -> None:
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    del config["digests"]
    before = {name: interface(directory) for name, interface in INTERFACES.items()}
    results: dict[str, int] = {}
    for key in config:
        path.write_text(json.dumps({name: value for name, value in config.items() if name != key}))
        for interface_name, interface in INTERFACES.items():
            result = outcome(directory, interface, before[interface_name])
            assert result != "wrong", (key, interface_name)
            results[result] = results.get(result, 0) + 1
    assert results["refused"] >= 3
    told = ", ".join(f"{number:,} {result}" for result, number in sorted(results.items()))
    ledger.note("`config.json` without one of its keys, opened from tables, torch and C", len(config) * 3, told)


def crafted(name: str, tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Tensors with one of them as no fold would write it, and a digest that is right."""
    rows = len(tensors["table"])
    row_of_id = tensors["row_of_id"].copy()
    row_of_id[7] = {"beyond": rows, "far beyond": 2**31 - 1, "below": -2, "far below": -(2**31)}.get(name, row_of_id[7])
    bad = {
        "no rows": {"table": tensors["table"][:0]},
        "int8 scale": {"scale": tensors["scale"].astype(np.int8)},
        "narrow": {"table": tensors["table"][:, :-1].copy()},
        "short ids": {"row_of_id": tensors["row_of_id"][:-1].copy()},
        "long ids": {"row_of_id": np.append(tensors["row_of_id"], np.int32(0))},
        "wide ids": {"row_of_id": row_of_id.astype(np.int64)},
        "NaN bias": {"bias": tensors["bias"] * np.float32(np.nan)},
        "inf head": {"head_weight": tensors["head_weight"] + np.float32(np.inf)},
        "half table": {"table": tensors["table"].astype(np.float16)},
        "classes": {"head_bias": tensors["head_bias"][:-1].copy()},
    }
    return {**tensors, **bad.get(name, {"row_of_id": row_of_id})}


CRAFTED = ("beyond", "far beyond", "below", "far below", "no rows", "int8 scale", "narrow", "short ids", "long ids",
           "wide ids", "NaN bias", "inf head", "half table", "classes")  # fmt: skip


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_tables_are_refused(name: str, folded: Path, tmp_path: Path, ledger: Ledger) -> None:
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    tensors, metadata = read_tensors(folded / "folded.safetensors")
    write_tensors(directory / "folded.safetensors", crafted(name, dict(tensors)), metadata)
    for interface in (from_tables, from_c):
        with pytest.raises(ValueError, match=r"fold the model again|refused"):
            interface(directory)
    ledger.add("tables with a row, size or type that no fold writes, with a digest that is right", 2, "refused")


@pytest.mark.parametrize("ids", [[50], [2**31 - 1], [-1], [3, 4, -(2**31)]])
def test_token_ids_beyond_the_vocabulary_are_refused(ids: list[int], folded: Path) -> None:
    classifier = FoldedTextCNN.load(folded)
    offsets = np.array([0, len(ids)], np.int64)
    for call in (classifier.logits_of_ids, classifier.features_of_ids):
        with pytest.raises(ValueError, match=r"ids: got token id .*; expected 0 to 49"):
            call(np.array(ids, np.int32), offsets)
    for wrong in ([0, 5], [1, len(ids)], [0, -1, len(ids)]):
        with pytest.raises(ValueError, match="offsets: got"):
            classifier.logits_of_ids(np.array(ids, np.int32) * 0, np.array(wrong, np.int64))


def test_bytes_that_are_no_text(folded: Path, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(folded, directory)
    for name in ("tokenizer.json", "config.json"):
        content = (folded / name).read_bytes()
        (directory / name).write_bytes(content[:100] + b"\xff" + content[100:])
        with pytest.raises(ValueError, match=rf"{name}.*(no UTF-8|digest)"):
            FoldedTextCNN.load(directory)
        (directory / name).write_bytes(b"[" * 100_000)
        with pytest.raises(ValueError, match=name):
            FoldedTextCNN.load(directory)
        (directory / name).write_bytes(content)


def test_weights_that_are_not_finite_are_never_saved(artifact: Path, tmp_path: Path) -> None:
    model, tokenizer = read_artifact(artifact)
    with torch.no_grad():
        model.head.bias[1] = float("nan")
    with pytest.raises(ValueError, match=r"head\.bias: got 1 of 3 weights that are not finite"):
        save_artifact(model, tokenizer, tmp_path / "model")
    assert not (tmp_path / "model").exists()
