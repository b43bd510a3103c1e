"""Encoders, models that do not fold, ONNX files, converted models: damaged, they are refused or answer as before."""

from __future__ import annotations

import copy
import json
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fasttext_models import make_file
from fault_ledger import Ledger
from folded_models import make_model, word_tokenizer
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import read_artifact, save_artifact
from textcnn.exporting.onnx import export_onnx
from textcnn.folding.fasttext import read_fasttext
from textcnn.folding.fasttext_writer import write_fasttext
from textcnn.model import TextCNNConfig, TextCNNForTextEncoding
from textcnn.runtime.onnx import OnnxClassifier
from textcnn.runtime.storage import read_tensors

TEXTS = ["w3 w4 w5 w6", "", "w7", "odd w2 w49 w3 w3", " ".join(f"w{i}" for i in range(2, 50))]
HEADS = [
    {"name": "topic", "problem_type": "single_label_classification", "labels": ["x", "y"]},
    {"name": "tags", "problem_type": "multi_label_classification", "labels": ["p", "q"]},
]
LEVELS = {"name": "stars", "problem_type": "ordinal", "labels": ["x", "y", "z"], "cut_points": [-1.0, 1.0]}
KINDS: dict[str, dict[str, Any]] = {
    "experts": {"num_experts": 3, "experts_per_text": 2},
    "segments": {"pooling": "segments", "pooling_segments": 3},
    "maxima and means": {"pooling": "max_mean"},
    "bag": {"bag": "mean", "bag_buckets": 64},
    "bag alone": {"bag": "sqrtn", "bag_buckets": 64, "kernel_sizes": []},
    "heads": {"heads": HEADS},
    "heads of levels": {"heads": [LEVELS, HEADS[1]]},
    "ordered levels": {"problem_type": "ordinal", "cut_points": [-1.0, 1.0]},
    "dilated": {"backbone": "dilated"},
}


def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")


def write_kind(kind: str, directory: Path) -> Path:
    """Write a model of a kind, with its tables or its ONNX file."""
    if kind == "converted":
        write_fasttext(make_file(ngrams=2, minn=2, maxn=3, kind="pruned"), directory.with_suffix(".ftz"))
        textcnn.convert(directory.with_suffix(".ftz"), output=directory)
    elif kind == "encoder":
        torch.manual_seed(0)
        model = TextCNNForTextEncoding(TextCNNConfig(vocab_size=50, embedding_dim=6, num_filters=4, encoding_dim=5))
        save_artifact(model.eval(), tokenizer(), directory)
    else:
        save_artifact(make_model(**KINDS[kind.removesuffix(", ONNX")]), tokenizer(), directory)
    if kind.endswith("ONNX"):
        export_onnx(*read_artifact(directory), directory / "model.onnx")
    textcnn.load(directory)
    return directory


def answers(directory: Path) -> list[NDArray[Any]]:
    model = textcnn.load(directory)
    if hasattr(model, "encode") and hasattr(model, "dimensions"):
        return [model.encode(TEXTS)]
    return [each.predict_proba(TEXTS) for each in (model.heads.values() if hasattr(model, "heads") else [model])]


