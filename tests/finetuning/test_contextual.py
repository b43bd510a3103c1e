"""Contextual token vectors against a transformer asked one text at a time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from sklearn.decomposition import PCA
from transformers import BertModel

import textcnn
from textcnn.cli import main
from textcnn.finetuning.contextual import contextual_vectors, write_contextual_vectors
from textcnn.tokenization import add_words, load_tokenizer

TEXTS = ["a lovely film", "a dull film and a dull plot", "great plot", "a", ""]


def test_means_are_those_of_single_texts(transformer: str) -> None:
    from transformers import AutoTokenizer

    model = BertModel.from_pretrained(transformer).eval()
    tokenizer = AutoTokenizer.from_pretrained(transformer)
    outputs: dict[int, list[torch.Tensor]] = {}
    special = set(tokenizer.all_special_ids)
    with torch.inference_mode():
        for token in range(len(tokenizer)):
            ids = torch.tensor([[tokenizer.cls_token_id, token, tokenizer.sep_token_id]])
            outputs[token] = [model(ids).last_hidden_state[0, 1]]
        for text in TEXTS:
            ids = tokenizer(text, return_tensors="pt")["input_ids"]
            for token, state in zip(ids[0].tolist(), model(ids).last_hidden_state[0], strict=True):
                if token not in special:
                    outputs[token].append(state)
    means = torch.stack([torch.stack(outputs[token]).mean(dim=0) for token in range(len(tokenizer))])
    kept = torch.tensor([token not in special for token in range(len(tokenizer))])
    wanted = [model.get_input_embeddings().weight.detach(), means]
    wanted = [half - half[kept].mean(dim=0) for half in wanted]
    wanted = torch.cat([half / half[kept].std() for half in wanted], dim=1)
    for batch_size in (1, 3):
        got = contextual_vectors(transformer, TEXTS, batch_size=batch_size)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_a_word_has_the_mean_of_its_pieces(transformer: str) -> None:
    from transformers import AutoTokenizer

    model = BertModel.from_pretrained(transformer).eval()
    tokenizer = AutoTokenizer.from_pretrained(transformer)
    texts = ["a great plot", "plot plot a great film", "filmed and awful"]
    _, words = add_words(load_tokenizer(transformer), texts * 3, most=2)
    assert len(words) == 2
    embeddings = model.get_input_embeddings().weight.detach()
    everything = [(token,) for token in range(len(embeddings))] + list(words)
    states: list[list[torch.Tensor]] = [[] for _ in everything]
    with torch.inference_mode():
        for row, pieces in enumerate(everything):
            ids = torch.tensor([[tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]])
            states[row].append(model(ids).last_hidden_state[0, 1:-1].mean(dim=0))
        for text in texts:
            encoded = tokenizer(text, return_tensors="pt")
            output = model(**encoded).last_hidden_state[0]
            for word in set(encoded.word_ids()) - {None}:
                at = [place for place, owner in enumerate(encoded.word_ids()) if owner == word]
                pieces = tuple(encoded["input_ids"][0, at].tolist())
                for place, piece in zip(at, pieces, strict=True):
                    states[words.get(pieces, piece)].append(output[place])
    assert all(len(states[word]) > 8 for word in words.values())
    kept = torch.tensor([row not in tokenizer.all_special_ids for row in range(len(everything))])
    wanted = [
        torch.stack([embeddings[list(pieces)].mean(dim=0) for pieces in everything]),
        torch.stack([torch.stack(found).mean(dim=0) for found in states]),
    ]
    wanted = [half - half[kept].mean(dim=0) for half in wanted]
    got = contextual_vectors(transformer, texts, batch_size=2, words=words)
    torch.testing.assert_close(
        got, torch.cat([half / half[kept].std() for half in wanted], dim=1), rtol=1e-4, atol=1e-4
    )


def test_embeddings_may_be_narrower_than_the_outputs(transformer: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, ElectraConfig, ElectraModel

    tokenizer = AutoTokenizer.from_pretrained(transformer)
    tokenizer.save_pretrained(tmp_path)
    ElectraModel(
        ElectraConfig(
            vocab_size=len(tokenizer), embedding_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=8, max_position_embeddings=32,
        )
    ).save_pretrained(tmp_path)  # fmt: skip
    assert contextual_vectors(str(tmp_path), TEXTS).shape == (len(tokenizer), 12)


def test_the_verb_writes_what_training_starts_from(
    transformer: str, tmp_path: Path, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the checkpoint had been named by its Hub id.
    monkeypatch.setattr(sys.modules["textcnn.vectors"], "base_model", lambda source: "me/checkpoint")
    main(
        [
            "vectors",
            transformer,
            "--texts",
            str(reviews),
            "--limit",
            "20",
            "--words",
            "3",
            "--output",
            str(tmp_path / "vectors"),
        ]
    )
    before, after = (load_tokenizer(name).get_vocab() for name in (transformer, str(tmp_path / "vectors")))
    assert len(after) == len(before) + 3
    assert before.items() <= after.items()
    classifier = textcnn.train(
        str(reviews),
        tmp_path / "run",
        vectors=str(tmp_path / "vectors"),
        max_epochs=1,
        log_every_n_steps=1,
        progress=False,
    )
    assert ModelCard.load(tmp_path / "run" / "README.md").data.to_dict()["base_model"] == "me/checkpoint"
    assert classifier.config["embedding_dim"] == 16
    assert classifier.config["vocab_size"] == len(after)


def test_principal_components_leave_the_widest_axes(transformer: str, tmp_path: Path) -> None:
    whole = write_contextual_vectors(transformer, TEXTS, tmp_path / "whole")
    reduced = write_contextual_vectors(transformer, TEXTS, tmp_path / "reduced", embedding_dim=3)
    np.testing.assert_allclose(np.abs(reduced.numpy()), np.abs(PCA(3).fit_transform(whole.double().numpy())), atol=1e-4)
    assert torch.equal(load_file(tmp_path / "reduced" / "model.safetensors")["embeddings"], reduced)
    with pytest.raises(ValueError, match="embedding_dim: got 17; expected 1 to 16"):
        write_contextual_vectors(transformer, TEXTS, tmp_path / "wide", embedding_dim=17)


def test_a_text_column_that_is_not_there(transformer: str, reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["vectors", transformer, "--texts", str(reviews), "--text_column", "texts", "--output", "x"])
    assert stop.value.code == 2
    assert "did you mean 'text'" in capsys.readouterr().err
