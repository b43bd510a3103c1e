"""A transformer that reads texts without labels, and the copies of texts that it draws words for."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM, BertModel

import textcnn
from textcnn.cli import main
from textcnn.data.unlabelled import read_unlabelled
from textcnn.distillation.augment import replacements
from textcnn.distillation.augment.replacements import replace_words
from textcnn.finetuning import adapt as module
from textcnn.finetuning.adapt import MaskedLMModule, adapt
from textcnn.finetuning.masked_lm import hidden_logits
from textcnn.finetuning.teach import teach
from textcnn.settings import AugmentationSettings
from textcnn.tokenization import train_tokenizer
from textcnn.training import resume

QUICK = {"batch_size": 16, "learning_rate": 0.01, "precision": "32-true", "progress": False}


@pytest.fixture
def headless(transformer: str, tmp_path: Path) -> str:
    """The transformer, with a token for hidden words and without a head for them."""
    directory = tmp_path / "headless"
    tokenizer = AutoTokenizer.from_pretrained(transformer)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    config = AutoConfig.from_pretrained(transformer, vocab_size=len(tokenizer), tie_word_embeddings=True)
    torch.manual_seed(0)
    BertModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture
def masked(headless: str, tmp_path: Path) -> str:
    """The same with a head of random weights."""
    directory = tmp_path / "masked"
    tokenizer = AutoTokenizer.from_pretrained(headless)
    torch.manual_seed(0)
    BertForMaskedLM(AutoConfig.from_pretrained(headless)).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


def test_a_transformer_learns_the_hidden_words_and_is_taught_afterwards(
    reviews: Path, headless: str, tmp_path: Path
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(pd.read_csv(reviews)["text"]) + "\n")
    adapted = tmp_path / "adapted"
    arguments = ["adapt", headless, "--texts", str(texts), "--output", str(adapted)]
    main([*arguments, "--max_epochs", "15", "--batch_size", "16", "--learning_rate", "0.01", "--max_length", "16"])
    after = json.loads((adapted / "scores.json").read_text())["val_loss"]
    before = adapt(headless, texts, tmp_path / "before", max_epochs=1, **{**QUICK, "learning_rate": 1e-9})["val_loss"]
    assert after < 0.75 * before
    _, report = AutoModelForMaskedLM.from_pretrained(adapted, output_loading_info=True)
    assert not report["missing_keys"]
    # Pieces of 16 tokens are no limit of what a teacher made from it may read.
    length = AutoTokenizer.from_pretrained(headless).model_max_length
    assert AutoTokenizer.from_pretrained(adapted).model_max_length == length
    assert (adapted / "model.safetensors").stat().st_mode == (adapted / "config.json").stat().st_mode
    assert not (adapted / "checkpoints").exists()
    scores = teach(str(adapted), str(reviews), tmp_path / "teacher", max_epochs=6, **QUICK)
    assert scores["val_accuracy"] > 0.8
    student = textcnn.distill(
        str(tmp_path / "teacher"), str(reviews), None, tmp_path / "student", max_epochs=1, progress=False,
        replacements=2, masked_lm=str(adapted), num_filters=8,
    )  # fmt: skip
    assert student.labels == ["negative", "positive"]
    assert '"transfer_texts": 324' in (tmp_path / "student" / "README.md").read_text()


def test_an_adaptation_goes_on_where_it_was(headless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "SAVE_EVERY", timedelta(0))
    texts = [f"a lovely film and plot {'great ' * (i % 7)}" for i in range(100)]

    def run(name: str) -> dict[str, torch.Tensor]:
        adapt(headless, texts, tmp_path / name, max_epochs=2, **QUICK)
        return load_file(tmp_path / name / "model.safetensors")

    # Dropout is drawn from the generator of the process, which a new one begins anew.
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda tensor, *_, **__: tensor)
    whole = run("whole")
    with monkeypatch.context() as down:
        step = MaskedLMModule.training_step

        def fails(self: MaskedLMModule, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
            if self.global_step == 9:
                raise RuntimeError("no power")
            return step(self, batch, batch_idx)

        down.setattr(MaskedLMModule, "training_step", fails)
        with pytest.raises(RuntimeError, match="no power"):
            run("killed")
    again = run("killed")
    for name, tensor in whole.items():
        torch.testing.assert_close(again[name], tensor, atol=1e-6, rtol=1e-5)
    # Other texts are another run, as many as they may be.
    with monkeypatch.context() as down:
        down.setattr(module, "save_fine_tuned", lambda *_: {})
        run_unsaved = adapt(headless, texts, tmp_path / "other", max_epochs=2, **QUICK)
    assert run_unsaved == {}
    steps: list[int] = []
    monkeypatch.setattr(
        MaskedLMModule,
        "training_step",
        lambda self, batch, i: steps.append(self.global_step) or step(self, batch, i),
    )
    adapt(headless, [text.replace("plot", "film") for text in texts], tmp_path / "other", max_epochs=2, **QUICK)
    assert steps[:2] == [0, 1]


def test_only_the_hidden_tokens_go_through_the_head(masked: str) -> None:
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(masked).eval(), AutoTokenizer.from_pretrained(masked)
    inputs = dict(tokenizer(["a lovely film", "great acting and plot", "dull"], padding=True, return_tensors="pt"))
    hidden = (torch.arange(inputs["input_ids"].numel()) % 3 == 1).view(inputs["input_ids"].shape)
    seen: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda _, args, __: seen.append(args[0].shape[-2]))
    with torch.no_grad():
        found = hidden_logits(model, inputs, hidden.flatten().nonzero()[:, 0])
        expected = model(**inputs).logits[hidden]
    torch.testing.assert_close(found, expected)
    assert seen == [int(hidden.sum()), inputs["input_ids"].shape[1]]


def test_batches_have_few_sizes_and_the_loss_is_that_of_the_hidden_tokens(masked: str) -> None:
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(masked).eval(), AutoTokenizer.from_pretrained(masked)
    pieces = [np.array(tokenizer(text)["input_ids"], np.int32) for text in ("a lovely film", "dull", "and plot")]
    longest = max(map(len, pieces))
    batch = module._padded(pieces, tokenizer.pad_token_id, 32)
    assert batch["input_ids"].shape == (3, -(-longest // 8) * 8)
    assert module._padded(pieces, tokenizer.pad_token_id, longest)["input_ids"].shape == (3, longest)
    assert batch["attention_mask"].sum(dim=1).tolist() == [len(piece) for piece in pieces]
    learner = MaskedLMModule(model, tokenizer, 1e-3, "32-true", mask_share=0.5, seed=0).eval()
    read: list[torch.Tensor] = []
    model.get_output_embeddings().register_forward_hook(lambda _, args, __: read.append(args[0]))
    model.base_model.register_forward_pre_hook(
        lambda _, args, given: read.append([*args, *given.values()][0].clone()), with_kwargs=True
    )
    loss = learner._loss(batch, 0)
    assert read[1].shape[-2] == 64
    hidden = read[0] == tokenizer.mask_token_id
    logits = model(read[0], attention_mask=batch["attention_mask"]).logits[hidden]
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, batch["input_ids"][hidden]))


def test_long_texts_are_read_in_pieces(masked: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(masked)
    text = "a lovely film and a dull plot " * 9
    # What has no word, or none that the model knows, is left out: there is nothing to guess in it.
    found = module._pieces([text, "", "dull", "\U0001f600 [MASK]", "bad \ud800 film"], tokenizer, max_length=10)
    assert list(map(len, found)) == [len(found[0]), 1, 1]
    assert max(map(len, found[0])) == 10
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id}
    read = [token for pieces in found[:2] for piece in pieces for token in piece.tolist() if token not in special]
    assert read == [*tokenizer(text, add_special_tokens=False)["input_ids"], *tokenizer("dull")["input_ids"][1:-1]]


def test_of_a_labelled_set_the_train_split_is_read(masked: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for split, text in (("test", "awful"), ("train", "lovely"), ("validation", "dull")):
        pd.DataFrame({"text": [text] * 3, "label": [0, 1, 0]}).to_csv(folder / f"{split}.csv", index=False)
    assert read_unlabelled(folder, split_documents=False, limit=None) == ["lovely"] * 3
    pd.DataFrame({"text": ["great"]}).to_csv(folder / "unsupervised.csv", index=False)
    assert read_unlabelled(folder, split_documents=False, limit=None) == ["great"]
    (folder / "unsupervised.csv").unlink()
    (folder / "train.csv").unlink()
    with pytest.raises(ValueError, match="expected one, or one of the names unsupervised, unlabelled, "):
        read_unlabelled(folder, split_documents=False, limit=None)


def test_what_is_hidden_is_a_share_of_the_words(masked: str) -> None:
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(masked), AutoTokenizer.from_pretrained(masked)
    learner = MaskedLMModule(model, tokenizer, 1e-3, "32-true", mask_share=0.3, seed=0)
    seen: list[torch.Tensor] = []
    model.base_model.register_forward_pre_hook(
        lambda _, args, given: seen.append([*args, *given.values()][0].clone()), with_kwargs=True
    )
    batch = dict(tokenizer(["a lovely film and plot " * 2, "dull"] * 200, padding=True, return_tensors="pt"))
    losses = [learner._loss(batch, step) for step in (5, 5, 6)]
    assert losses[0] != losses[2]
    assert torch.equal(seen[0], seen[1])
    hidden = seen[0] == tokenizer.mask_token_id
    words = ~torch.isin(batch["input_ids"], torch.tensor(tokenizer.all_special_ids))
    assert not (hidden & ~words).any()
    assert hidden.any(dim=1).all()
    assert hidden[::2].sum() / words[::2].sum() == pytest.approx(0.3, abs=0.02)
    assert torch.equal(seen[0][~hidden], batch["input_ids"][~hidden])


def test_words_are_drawn_as_the_model_thinks_them_probable(masked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacements, "_CANDIDATES", 3)
    tokenizer, model = AutoTokenizer.from_pretrained(masked), AutoModelForMaskedLM.from_pretrained(masked).eval()
    made = replace_words(["a lovely film"] * 3000, masked, copies=1, share=0.0, seed=0)
    assert set(made) == set(replace_words(["a lovely film"], masked, copies=1, share=0.0, seed=0))
    made = replace_words(["a lovely film"], masked, copies=4000, share=0.0)
    last = [copy.removeprefix("a lovely ") for copy in made if copy.startswith("a lovely ")]
    with torch.no_grad():
        logits = model(**tokenizer("a lovely [MASK]", return_tensors="pt")).logits[0, 3]
    words = {name: row for name, row in tokenizer.get_vocab().items() if re.fullmatch(r"[^\W\d_]{2,}", name)}
    del words["film"]
    best = sorted(words, key=lambda name: -float(logits[words[name]]))[:3]
    shares = torch.stack([logits[words[name]] for name in best]).softmax(dim=0).tolist()
    assert set(last) <= set(best)
    assert [last.count(name) / len(last) for name in best] == pytest.approx(shares, abs=0.05)


def test_everything_but_the_replaced_words_stays(masked: str) -> None:
    texts = [" A LOVELY film, 2 plots -- dull!\n", "42 ?!", "", "the [MASK] film"]
    made = replace_words(texts, masked, copies=20, share=1.0)
    # Without a word, or with a mask of its own, a text gives no copy.
    assert len(made) == 20
    for copy in made:
        found = re.fullmatch(r" A ([A-Z]{2,}) ([a-z]{2,}), 2 ([a-z]{2,}) -- ([a-z]{2,})!\n", copy)
        assert found is not None, copy
        assert found[1] != "LOVELY"
        assert found[2] != "film"
        assert found[4] != "dull"
    # Copies of a text do not depend on the texts beside it, so that a teacher's labels of them can be used again.
    assert replace_words([*texts, "a great plot"], masked, copies=20, share=1.0)[:20] == made
    assert replace_words(texts, masked, copies=20, share=1.0, seed=1) != made


def test_parts_of_words_are_no_words(masked: str) -> None:
    # Of what is written without spaces, with vowel signs or with numbers, no part is replaced.
    chinese, hindi = "\u8fd9\u90e8\u7535\u5f71\u5f88\u597d\u770b", "\u0905\u091a\u094d\u091b\u0940"
    texts = [chinese, hindi, "mp3 2nd e\u0301te\u0301 a_film"]
    assert replace_words(texts, masked, share=1.0) == []
    mixed = f"{texts[0]} {texts[1]} film {texts[2]}"
    [made] = replace_words([mixed], masked, share=1.0)
    assert re.fullmatch(f"{texts[0]} {texts[1]} [a-z]+ {texts[2]}", made)
    assert made != mixed


def test_a_short_model_reads_what_it_has_places_for(masked: str) -> None:
    [made] = replace_words(["lovely " * 60], masked, share=1.0)  # it has 32
    words = made.split()
    assert "lovely" not in words[:30]
    assert words[30:] == ["lovely"] * 30


def test_a_checkpoint_in_half_precision_is_trained_in_float32(headless: str, tmp_path: Path) -> None:
    model = BertModel.from_pretrained(headless)
    model.to(torch.bfloat16).save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(headless).save_pretrained(tmp_path / "half")
    adapt(str(tmp_path / "half"), ["a lovely film"] * 9, tmp_path / "run", max_epochs=1, **QUICK)
    assert {weight.dtype for weight in load_file(tmp_path / "run" / "model.safetensors").values()} == {torch.float32}


def test_words_behind_the_length_that_is_read_stay(masked: str) -> None:
    text = "lovely " * 30 + "film"
    for copy in replace_words([text], masked, copies=3, share=1.0, max_length=12):
        words = copy.split()
        assert len(words) == 31
        assert "lovely" not in words[:10]
        assert words[10:] == text.split()[10:]
    # The first words are read, whichever end the tokenizer cuts off.
    text = "great dull " * 4 + "film plot " * 9
    made = replace_words([text], masked, copies=9, share=0.5, max_length=12)
    settings = Path(masked) / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "truncation_side": "left"}))
    assert AutoTokenizer.from_pretrained(masked).truncation_side == "left"
    assert replace_words([text], masked, copies=9, share=0.5, max_length=12) == made


def test_mistakes_are_named(reviews: Path, transformer: str, headless: str, masked: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"masked_lm: .*headless has no trained head .*what `textcnn adapt` makes"):
        replace_words(["a lovely film"], headless)
    with pytest.raises(ValueError, match="whose tokenizer has no mask token; expected a transformer"):
        adapt(transformer, ["a lovely film"] * 5, tmp_path / "run")
    for open_it in (adapt, teach):
        with pytest.raises(FileNotFoundError, match=r"model: got '.*headles'[;,] .* \(did you mean '.*headless'\?\)"):
            open_it(str(tmp_path / "headles"), str(reviews), tmp_path / "run")
    bare = tmp_path / "bare"
    BertForMaskedLM(AutoConfig.from_pretrained(masked)).save_pretrained(bare)
    with pytest.raises(ValueError, match=r"model: got .*bare, which cannot be read \(.*without tokenizer files"):
        adapt(str(bare), ["a lovely film"] * 5, tmp_path / "run")
    with pytest.raises(ValueError, match="texts: got 0 with a word that the model knows"):
        adapt(masked, ["\U0001f600"] * 9, tmp_path / "run")
    tokenizer = train_tokenizer(["a b c d"] * 9, "wordpiece", vocab_size=30)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    tokenizer.save_pretrained(bare)
    with pytest.raises(ValueError, match=r"masked_lm: got .*bare, none of whose tokens is a word; .*; take another"):
        replace_words(["a lovely film"], str(bare))
    with pytest.raises(ValueError, match=r"mask_share: got 1.5; expected a share between 0 and 1"):
        adapt(masked, ["a lovely film"] * 5, tmp_path / "run", mask_share=1.5)
    textcnn.train(str(reviews), tmp_path / "student", max_epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"model: got .*student, which cannot be read"):
        adapt(str(tmp_path / "student"), ["a lovely film"] * 5, tmp_path / "run")
    for name, value, said in (
        ("max_epochs", 0, "expected at least 1"),
        ("batch_size", 0, "expected at least 1"),
        ("max_length", 2, "expected at least 3, a token between"),
        ("learning_rate", -1.0, "expected a number between 0 and 1"),
        ("limit", 0, "expected at least 1; leave it out to take all"),
    ):
        with pytest.raises(ValueError, match=f"{name}: got {value}; {said}"):
            adapt(masked, ["a lovely film"] * 5, tmp_path / "run", **{name: value})
        if name != "limit":
            with pytest.raises(ValueError, match=f"{name}: got {value}; {said}"):
                teach(masked, "nowhere", tmp_path / "run", **{name: value})
    with pytest.raises(ValueError, match="texts: got 1 with a word that the model knows; expected two at least"):
        adapt(masked, ["a lovely film"], tmp_path / "run")
    with pytest.raises(ValueError, match="got no masked_lm"):
        AugmentationSettings(replacements=1)
    assert np.isfinite(adapt(masked, ["a lovely film", "dull"], tmp_path / "run", max_epochs=1, **QUICK)["val_loss"])