def outcome(directory: Path, before: list[NDArray[Any]]) -> str:
    """Outcomes of opening a damaged model; another exception than these two is a failure."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = answers(directory)
        except (ValueError, OSError) as error:
            return "refused" if str(error) else "a bare word"
    if len(found) == len(before) and all(map(np.array_equal, found, before)):
        return "the same answers"
    return "warned" if any("changed after it was written" in str(warning.message) for warning in said) else "wrong"


@pytest.mark.parametrize("kind", ["encoder", "converted", "dilated, ONNX", *KINDS])
def test_damage_is_found(
    kind: str, tmp_path: Path, count: Callable[[int, int], int], rng: np.random.Generator, ledger: Ledger
) -> None:
    if kind.endswith("ONNX"):
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    directory = write_kind(kind, tmp_path / "model")
    before = answers(directory)
    found: dict[str, int] = {}
    times = 0
    for path in sorted(directory.iterdir()):
        if path.name == "README.md" or path.suffix == ".py":  # people's, and transformers' where it trusts them
            continue
        content = path.read_bytes()
        for number in range(count(3, 100)):
            damaged = bytearray(content)
            if number % 3 == 0:
                damaged = damaged[: rng.integers(len(content))]
            else:
                damaged[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            result = outcome(directory, before)
            assert result not in ("wrong", "a bare word"), path.name
            found[result] = found.get(result, 0) + 1
            times += 1
        path.write_bytes(content)
    told = ", ".join(f"{number:,} {result}" for result, number in sorted(found.items()))
    ledger.note(f"a model ({kind}) with a file cut short or one bit flipped", times, told)


NAN = float("nan")
ODD: list[Any] = [0, -1, 2**31, 2**40, NAN, float("inf"), "x", "", None, [], [-1], {}, True, [3.0, 1.0], [NAN, NAN]]


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a configuration."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (key,)
        yield from ((key, *rest) for rest in places(inner))


@pytest.mark.parametrize("kind", ["encoder", "converted", *KINDS])
def test_odd_settings_are_refused_or_answered_with_numbers(
    kind: str, tmp_path: Path, count: Callable[[int, int], int], rng: np.random.Generator, ledger: Ledger
) -> None:
    """Values of a config.json without digests: none takes memory for a size that is not there."""
    directory = write_kind(kind, tmp_path / "model")
    path = directory / "config.json"
    config = json.loads(path.read_text())
    del config["digests"]
    cases = [(place, odd) for place in places(config) for odd in ODD]
    if len(cases) > (most := count(30, 10_000)):
        cases = [cases[index] for index in rng.choice(len(cases), most, replace=False)]
    refused = 0
    for place, odd in cases:
        changed = copy.deepcopy(config)
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = odd
        path.write_text(json.dumps(changed))
        try:
            found = answers(directory)
        except (ValueError, OSError):
            refused += 1
        else:
            assert all(np.isfinite(answer).all() for answer in found), (place, odd)
    assert refused
    ledger.note(
        f"a model ({kind}) with an odd value in config.json", len(cases),
        f"{refused:,} refused, {len(cases) - refused:,} answered with finite numbers",
    )  # fmt: skip


@pytest.mark.parametrize("metadata", [{}, {"config": "{"}, {"config": "[]"}, {"config": "3"}])
@pytest.mark.parametrize("kind", ["bag", "converted"])
def test_tables_without_their_settings(kind: str, metadata: dict[str, str], tmp_path: Path) -> None:
    """As where a bit of the entry's name is flipped, and one of the digest's."""
    from safetensors.numpy import save_file as save_arrays

    directory = write_kind(kind, tmp_path / "model")
    tensors, found = read_tensors(directory / "folded.safetensors")
    arrays = {name: np.array(tensor) for name, tensor in tensors.items()}
    save_arrays(arrays, directory / "folded.safetensors", {"format": found["format"], **metadata})
    with pytest.raises(ValueError, match=r"folded\.safetensors: got metadata without settings"):
        textcnn.load(directory)


@pytest.mark.parametrize(
    "setting",
    [{"architectures": 5}, {"architectures": [5]}, {"vocab_size": [50, 50]}, {"num_blocks": 2**31},
     {"encoding_dim": 2**31}, {"layer_norm_eps": 0}, {"cut_points": [1.0, -1.0]}, {"cut_points": [NAN, 1.0]},
     {"cut_points": [1.0, 1.0]}],
)  # fmt: skip
def test_settings_that_no_model_has(setting: dict[str, Any], tmp_path: Path) -> None:
    kind = {"cut_points": "ordered levels", "encoding_dim": "encoder"}.get(next(iter(setting)), "dilated")
    directory = write_kind(kind, tmp_path / "model")
    config = json.loads((directory / "config.json").read_text())
    del config["digests"]
    (directory / "config.json").write_text(json.dumps(config | setting))
    with pytest.raises(ValueError, match=rf"{next(iter(setting))}: got .*; expected"):
        textcnn.load(directory)


@pytest.mark.parametrize("kind", ["encoder", "dilated"])
def test_weights_that_are_not_finite_are_not_opened(kind: str, tmp_path: Path) -> None:
    directory = write_kind(kind, tmp_path / "model")
    (directory / "folded.safetensors").unlink(missing_ok=True)
    config = json.loads((directory / "config.json").read_text())
    del config["digests"]
    (directory / "config.json").write_text(json.dumps(config))
    weights = load_file(directory / "model.safetensors")
    name = next(name for name in weights if "embedding" in name)
    weights[name][3, 0] = NAN
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=rf"{name}: got 1 of .* not finite"):
        textcnn.load(directory)


@pytest.mark.parametrize("names", [["TextCNNForTextEncodinf"], None, []])
def test_an_encoder_is_not_opened_as_a_classifier_of_its_dimensions(names: list[str] | None, tmp_path: Path) -> None:
    directory = write_kind("encoder", tmp_path / "model")
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"architectures": names}))
    with pytest.raises(ValueError, match=r"architectures: got .* with encoding_dim 5; expected TextCNNForTextEncoding"):
        textcnn.load(directory)


def test_onnx_file_beside_other_weights(tmp_path: Path) -> None:
    """As transformers writes them, which leaves model.onnx as it is."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    directory = write_kind("dilated, ONNX", tmp_path / "model")
    model, _ = read_artifact(directory)
    with torch.no_grad():
        model.head.weight.add_(1)
    model.save_pretrained(directory)
    with pytest.raises(ValueError, match=r"model\.safetensors: got the digest .*model\.onnx beside it was made from"):
        textcnn.load(directory)


