"""Folding: the tables against the model, trimming, and what is measured on the way."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from folded_models import (
    CONFIGS,
    PAD,
    VOCAB_SIZE,
    dense_weight,
    flat,
    id_lists,
    make_model,
    word_tokenizer,
    write_artifact,
)
from numpy.testing import assert_allclose
from torch import nn
from transformers import PreTrainedTokenizerFast

import textcnn
from textcnn.artifact import save_artifact
from textcnn.cli import main
from textcnn.folding.fold import fold
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.runtime.layout import Layout
from textcnn.runtime.storage import FOLDED_FILE, read_tensors

TEXTS = [f"w{i % 20 + 2} w{i % 7 + 2} w{i % 3 + 2} w4" for i in range(60)]


@pytest.mark.parametrize("name", ["default", "multichannel", "embedding-norm", "many-filters", "members"])
def test_the_table_is_the_convolution_of_each_token_at_each_offset(name: str) -> None:
    model = make_model(**CONFIGS[name])
    folded = fold(model)
    layout = Layout.of(folded.config, np.dtype(np.float32))
    with torch.inference_mode():
        vectors = model.textcnn.embeddings(torch.arange(VOCAB_SIZE))
        for i, convolution in enumerate(model.textcnn.convolution.convs):
            for offset in range(convolution.weight.shape[2]):
                wanted = vectors @ dense_weight(convolution)[:, :, offset].T
                got = folded.tensors["table"][:VOCAB_SIZE, layout.widths[i].columns(offset)]
                assert_allclose(got, wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert not folded.tensors["table"][VOCAB_SIZE].any()


def test_the_model_is_left_as_it_was() -> None:
    model = make_model(dropout=0.5, embedding_dropout=0.5).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = fold(model), fold(model)
    assert model.training
    assert all((model.state_dict()[name] == tensor).all() for name, tensor in before.items())
    # Dropout is off while folding.
    assert (first.tensors["table"] == second.tensors["table"]).all()


def test_half_precision_models_fold() -> None:
    model = make_model()
    wanted = fold(model).logits_of_ids(*flat(id_lists()))
    assert_allclose(fold(model.bfloat16()).logits_of_ids(*flat(id_lists())), wanted, rtol=0.1, atol=0.6)


def test_trimmed_models_read_known_texts_the_same_and_other_words_as_unknown() -> None:
    model, tokenizer = make_model(), word_tokenizer()
    whole, trimmed = fold(model, tokenizer), fold(model, tokenizer, texts=TEXTS, trim=True)
    assert (trimmed.logits(TEXTS) == whole.logits(TEXTS)).all()
    assert (trimmed.logits(["w3 w40 w41"]) == whole.logits(["w3 unheard unheard"])).all()
    assert (trimmed.logits(["[PAD] w3 [PAD] w4"]) == whole.logits(["[PAD] w3 [PAD] w4"])).all()
    assert len(trimmed.tensors["table"]) == 20 + 1 + 1  # the words, the unknown word, the zero row
    cost = json.loads(trimmed.metadata["trim"])
    assert cost["tokens_kept"] == 21
    assert cost["tokens_before"] == VOCAB_SIZE
    # No word of these texts stands there once only.
    assert cost["expected_unseen_share"] == 0
    once = fold(model, tokenizer, texts=["w2 w2 w3 w4"], trim=True)
    assert json.loads(once.metadata["trim"])["expected_unseen_share"] == 0.5


def test_a_trimmed_token_without_an_unknown_word_is_still_a_token() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = ["[PAD]", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model = make_model(vocab_size=len(names), kernel_sizes=[2])
    trimmed = fold(model, tokenizer, texts=["ab"], trim=True)
    # "?" is trimmed: a zero vector, but its windows count, so that the answer is no empty text's.
    vector = model.textcnn.embeddings.channels[0].weight
    vector.data[tokenizer.token_to_id("?")] = 0
    assert_allclose(trimmed.logits(["?", "a?b"]), fold(model, tokenizer).logits(["?", "a?b"]), rtol=1e-5, atol=1e-5)
    assert tokenizer.token_to_id("[PAD]") == PAD


def test_the_int8_error_is_measured_on_the_texts() -> None:
    model, tokenizer = make_model(), word_tokenizer()
    exact, rounded = fold(model, tokenizer), fold(model, tokenizer, int8=True, texts=TEXTS)
    measured = json.loads(rounded.metadata["int8_error"])
    difference = np.abs(exact.predict_proba(TEXTS) - rounded.predict_proba(TEXTS))
    assert measured["texts"] == len(TEXTS)
    assert measured["max_probability_difference"] == pytest.approx(difference.max())
    assert measured["mean_probability_difference"] == pytest.approx(difference.mean())
    assert measured["label_agreement"] == (exact.predict(TEXTS) == rounded.predict(TEXTS)).mean()
    # Of a network of 12 filters with random weights; a trained one of 300 differs by a hundredth.
    assert 0 < measured["max_probability_difference"] < 0.3
    assert "int8_error" not in fold(model, tokenizer, int8=True).metadata


@pytest.mark.parametrize("name", ["default", "members", "multichannel", "pooled-norm", "many-filters"])
def test_factored_tables_are_those_of_int8(name: str, tmp_path: Path) -> None:
    model, texts = make_model(**CONFIGS[name]), TEXTS * 10
    rounded = fold(model, word_tokenizer(), int8=True, texts=texts)
    factored = fold(model, word_tokenizer(), int8=True, factored=True, texts=texts)
    assert factored.is_int8
    assert factored.table_shape == rounded.table_shape
    # Two steps of rounding in place of one.
    difference = np.abs(factored.tensors["table"].astype(int) - rounded.tensors["table"])
    assert 0 < difference.max() <= 3
    errors = [json.loads(one.metadata["int8_error"])["mean_probability_difference"] for one in (factored, rounded)]
    assert errors[0] < 3 * errors[1]
    # The table is made anew of what is stored.
    factored.save(tmp_path)
    tensors, _ = read_tensors(tmp_path / FOLDED_FILE)
    assert "table" not in tensors
    assert tensors["vectors"].dtype == np.int8
    again = FoldedTextCNN.load(tmp_path)
    assert (again.tensors["table"] == factored.tensors["table"]).all()
    assert (pickle.loads(pickle.dumps(again)).logits(texts) == factored.logits(texts)).all()


def test_factored_tables_that_are_trimmed() -> None:
    model, tokenizer = make_model(), word_tokenizer()
    trimmed = fold(model, tokenizer, int8=True, factored=True, texts=TEXTS, trim=True)
    assert trimmed.table_shape[0] == len(trimmed.tensors["vectors"]) < VOCAB_SIZE
    exact = fold(model, tokenizer)
    assert_allclose(trimmed.predict_proba(TEXTS), exact.predict_proba(TEXTS), atol=0.2)
    assert (trimmed.predict(TEXTS) == exact.predict(TEXTS)).mean() > 0.9


def test_factors_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="factored: got it without int8"):
        fold(make_model(), word_tokenizer(), factored=True)
    factored = fold(make_model(), word_tokenizer(), int8=True, factored=True)
    tensors = {name: tensor for name, tensor in factored.tensors.items() if name != "table"}
    for changed, message in (
        ({"filters": tensors["filters"][1:]}, r"filters: got \(5, \d+\); expected \(6, \d+\), as config.json says"),
        ({"vectors": None}, "vectors: got none, and no table"),
    ):
        left = {name: tensor for name, tensor in {**tensors, **changed}.items() if tensor is not None}
        with pytest.raises(ValueError, match=message):
            FoldedTextCNN(factored.config, left, None)


def test_int8_of_a_filter_of_zeros() -> None:
    model = make_model()
    model.textcnn.convolution.convs[1].weight.data[2] = 0
    exact, rounded = fold(model), fold(model, int8=True)
    texts = flat(id_lists())
    assert (exact.features_of_ids(*texts)[:, 6] == rounded.features_of_ids(*texts)[:, 6]).all()


def test_every_kind_of_tokenizer_object_is_taken() -> None:
    model, tokenizer = make_model(), word_tokenizer()
    wanted = fold(model, tokenizer).logits(TEXTS)
    for given in (tokenizer.to_str(), PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")):
        assert (fold(model, given).logits(TEXTS) == wanted).all()


def test_what_cannot_be_folded_is_refused() -> None:
    with pytest.raises(ValueError, match="trim: got no texts or no tokenizer"):
        fold(make_model(), word_tokenizer(), trim=True)
    with pytest.raises(ValueError, match="got a Linear without"):
        fold(nn.Linear(2, 2))
    with pytest.raises(TypeError, match="tokenizer: got a int"):
        fold(make_model(), 3)
    with pytest.raises(TypeError, match=r"texts: got dict; .* give a single column"):
        fold(make_model(), word_tokenizer(), int8=True, texts={"text": TEXTS})


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    directory = write_artifact(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return directory


def test_the_verb_makes_the_tables_that_load_opens(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = str(artifact.parent / "texts.txt")
    main(["fold", str(artifact)])
    exact = FoldedTextCNN.load(artifact)
    assert not exact.is_int8
    main(["fold", str(artifact), "--int8", "--texts", texts])
    rounded = FoldedTextCNN.load(artifact)
    assert rounded.is_int8
    error = json.loads(rounded.metadata["int8_error"])
    difference = np.abs(exact.predict_proba(TEXTS) - rounded.predict_proba(TEXTS))
    assert error["texts"] == len(TEXTS)
    assert_allclose(error["max_probability_difference"], difference.max())
    assert f"label_agreement {error['label_agreement']:.6g}" in capsys.readouterr().out

    main(["fold", str(artifact), "--int8", "--factored", "--texts", texts])
    assert "table" not in read_tensors(artifact / FOLDED_FILE)[0]
    assert (FoldedTextCNN.load(artifact).predict(TEXTS) == rounded.predict(TEXTS)).mean() > 0.9

    main(["fold", str(artifact), "--trim-vocabulary", texts, "--texts", texts])
    trimmed = FoldedTextCNN.load(artifact)
    assert trimmed.table_shape[0] < exact.table_shape[0]
    assert_allclose(trimmed.predict_proba(TEXTS), exact.predict_proba(TEXTS), atol=1e-6)
    assert json.loads(trimmed.metadata["error"])["max_probability_difference"] < 1e-6


def test_the_verb_refuses_int8_without_texts(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fold", str(artifact), "--int8"])
    assert stop.value.code == 2
    assert "--texts FILE" in capsys.readouterr().err


def test_saving_other_weights_drops_the_tables_of_the_old_ones(artifact: Path) -> None:
    before = textcnn.load(artifact).predict_proba(TEXTS)
    assert (artifact / "folded.safetensors").is_file()
    model = make_model()
    model.head.bias.data += torch.tensor([5.0, 0.0, 0.0])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
    save_artifact(model, tokenizer, artifact)
    assert np.abs(textcnn.load(artifact).predict_proba(TEXTS) - before).max() > 0.01
