"""Distillation from every kind of teacher on small data; losses against values worked out by hand."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

import textcnn
from textcnn.cli import main
from textcnn.data import computed
from textcnn.data.unlabelled import nearest_sentences, read_unlabelled, sample_sentences, split_sentences
from textcnn.distillation.augment.copies import AugmentationSettings, augment
from textcnn.distillation.labelling import label_texts, teacher_vectors
from textcnn.distillation.teachers import (
    Average,
    Teacher,
    check_probabilities,
    open_teacher,
    to_logits,
    to_probabilities,
)
from textcnn.encoders.precision import resolve_precision
from textcnn.finetuning.contextual import contextual_vectors
from textcnn.finetuning.teach import teach
from textcnn.tokenization import load_tokenizer
from textcnn.training.losses import (
    confidence,
    logit_distance,
    representation_distance,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)
from textcnn.training.tasks.distillation import DistillationModule
from textcnn.vectors import load_vectors, vectors_dim
from textcnn.vectors.shipped import ENGLISH

QUICK: dict[str, Any] = {"max_epochs": 2, "num_filters": 16, "log_every_n_steps": 1, "progress": False}
LABELS = ["negative", "positive"]


def sure(texts: list[str]) -> np.ndarray:
    """A teacher that knows the words of the reviews."""
    good = np.array([any(w in t for w in ("lovely", "great", "liked", "wonderful")) for t in texts])
    return np.where(good[:, None], [[0.1, 0.9]], [[0.9, 0.1]])


# ---- losses


def test_soft_cross_entropy_by_hand() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2 * math.log(3.0), 0.0]])
    # At temperature 2 the teacher says 3/4, 1/4 and the student 1/2, 1/2.
    wanted = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert soft_cross_entropy(student, teacher, 2.0).item() == pytest.approx(wanted, rel=1e-5)
    assert soft_cross_entropy(teacher, teacher, 3.0).item() == pytest.approx(0, abs=1e-6)


def test_soft_binary_cross_entropy_by_hand() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[math.log(3.0), 0.0]])
    wanted = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)) / 2
    assert soft_binary_cross_entropy(student, teacher).item() == pytest.approx(wanted, rel=1e-5)


def test_logit_distance_and_confidence_by_hand() -> None:
    assert logit_distance(torch.tensor([[1.0, 3.0]]), torch.tensor([[5.0, 7.0]])).item() == 0
    assert logit_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, -1.0]])).item() == 1
    assert confidence(torch.tensor([[0.0, 0.0]])).item() == 0
    assert confidence(torch.tensor([[50.0, 0.0]])).item() == pytest.approx(1)


def module(**options: Any) -> DistillationModule:
    return DistillationModule(labels=LABELS, vocab_size=10, **options)


NO_FEATURES = torch.zeros(2, 0)


def test_the_loss_mixes_labels_in_only_where_there_are_any() -> None:
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    batch = {"teacher_logits": torch.tensor([[0.0, 1.0], [0.0, 1.0]]), "labels": torch.tensor([1, -1])}
    soft = soft_cross_entropy(logits, batch["teacher_logits"], 2.0)
    hard = torch.nn.functional.cross_entropy(logits[:1], torch.tensor([1]))
    wanted = (0.7 * soft[0] + 0.3 * hard + soft[1]) / 2
    mixed = module(temperature=2.0, hard_weight=0.3).loss(batch, logits, NO_FEATURES)
    assert mixed.item() == pytest.approx(wanted.item())
    weighed = module(temperature=2.0, hard_weight=0.0, weigh_by_confidence=True).loss(batch, logits, NO_FEATURES)
    assert weighed.item() == pytest.approx((soft * confidence(batch["teacher_logits"])).mean().item())
    squares = module(soft_loss="mse", hard_weight=0.0).loss(batch, logits, NO_FEATURES)
    assert squares.item() == pytest.approx(1.0)


def test_a_projection_of_the_features_is_drawn_to_the_teachers_representation() -> None:
    student, teacher = torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.tensor([[0.0, 3.0], [1.0, 0.0]])
    torch.testing.assert_close(representation_distance(student, teacher), torch.tensor([1.0, 1 - math.sqrt(0.5)]))
    torch.manual_seed(0)
    learner = module(representation_weight=2.0, representation_dim=3, hard_weight=0.5)
    learner.eval()
    batch = {"input_ids": torch.tensor([[3, 4], [5, 0]]), "attention_mask": torch.tensor([[1, 1], [1, 0]])}
    batch |= {"teacher_logits": torch.tensor([[0.0, 1.0], [2.0, 0.0]]), "labels": torch.tensor([1, -1])}
    wanted = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    batch["teacher_features"] = wanted
    learner.log = lambda *_, **__: None  # type: ignore[method-assign]
    loss = learner.training_step(batch, 0)
    features = learner.model.textcnn(batch["input_ids"], batch["attention_mask"]).pooler_output
    plain = module(hard_weight=0.5).loss(batch, learner(batch), NO_FEATURES)
    distance = representation_distance(features @ learner.projection.weight.T + learner.projection.bias, wanted)
    assert loss.item() == pytest.approx((plain + 2 * distance.mean()).item(), rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0}, {"soft_loss": "l1"}, {"hard_weight": 2}, {"representation_weight": -1}]
)
def test_settings_of_the_loss_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: got"):
        module(**wrong)


# ---- teachers


def test_a_function_and_a_list_of_teachers() -> None:
    one = open_teacher(sure, LABELS)
    other = open_teacher(lambda texts: np.tile([0.5, 0.5], (len(texts), 1)), LABELS)
    both = open_teacher([sure, lambda texts: np.tile([0.5, 0.5], (len(texts), 1))], LABELS)
    texts = ["a great film", "a dull film"]
    np.testing.assert_allclose(to_probabilities(one.logits(texts)), sure(texts), atol=1e-6)
    mean = (to_probabilities(one.logits(texts)) + to_probabilities(other.logits(texts))) / 2
    np.testing.assert_allclose(to_probabilities(both.logits(texts)), mean, atol=1e-6)


def test_classes_of_a_sklearn_teacher_are_matched_by_name() -> None:
    texts = ["a great film", "a dull film"] * 5
    teacher = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, ["positive", "negative"] * 5)
    got = to_probabilities(open_teacher(teacher, ["positive", "negative"]).logits(texts[:1]))
    assert got[0, 0] > got[0, 1]
    with pytest.raises(ValueError, match=r"negative, positive; expected those of the data, ham, spam"):
        open_teacher(teacher, ["ham", "spam"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[0.5, 0.6]], "got 0.5, 0.6 in row 0 .* that add up to 1; mend that row$"),
        ([[float("nan"), 1.0]], "finite"),
        ([[1.5, -0.5]], "from 0 to 1"),
        ([[0.5, 0.5], [90, 10], [80, 20]], r"got 90, 10 in row 1 .* mend that row and 1 more"),
        ([[1.0]], r"shape \(1, 1\)"),
    ],
)
def test_values_that_are_no_probabilities(values: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_probabilities(values, 2, False, "teacher")


def test_logits_and_probabilities_are_inverse() -> None:
    probabilities = np.array([[0.2, 0.8], [1.0, 0.0]], np.float32)
    np.testing.assert_allclose(to_probabilities(to_logits(probabilities)), probabilities, atol=1e-6)
    np.testing.assert_allclose(to_probabilities(to_logits(probabilities, True), True), probabilities, atol=1e-6)


# ---- labelling


class Counting(Teacher):
    fingerprint = "counting"

    def __init__(self, fail_after: int | None = None) -> None:
        self.seen: list[str] = []
        self.fail_after = fail_after

    def logits(self, texts: list[str]) -> np.ndarray:
        if self.fail_after is not None and len(self.seen) >= self.fail_after:
            raise KeyboardInterrupt
        self.seen += texts
        return np.array([[len(text), -len(text)] for text in texts], np.float32)


def test_a_kill_loses_no_more_than_what_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computed, "CHUNK", 10)
    monkeypatch.setattr(computed, "SAVE_EVERY", 0.0)
    texts = [f"{i}" * (1 + i * 7 % 50) for i in range(90)] + [f"{i}" for i in range(5)]
    first = Counting(fail_after=40)
    with pytest.raises(KeyboardInterrupt):
        label_texts(first, texts, 2, tmp_path)
    second = Counting()
    got = label_texts(second, texts, 2, tmp_path)
    assert (got == [[len(text), -len(text)] for text in texts]).all()
    assert len(second.seen) == len(set(texts)) - 40
    third = Counting()
    assert (label_texts(third, texts, 2, tmp_path) == got).all()
    assert third.seen == []
    # A text is asked for once, whatever texts it stands among, by each teacher.
    more = ["y", *texts[::-1], "y"]
    assert (label_texts(third, more, 2, tmp_path) == [[len(text), -len(text)] for text in more]).all()
    assert third.seen == ["y"]
    other = Counting()
    other.fingerprint = "another"
    label_texts(other, texts, 2, tmp_path)
    assert len(other.seen) == len(set(texts))


def test_each_teacher_of_an_average_is_asked_once(tmp_path: Path) -> None:
    texts = ["a", "bb", "ccc"]
    first, second = Counting(), Counting()
    second.fingerprint = "second"
    label_texts(first, texts, 2, tmp_path)
    got = label_texts(Average([first, second], False), texts, 2, tmp_path)
    assert (first.seen, sorted(second.seen)) == (texts[::-1], texts)
    np.testing.assert_array_equal(got, Average([Counting(), Counting()], False).logits(texts))
    np.testing.assert_allclose(to_probabilities(got), to_probabilities(Counting().logits(texts)), atol=1e-6)


def test_logits_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    class Broken(Teacher):
        def logits(self, texts: list[str]) -> np.ndarray:
            return np.full((len(texts), 2), np.nan, np.float32)

    with pytest.raises(ValueError, match="expected finite numbers"):
        label_texts(Broken(), ["a"], 2, tmp_path)


# ---- texts


def test_a_transformer_is_taught_and_asked_with_texts_longer_than_it_reads(transformer: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": [f"{i} " + "film " * 50 for i in range(40)], "label": ["a", "b"] * 20})
    rows.to_csv(tmp_path / "long.csv", index=False)
    teach(transformer, str(tmp_path / "long.csv"), tmp_path / "teacher", max_epochs=1, progress=False)
    teacher = open_teacher(str(tmp_path / "teacher"), ["a", "b"], False)
    assert np.isfinite(teacher.logits(rows["text"].tolist())).all()


def test_a_teacher_reads_no_more_of_a_text_than_it_learnt_from(transformer: str, reviews: Path, tmp_path: Path) -> None:
    teach(transformer, str(reviews), tmp_path, max_epochs=1, max_length=8, progress=False)
    teacher = open_teacher(str(tmp_path), LABELS, False)
    first, second = teacher.logits(["film " * 20, "film " * 20 + "dull"])
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_how_many_texts_are_held_out_from_teaching(
    transformer: str, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, numbers = sys.modules["textcnn.finetuning.teach"], []
    loader = module._loader
    monkeypatch.setattr(
        module, "_loader", lambda texts, *rest, **by: numbers.append(len(texts)) or loader(texts, *rest, **by)
    )
    arguments = [transformer, "--data", str(reviews), "--output", str(tmp_path / "teacher")]
    main(["teach", *arguments, "--max_epochs", "1", "--validation_fraction", "0.3"])
    assert numbers[:2] == [84, 36]


def test_unlabelled_texts_may_be_longer_than_a_file_name(reviews: Path) -> None:
    texts = ["a film " * 1000, "with a \0 in it"]
    assert read_unlabelled([*texts, str(reviews)], False, None)[:3] == [*texts, "a lovely film number 0"]


def test_sentences() -> None:
    text = 'It was really "great." We left.<br /><br />Then it rained all night!\nno'
    assert split_sentences(text) == ['It was really "great.', "Then it rained all night!"]
    assert split_sentences("One two three. Four five six.") == ["One two three.", "Four five six."]
    documents = [f"Sentence number {i} here. Sentence number {i} here." for i in range(20)]
    drawn = sample_sentences(documents, 7, seed=1)
    assert len(set(drawn)) == 7
    assert drawn == sample_sentences(documents, 7, seed=1) != sample_sentences(documents, 7, seed=2)
    assert len(sample_sentences(documents, None)) == 20


def test_the_nearest_sentences_are_those_of_the_task() -> None:
    films = [f"the film number {i} has a lovely plot and dull acting" for i in range(50)]
    other = [f"boil {i} potatoes with salt and serve them with butter" for i in range(50)]
    chosen = nearest_sentences([*other, *films], ["a lovely film", "dull acting", "the plot of the film"] * 9, 50)
    assert chosen == films
    assert nearest_sentences(films, ["x"], 60) == films


def test_augmentation_is_seeded_and_off_by_default() -> None:
    texts = ["a b c d e", "f g h", "i"]
    assert augment(texts, AugmentationSettings()) == []
    made = augment(texts, AugmentationSettings(spans=2, masks=1, mixes=1), seed=3)
    assert made == augment(texts, AugmentationSettings(spans=2, masks=1, mixes=1), seed=3)
    assert len(made) == 2 * 4
    assert all(span in texts[0] for span in made[:2])
    assert "[UNK]" in made[2]
    assert made[3].startswith("a b ")
    # Whatever the other texts are, so that a teacher's answers can be used again.
    assert (
        augment(texts[1:], AugmentationSettings(spans=2, masks=1), seed=3)
        == augment(texts, AugmentationSettings(spans=2, masks=1), seed=3)[3:]
    )


# ---- students


@pytest.mark.timeout(600)
def test_a_student_learns_what_its_teacher_says(reviews: Path, tmp_path: Path) -> None:
    crawl = tmp_path / "crawl.txt"
    crawl.write_text("\n".join(f"A lovely day number {i}. A dull night number {i}." for i in range(40)))
    student = textcnn.distill(
        sure, str(reviews), str(crawl), tmp_path / "run", budget="300kB", spans=1, learning_rate=3e-3, **QUICK
    )
    written = json.loads((tmp_path / "run" / "distillation.json").read_text())
    assert written["teacher"]["accuracy"] == 1
    assert written["student"]["accuracy"] > 0.9
    assert written["agreement"] > 0.9
    assert written["student"]["bytes"] <= 300_000
    served = ("folded.safetensors", "tokenizer.json", "config.json")
    assert sum((tmp_path / "run" / name).stat().st_size for name in served) == written["student"]["bytes"]
    assert student.predict(["a lovely film"]) == ["positive"]
    assert "## Distillation" in (tmp_path / "run" / "README.md").read_text()


def test_a_textcnn_teaches_a_smaller_one(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {name: value for name, value in QUICK.items() if name not in ("progress", "num_filters")}
    textcnn.train(str(reviews), tmp_path / "large", progress=False, learning_rate=3e-3, **options)
    arguments = [
        str(tmp_path / "large"),
        "--data",
        str(reviews),
        "--budget",
        "tiny",
        "--no-progress",
    ]
    arguments += ["--max_epochs", "2", "--log_every_n_steps", "1", "--learning_rate", "0.003"]
    capsys.readouterr()
    main(["distill", *arguments, "--output", str(tmp_path / "small")])
    printed = capsys.readouterr()
    assert printed.out.count("They agree on") == 1
    assert "They agree on" not in printed.err
    assert textcnn.load(tmp_path / "small").config["num_filters"] == 32
    assert json.loads((tmp_path / "small" / "distillation.json").read_text())["agreement"] > 0.8
    assert teacher_vectors(open_teacher(str(tmp_path / "large"), LABELS)) == str(tmp_path / "large")
    with pytest.raises(ValueError, match="the teacher has no token vectors"):
        textcnn.distill(sure, str(reviews), None, tmp_path / "no", vectors="teacher")


@pytest.mark.parametrize("vectors", ["auto", ["auto", "words.txt"]])
def test_a_student_starts_from_the_vectors_that_ship(vectors: Any, reviews: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("lovely 1 0\ndull 0 1\n")
    given = (
        [str(tmp_path / name) if name.endswith(".txt") else name for name in vectors] if vectors != "auto" else vectors
    )
    options = {**QUICK, "num_filters": 2, "max_epochs": 1}
    textcnn.distill(sure, str(reviews), None, tmp_path / "run", vectors=given, **options)
    width = json.loads((tmp_path / "run" / "config.json").read_text())["embedding_dim"]
    assert width == vectors_dim(str(ENGLISH)) + (0 if vectors == "auto" else 2)


@pytest.mark.timeout(600)
def test_a_transformer_is_taught_and_teaches(reviews: Path, tmp_path: Path, transformer: str) -> None:
    arguments = [transformer, "--data", str(reviews), "--max_epochs", "8", "--learning_rate", "0.005"]
    main(["teach", *arguments, "--batch_size", "16", "--output", str(tmp_path / "teacher")])
    scores = json.loads((tmp_path / "teacher" / "scores.json").read_text())
    assert scores["val_accuracy"] > 0.8
    table = pd.read_csv(reviews)
    texts = list(table["text"])
    orders = (["positive", "negative"], LABELS)
    first, second = (
        open_teacher(str(tmp_path / "teacher"), order, precision="32-true").logits(texts) for order in orders
    )
    # Classes come in the order asked for, and answers do not depend on what stands beside a text.
    assert (first == second[:, ::-1]).all()
    both_ways = [open_teacher(str(tmp_path / "teacher"), order, precision="32-true") for order in orders]
    in_turn = [label_texts(one, texts, 2, tmp_path / "cache") for one in both_ways]
    np.testing.assert_allclose(in_turn[0], in_turn[1][:, ::-1], atol=1e-6)
    assert (np.array(LABELS)[second.argmax(axis=1)] == table["label"]).mean() > 0.8
    alone = open_teacher(str(tmp_path / "teacher"), LABELS, precision="32-true").logits(texts[:1])
    np.testing.assert_allclose(alone[0], second[0], atol=1e-4)
    # Its representations, as transformers computes them for one text.
    opened = open_teacher(str(tmp_path / "teacher"), LABELS, precision="32-true")
    both = label_texts(opened, texts, 2, tmp_path / "cache", representations=True)
    np.testing.assert_allclose(both[:, :2], opened.logits(texts), atol=1e-5)
    model = AutoModel.from_pretrained(tmp_path / "teacher").eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path / "teacher")(texts[3], return_tensors="pt")
    with torch.no_grad():
        wanted = model(**inputs).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(both[3, 2:], wanted.numpy(), atol=1e-5)
    textcnn.distill(
        str(tmp_path / "teacher"), str(reviews), None, tmp_path / "alike", representation_weight=1.0, **QUICK
    )
    with pytest.raises(ValueError, match="the teacher shows no representations"):
        textcnn.distill(sure, str(reviews), None, tmp_path / "no", representation_weight=1.0)
    # A student that starts from what its teacher makes of each token, with the teacher's vocabulary or its own.
    read = Path(
        teacher_vectors(open_teacher(str(tmp_path / "teacher"), LABELS, precision="32-true"), tmp_path / "cache")
    )
    written = load_file(read / "model.safetensors")["embeddings"]
    assert torch.equal(written, contextual_vectors(str(tmp_path / "teacher"), []))
    for budget, vocabulary in ((None, len(written)), ("300kB", 1000)):
        run = tmp_path / f"student-{budget}"
        options = {**QUICK, "learning_rate": 1e-9, "embedding_learning_rate": 1e-9}
        textcnn.distill(str(tmp_path / "teacher"), str(reviews), None, run, budget, vectors="teacher", **options)
        student = load_file(run / "model.safetensors")
        name = next(name for name in student if "embedding" in name)
        assert student[name].shape[0] <= vocabulary
        if budget is None:
            matrix = load_vectors(str(read), load_tokenizer(str(read)), None, seed=0).matrix
            np.testing.assert_allclose(student[name].numpy(), matrix, atol=1e-5)
    words = tmp_path / "words.txt"
    words.write_text("lovely 1 0\ndull 0 1\nfilm 0.5 0.5\n")
    run, beside = tmp_path / "beside", ["teacher", str(words)]
    textcnn.distill(str(tmp_path / "teacher"), str(reviews), None, run, vectors=beside, **options)
    student = load_file(run / "model.safetensors")
    assert student[name].shape == (len(written), written.shape[1] + 2)
    np.testing.assert_allclose(student[name][:, :-2].numpy(), matrix, atol=1e-5)
    with pytest.raises(ValueError, match="negative, positive; expected those of the data, a, b"):
        open_teacher(str(tmp_path / "teacher"), ["a", "b"])


def test_dropout_is_on_while_a_transformer_learns(transformer: str) -> None:
    from textcnn.finetuning.teach import TeacherModule

    assert TeacherModule(transformer, LABELS, "single_label_classification", 1e-3).model.training


def test_precision_is_what_the_processor_is_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for made_for_it, wanted in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=made_for_it: {"amx_bf16": found})
        assert resolve_precision("auto") == wanted
        assert resolve_precision("32-true") == "32-true"
        assert resolve_precision("bf16-mixed") == "bf16-mixed"
    with pytest.raises(ValueError, match="got 'fp8'; expected auto, 32-true or bf16-mixed"):
        resolve_precision("fp8")


def test_a_teacher_in_bfloat16_is_near_and_has_labels_of_its_own(tmp_path: Path, transformer: str) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(
        transformer, num_labels=2, id2label=dict(enumerate(LABELS))
    )
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(transformer).save_pretrained(tmp_path)
    texts = ["a lovely film", "dull"]
    whole, halved = (open_teacher(str(tmp_path), LABELS, precision=name) for name in ("32-true", "bf16-mixed"))
    assert not (whole.logits(texts) == halved.logits(texts)).all()
    np.testing.assert_allclose(whole.logits(texts), halved.logits(texts), atol=0.05)
    # Labels of the one are not taken from the cache for the other.
    assert whole.fingerprint != halved.fingerprint


def test_teaching_in_bfloat16_learns(reviews: Path, tmp_path: Path, transformer: str) -> None:
    scores = teach(
        transformer, str(reviews), tmp_path / "teacher", max_epochs=8, batch_size=16, learning_rate=0.005,
        precision="bf16-mixed", progress=False,
    )  # fmt: skip
    assert scores["val_accuracy"] > 0.8
    weights = load_file(tmp_path / "teacher" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