def test_foreign_onnx_files(tmp_path: Path) -> None:
    """Graphs with metadata as ours have them, and other inputs, outputs or settings."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    directory = write_kind("dilated, ONNX", tmp_path / "model")
    ours = {entry.key: entry.value for entry in onnx.load(directory / "model.onnx").metadata_props}
    del ours["digest"]

    def graph(inputs: list[str], output: str, outputs: int, metadata: dict[str, str]) -> Path:
        shape = ["batch", "tokens"]
        nodes = [helper.make_node("Cast", [inputs[0]], ["a"], to=TensorProto.FLOAT),
                 helper.make_node("ReduceMean", ["a"], ["b"], keepdims=1, axes=[1]),
                 helper.make_node("Concat", ["b"] * outputs, [output], axis=1)]  # fmt: skip
        found = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", outputs])],
        )  # fmt: skip
        model = helper.make_model(found, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.save(model, tmp_path / "other.onnx")
        return tmp_path / "other.onnx"

    names = ["input_ids", "attention_mask"]
    assert OnnxClassifier(graph(names, "logits", 3, ours)).predict(["w3"]).shape == (1,)
    cases = [(names, "logits", 2, ours), (names, "scores", 3, ours), (["ids", "attention_mask"], "logits", 3, ours),
             (names, "logits", 3, {}), (names, "logits", 3, ours | {"config": "{"}),
             (names, "logits", 3, ours | {"config": "[]"}), (names, "logits", 3, ours | {"config": "{}"}),
             (names, "logits", 3, ours | {"tokenizer.json": "{}"})]  # fmt: skip
    for case in cases:
        with pytest.raises(ValueError, match=r"other\.onnx: got .*; expected"):
            textcnn.load(graph(*case))


def test_counts_of_a_fasttext_file_take_no_memory(tmp_path: Path) -> None:
    """Sizes that the file does not hold are refused before there is an array for them."""
    import tracemalloc

    whole = write_fasttext(make_file(ngrams=2, kind="pruned"), tmp_path / "whole.ftz").read_bytes()
    arguments, dictionary = 8, 8 + 12 * 4 + 8
    cases = {
        "words": (dictionary, struct.pack("<iii", 2**31 - 1, 2**31 - 4, 3)),
        "buckets": (arguments + 8 * 4, struct.pack("<i", 2**31 - 1)),
        "pruned": (dictionary + 12 + 8, struct.pack("<q", 2**60)),
    }
    for name, (at, content) in cases.items():
        path = tmp_path / f"{name}.ftz"
        path.write_bytes(whole[:at] + content + whole[at + len(content) :])
        tracemalloc.start()
        with pytest.raises(ValueError, match=rf"{name}\.ftz: got .*copy"):
            read_fasttext(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()
