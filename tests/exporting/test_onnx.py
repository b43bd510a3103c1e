"""`textcnn export`: what the file holds for other programs, what 8 bits cost, and what is refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import tokenizers
from small_models import reviews_model

from textcnn.artifact import save_artifact
from textcnn.cli import main
from textcnn.exporting.onnx import OnnxClassifier, export_onnx
from textcnn.loading import TorchClassifier

TEXTS = ["a lovely film", "", "a dull plot with great acting", "awful awful 😀", "film " * 300] * 9


@pytest.fixture(scope="module")
def built():
    reviews = ["a lovely film with great acting", "a dull film, awful plot"]
    return reviews_model(reviews, id2label={0: "négatif", 1: "positif"}, temperature=1.5)


def test_metadata_are_enough_for_another_program(built, tmp_path):
    path = tmp_path / "model.onnx"
    export_onnx(*built, path)
    onnx.checker.check_model(str(path), full_check=True)
    run = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    metadata = run.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["id2label"]) == {"0": "négatif", "1": "positif"}
    assert float(metadata["temperature"]) == 1.5
    assert metadata["problem_type"] == "single_label_classification"
    # As a program without textcnn would do it.
    tokenizer = tokenizers.Tokenizer.from_str(metadata["tokenizer.json"])
    tokenizer.enable_padding(pad_id=json.loads(metadata["config"])["pad_token_id"])
    batch = tokenizer.encode_batch(TEXTS)
    inputs = {
        "input_ids": np.array([encoding.ids for encoding in batch]),
        "attention_mask": np.array([encoding.attention_mask for encoding in batch]),
    }
    (logits,) = run.run(["logits"], inputs)
    np.testing.assert_allclose(logits, TorchClassifier(*built).logits(TEXTS), atol=1e-5)


def test_many_batches_in_their_order(built, tmp_path, monkeypatch):
    classifier = export_onnx(*built, tmp_path / "model.onnx")
    wanted = TorchClassifier(*built).predict_proba(TEXTS)
    for cells in (1, 400, 1 << 14):
        monkeypatch.setattr(sys.modules["textcnn.runtime.onnx"], "_CELLS", cells)
        np.testing.assert_allclose(classifier.predict_proba(TEXTS), wanted, atol=1e-5)
    assert classifier.predict([]).shape == (0,)


def test_int8_error_is_printed_and_stored(built, tmp_path, capsys):
    folder = save_artifact(*built, tmp_path / "artifact")
    texts = tmp_path / "texts.jsonl"
    texts.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    exact, rounded = tmp_path / "exact.onnx", tmp_path / "new" / "folder" / "int8.onnx"
    main(["export", str(folder), "--format", "onnx", "--output", str(exact)])
    main(["export", str(folder), "--format", "onnx", "--output", str(rounded), "--int8", "--texts", str(texts)])
    printed = capsys.readouterr().out
    error = json.loads(OnnxClassifier(rounded).metadata["int8_error"])
    given = [text for text in TEXTS if text]
    off = np.abs(OnnxClassifier(exact).predict_proba(given) - OnnxClassifier(rounded).predict_proba(given))
    assert error["texts"] == len(given)
    assert error["max_probability_difference"] == pytest.approx(off.max())
    assert 0 < off.max() < 0.02
    assert f"max_probability_difference {off.max():.6g}" in printed
    assert "int8_error" not in OnnxClassifier(exact).metadata


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "onx"], "got 'onx'; expected one of onnx, html, js or none (did you mean 'onnx'?)"),
        (["--format", "onnx", "--int8"], "give texts (--texts FILE)"),
    ],
)
def test_a_mistake_is_one_line(built, tmp_path, capsys, options, said):
    folder = save_artifact(*built, tmp_path / "artifact")
    with pytest.raises(SystemExit, match="2"):
        main(["export", str(folder), "--output", str(tmp_path / "x.onnx"), *options])
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.onnx").exists()


def test_what_is_no_model_and_no_text(built, tmp_path):
    with pytest.raises(TypeError, match=r"texts: got dict; .* give a single column"):
        export_onnx(*built, tmp_path / "x.onnx", int8=True, texts={"text": ["a"]})
    with pytest.raises(FileNotFoundError, match="no file"):
        OnnxClassifier(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no protobuf")
    with pytest.raises(ValueError, match=r"broken\.onnx cannot be read .* expected what `textcnn export` writes"):
        OnnxClassifier(tmp_path / "broken.onnx")


def test_a_missing_package_is_named(built, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'textcnn\[onnx\]'"):
        export_onnx(*built, tmp_path / "model.onnx")
