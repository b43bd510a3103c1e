"""Small models to score with: two with one tokenizer, one of several labels, one with another tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from folded_models import make_model, word_tokenizer, write_artifact
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import save_artifact

TEXTS = [f"w{i % 40 + 2} w{i % 11 + 2} w{i % 7 + 2}" for i in range(60)]


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, single label."""
    directory = write_artifact(tmp_path_factory.mktemp("scoring") / "model")
    textcnn.load(directory)
    return directory


@pytest.fixture(scope="session")
def models(artifact: Path) -> dict[str, Path]:
    """The model above, one of several labels with the same tokenizer, and one whose tokenizer is another."""
    folder = artifact.parent
    changes = {"problem_type": "multi_label_classification", "num_filters": 7}
    for name, size in (("same", None), ("other", 40)):
        words = word_tokenizer(**({} if size is None else {"vocab_size": size}))
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
        model = make_model(**changes, **({} if size is None else {"vocab_size": size}))
        save_artifact(model, tokenizer, folder / name)
        textcnn.load(folder / name)
    return {"first": artifact, "same": folder / "same", "other": folder / "other"}
