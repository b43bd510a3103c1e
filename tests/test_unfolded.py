"""Models that do not fold answer through torch and ONNX with the same methods, and refuse by name what needs tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.base import clone
from small_models import reviews_model

import textcnn
from textcnn.artifact import save_artifact, write_calibration
from textcnn.cli import main
from textcnn.distillation.teachers import open_teacher
from textcnn.folding.fold import fold
from textcnn.loading import TorchClassifier
from textcnn.runtime.explain.occlusion import LARGEST
from textcnn.runtime.onnx import OnnxClassifier
from textcnn.runtime.storage import ONNX_FILE

TEXTS = ["a lovely film", "", "a dull plot with great acting", "awful awful 😀", "film " * 300]
BACKBONES = ["pyramid", "dilated"]
ROWS = [
    (f"{word} {noun} {i}", label)
    for i in range(5)
    for noun in ("film", "plot", "acting", "cast")
    for word, label in (("lovely", "good"), ("great", "good"), ("dull", "bad"), ("awful", "bad"))
]


@pytest.fixture(scope="module", params=BACKBONES)
def artifact(request, tmp_path_factory):
    reviews = ["a lovely film with great acting", "a dull film, awful plot"]
    axes = {"num_filters": 16, "num_blocks": 2, "backbone": request.param, "id2label": {0: "bad", 1: "good"}}
    model, tokenizer = reviews_model(reviews, **axes)
    folder = tmp_path_factory.mktemp(request.param) / "artifact"
    return save_artifact(model, tokenizer, folder)


@pytest.fixture
def served(artifact):
    """The artifact with an ONNX file in it, which is taken away again."""
    textcnn.export(artifact, artifact / ONNX_FILE)
    yield artifact
    (artifact / ONNX_FILE).unlink()


def test_torch_answers_without_an_onnx_file(artifact):
    classifier = textcnn.load(artifact)
    assert isinstance(classifier, TorchClassifier)
    together = classifier.predict_proba(TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(classifier.predict_proba([text])[0], row, atol=1e-6)
    assert classifier.predict(TEXTS).tolist() == [classifier.labels[i] for i in together.argmax(axis=1)]
    assert not (artifact / "folded.safetensors").exists()


def test_onnx_answers_where_its_file_is(served):
    wanted = TorchClassifier(*textcnn.artifact.read_artifact(served)).predict_proba(TEXTS)
    classifier = textcnn.load(served)
    assert isinstance(classifier, OnnxClassifier)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), wanted, atol=1e-5)
    write_calibration(served, temperature=2.0, thresholds={"good": 0.9})
    try:
        again = textcnn.load(served)
        np.testing.assert_allclose(again.logits(TEXTS), classifier.logits(TEXTS) / 2, atol=1e-6)
        assert again.thresholds == {"good": 0.9}
    finally:
        write_calibration(served)


def test_new_weights_take_the_onnx_file_away(served, tmp_path):
    model, tokenizer = textcnn.artifact.read_artifact(served)
    (tmp_path / ONNX_FILE).write_bytes((served / ONNX_FILE).read_bytes())
    save_artifact(model, tokenizer, tmp_path)
    assert not (tmp_path / ONNX_FILE).exists()


def test_occlusion_is_the_fall_of_the_logit(artifact, served):
    text = "a dull plot with great acting"
    torch_classifier = TorchClassifier(*textcnn.artifact.read_artifact(artifact))
    explanation = torch_classifier.explain(text, "good")
    assert explanation.approximate
    assert explanation.method == "occlusion"
    model, tokenizer = textcnn.artifact.read_artifact(artifact)
    model.eval()
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    spans = tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
    with torch.no_grad():
        whole = model(ids).logits[0, 1].item()
        for contribution in explanation.contributions:
            hidden = [not (contribution.start <= a < b <= contribution.end) for a, b in spans]
            without = model(ids, torch.tensor([hidden]).long()).logits[0, 1].item()
            assert contribution.weight == pytest.approx(whole - without, abs=1e-5)
            assert contribution.without == pytest.approx(without, abs=1e-5)
    assert explanation.bias == pytest.approx(torch_classifier.logits([""])[0, 1], abs=1e-6)
    deleted = torch_classifier.logits([text.replace(explanation.contributions[0].text, "", 1)])[0, 1]
    assert explanation.deleted[0] == pytest.approx(deleted, abs=1e-5)
    same = textcnn.load(served).explain(text, "good")
    assert [c.text for c in same.contributions] == [c.text for c in explanation.contributions]
    np.testing.assert_allclose(
        [c.weight for c in same.contributions], [c.weight for c in explanation.contributions], atol=1e-4
    )
    assert "approximate, by occlusion" in str(explanation)
    assert explanation.to_html()


def test_a_long_text_is_explained_in_runs_of_tokens(artifact):
    explanation = textcnn.load(artifact).explain("film " * 300)
    assert len(explanation.contributions) <= LARGEST
    assert max(len(contribution.tokens) for contribution in explanation.contributions) == 5
    assert textcnn.load(artifact).explain("").contributions == ()
    with pytest.raises(ValueError, match=r"label: got 'goods'; .*did you mean 'good'"):
        textcnn.load(artifact).explain("a film", "goods")


def test_it_is_evaluated(artifact, tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\na film,good\nno film,bad\n")
    assert textcnn.evaluate(artifact, tmp_path / "rows.csv", resamples=0).texts == 2


def test_what_needs_tables_is_refused_by_name(artifact, tmp_path):
    config = json.loads((artifact / "config.json").read_text(encoding="utf-8"))
    reason = f"got a model with the backbone '{config['backbone']}', which does not fold into tables"
    data = tmp_path / "rows.csv"
    data.write_text("text,label\na film,good\n")
    with pytest.raises(ValueError, match=f"fold: {reason}"):
        textcnn.fold(artifact)
    with pytest.raises(ValueError, match=f"fold: {reason}"):
        fold(*textcnn.artifact.read_artifact(artifact))
    with pytest.raises(ValueError, match=f"certify: {reason}"):
        textcnn.certify(artifact, text="a film")
    with pytest.raises(ValueError, match=f"inspect: {reason}"):
        textcnn.inspect(artifact, data)
    with pytest.raises(ValueError, match="fold: got a model with the backbone"):
        textcnn.distill(artifact, data, backbone=config["backbone"])


def test_info_states_the_receptive_field(artifact):
    info = textcnn.info(artifact)
    assert (
        info.architecture["receptive_field"]
        == {"pyramid": "17 tokens", "dilated": "7 tokens"}[info.architecture["backbone"]]
    )
    assert not {"fold", "certify", "inspect"} & set(info.verbs)
    assert {"explain", "score", "export", "distill"} <= set(info.verbs)
    assert "does not fold" in dict(info.lines())["tables"]


def test_the_command_line_takes_it(artifact, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("a lovely film\na dull plot\n")
    main(["score", str(artifact), str(tmp_path / "texts.txt")])
    assert len(capsys.readouterr().out.splitlines()) == 2
    main(["explain", str(artifact), "a lovely film"])
    assert "approximate, by occlusion" in capsys.readouterr().out


def test_it_is_a_teacher(artifact):
    teacher = open_teacher(str(artifact), ["good", "bad"], multi_label=False)
    np.testing.assert_allclose(teacher.logits(TEXTS), textcnn.load(artifact).logits(TEXTS)[:, ::-1], atol=1e-6)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_estimator(backbone):
    texts, labels = zip(*ROWS, strict=True)
    estimator = textcnn.TextCNNClassifier(backbone=backbone, num_filters=8, num_blocks=1, embedding_dim=8, max_epochs=1)
    fitted = clone(estimator).fit(list(texts), list(labels))
    assert fitted.predict_proba(list(texts)).shape == (len(texts), 2)
    assert fitted.explain("a dull plot").method == "occlusion"


def test_training_from_the_command_line(tmp_path):
    data = tmp_path / "rows.csv"
    data.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS))
    settings = {"backbone": "dilated", "num_filters": 8, "num_blocks": 1, "embedding_dim": 8, "max_epochs": 1}
    command = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    main(["train", str(data), "--output", str(tmp_path / "whole"), *command])
    assert textcnn.load(tmp_path / "whole").model.config.backbone == "dilated"
    config = (tmp_path / "whole" / "config.yaml").read_text(encoding="utf-8")
    assert "backbone: dilated" in config


def test_a_student_of_a_deep_teacher(artifact, tmp_path):
    data = tmp_path / "rows.csv"
    data.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS))
    student = textcnn.distill(
        artifact, data, output=tmp_path / "student", max_epochs=1, num_filters=4, embedding_dim=8, progress=False
    )
    assert type(student).__name__ == "FoldedTextCNN"
