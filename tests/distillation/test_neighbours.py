"""Words replaced by their neighbours, against cosines worked out one by one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import textcnn
from textcnn.distillation.augment import copies, neighbours
from textcnn.distillation.augment.copies import AugmentationSettings, augment
from textcnn.distillation.augment.neighbours import replace_by_neighbours
from textcnn.tokenization import load_tokenizer, save_tokenizer, train_tokenizer
from textcnn.vectors import load_vectors

WORDS = ["film", "movie", "plot", "story", "dull", "boring", "lovely", "great", "acting", "cast", "long", "short", "an"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the kind that `textcnn vectors` writes, with random vectors."""
    directory = tmp_path_factory.mktemp("vectors")
    tokenizer = train_tokenizer([" ".join(WORDS)] * 9, "wordpiece", vocab_size=500)
    save_tokenizer(tokenizer, directory)
    torch.manual_seed(0)
    save_file({"embeddings": torch.randn(len(tokenizer), 6)}, directory / "model.safetensors")
    return directory


def test_candidates_are_the_nearest_words(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_CANDIDATES", 3)
    tokenizer = load_tokenizer(vectors)
    matrix = load_vectors(vectors, tokenizer).matrix
    vocabulary = [token for token in tokenizer.get_vocab() if len(token) > 1 and token.isalpha()]
    row = {word: matrix[tokenizer.convert_tokens_to_ids(word)] for word in vocabulary}

    def cosine(one: str, other: str) -> float:
        a, b = row[one], row[other]
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    for word in WORDS:
        wanted = sorted((other for other in vocabulary if other != word), key=lambda other: -cosine(word, other))[:3]
        found = {made for seed in range(60) for made in replace_by_neighbours([word], str(vectors), seed=seed)}
        assert found == set(wanted)


def test_everything_but_words_with_a_vector_stays(vectors: Path) -> None:
    text = " A film, 2 plots -- DULL!\n"
    made = replace_by_neighbours([text, "42 ?!", ""], str(vectors), copies=20, share=1.0)
    assert len(made) == 20
    for copy in made:
        film, dull = copy[3:].split(",")[0], copy.split("-- ")[1].split("!")[0]
        assert film != "film"
        assert dull.lower() != "dull"
        assert copy == f" A {film}, 2 plots -- {dull}!\n"
    # At least one word, and with share 0 no more than one.
    for copy in replace_by_neighbours([text], str(vectors), copies=20, share=0.0):
        assert ("film" in copy) + ("DULL" in copy) == 1


def test_new_words_have_the_capitals_of_the_old_ones(vectors: Path) -> None:
    for copy in replace_by_neighbours(["Great FILM dull"], str(vectors), copies=20, share=1.0):
        assert re.fullmatch("[A-Z][a-z]+ [A-Z]+ [a-z]+", copy)


def test_it_is_seeded_and_part_of_augmentation(vectors: Path) -> None:
    texts = ["a dull film", "great acting"]
    how = AugmentationSettings(neighbours=5, mask_share=0.5, neighbour_vectors=str(vectors))
    assert (
        augment(texts, how, seed=1)
        == augment(texts, how, seed=1)
        == replace_by_neighbours(texts, str(vectors), 5, 0.5, seed=1)
    )
    assert augment(texts, how, seed=1) != augment(texts, how, seed=2)
    # Whatever other texts there are, so that the teacher's answers can be used again.
    assert set(augment(texts[1:], how, seed=1)) <= set(augment(texts, how, seed=1))
    with pytest.raises(ValueError, match="got no neighbour_vectors"):
        augment(texts, AugmentationSettings(neighbours=1))


def test_a_student_learns_what_the_teacher_says_of_new_texts(vectors: Path, reviews: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def teacher(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.where(np.array(["dull" in text for text in texts])[:, None], [[0.9, 0.1]], [[0.1, 0.9]])

    textcnn.distill(
        teacher, str(reviews), output=tmp_path / "student", neighbours=2, neighbour_vectors=str(vectors),
        max_epochs=1, num_filters=8, log_every_n_steps=1, progress=False,
    )  # fmt: skip
    known = reviews.read_text(encoding="utf-8")
    assert sum(text not in known for text in seen) > 100


@pytest.mark.parametrize("given", [{}, {"neighbour_vectors": None}])
def test_the_teachers_vectors_say_what_is_alike(
    transformer: str, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, None]
) -> None:
    names = {0: "negative", 1: "positive"}
    teacher = AutoModelForSequenceClassification.from_pretrained(transformer, num_labels=2, id2label=names)
    teacher.save_pretrained(tmp_path / "teacher")
    AutoTokenizer.from_pretrained(transformer).save_pretrained(tmp_path / "teacher")
    asked: list[str] = []

    def replace(texts: list[str], checkpoint: str, *rest: float) -> list[str]:
        asked.append(checkpoint)
        return replace_by_neighbours(texts, checkpoint, *rest)

    monkeypatch.setattr(copies, "replace_by_neighbours", replace)
    textcnn.distill(
        str(tmp_path / "teacher"), str(reviews), output=tmp_path / "student", neighbours=1, **given,
        max_epochs=1, num_filters=8, log_every_n_steps=1, progress=False,
    )  # fmt: skip
    assert asked == [str(tmp_path / "teacher")]
