"""`textcnn pretrain`: each objective, what starts from it, and runs that are stopped."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import textcnn
from textcnn.artifact import read_artifact
from textcnn.cli import main
from textcnn.data.texts import TextsDataModule
from textcnn.training.contrastive_losses import gram_loss, paired_contrastive_loss, supervised_contrastive_loss

WORDS = [f"word{number}" for number in range(30)]
VECTORS = np.random.default_rng(0).normal(size=(30, 8))
SMALL: dict[str, Any] = {
    "vectors": None,
    "kernel_sizes": [1, 2], "num_filters": 32, "embedding_dim": 16, "batch_size": 16, "learning_rate": 1e-2,
    "max_epochs": 6, "progress": False,
}  # fmt: skip
DEEP: dict[str, Any] = {**SMALL, "num_filters": 24, "num_blocks": 2, "min_frequency": 1}
del DEEP["kernel_sizes"]


def some_texts(count: int = 120) -> list[str]:
    rng = np.random.default_rng(1)
    return [" ".join(rng.choice(WORDS, 6)) for _ in range(count)]


def encode(texts: list[str]) -> np.ndarray:
    """The mean of the vectors of a text's words."""
    rows = [[VECTORS[WORDS.index(word)] for word in text.split() if word in WORDS] for text in texts]
    return np.array([np.mean(row, axis=0) if row else np.zeros(8) for row in rows])


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """120 texts whose label is told by one of three words."""
    path = tmp_path / "labelled.csv"
    rng = np.random.default_rng(2)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for number in range(120):
            good = number % 2
            words = ["lovely", "great", "warm"] if good else ["dull", "awful", "boring"]
            rows.writerow([f"a {rng.choice(words)} film with a {rng.choice(words)} plot", "good" if good else "bad"])
    return path


# ---- losses


def test_the_paired_loss_is_a_cross_entropy_of_cosines() -> None:
    vectors, others = torch.randn(5, 7), torch.randn(5, 7)
    wanted = 0.0
    for row in range(5):
        cosines = torch.stack([functional.cosine_similarity(vectors[row], other, dim=0) for other in others])
        wanted -= float((cosines / 0.1).log_softmax(dim=0)[row])
    assert float(paired_contrastive_loss(vectors, others, 0.1)) == pytest.approx(wanted / 5, rel=1e-5)


def test_the_supervised_loss_is_that_of_the_paper() -> None:
    """Khosla et al. 2020, equation 2, in loops; -1 is no label."""
    vectors, labels = torch.randn(6, 4), torch.tensor([0, 1, 0, 2, 1, -1])
    unit = functional.normalize(vectors, dim=1)
    losses = []
    for i in range(6):
        positives = [p for p in range(6) if p != i and labels[p] == labels[i] and labels[i] >= 0]
        if not positives:
            continue
        below = sum(torch.exp(unit[i] @ unit[a] / 0.1) for a in range(6) if a != i)
        losses.append(-sum(torch.log(torch.exp(unit[i] @ unit[p] / 0.1) / below) for p in positives) / len(positives))
    wanted = float(torch.stack(losses).mean())
    assert float(supervised_contrastive_loss(vectors, labels, 0.1)) == pytest.approx(wanted, rel=1e-5)


def test_the_supervised_loss_without_a_pair_is_nothing() -> None:
    vectors = torch.randn(3, 4, requires_grad=True)
    loss = supervised_contrastive_loss(vectors, torch.tensor([0, 1, -1]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert vectors.grad is not None


def test_the_gram_loss_is_a_divergence_of_similarities() -> None:
    """Zero for vectors of equal cosines, whatever their length and size; else the KL divergence, row by row."""
    vectors, targets = torch.randn(4, 6), torch.randn(4, 3)
    padded = torch.cat([vectors * torch.tensor([[1.0], [2.0], [3.0], [4.0]]), torch.zeros(4, 2)], dim=1)
    assert float(gram_loss(vectors, padded)) == pytest.approx(0, abs=1e-6)
    wanted = 0.0
    for i in range(4):
        rows = [
            torch.stack([functional.cosine_similarity(one[i], one[j], dim=0) for j in range(4) if j != i]) / 0.5
            for one in (vectors, targets)
        ]
        own, teacher = (row.softmax(dim=0) for row in rows)
        wanted += float((teacher * (teacher.log() - own.log())).sum())
    assert float(gram_loss(vectors, targets, 0.5)) == pytest.approx(0.25 * wanted / 4, rel=1e-4)


# ---- representation


def test_an_encoder_learns_another_and_answers_without_torch(tmp_path: Path) -> None:
    """Vectors of unseen texts come close to the teacher's; tables give what torch gives; int8 says its error."""
    texts = some_texts(400)
    scores = textcnn.pretrain(
        texts,
        tmp_path / "run",
        encoder=encode,
        pooling="max_mean",
        validation_fraction=0.2,
        **{**SMALL, "max_epochs": 16},
    )
    assert scores["val_cosine"] > 0.6  # untrained: 0; 0.72 to 0.79 with four seeds
    encoder = textcnn.load(tmp_path / "run")
    unseen = [" ".join(np.random.default_rng(9).permutation(WORDS)[:5]), "", "word3"]
    model, tokenizer = read_artifact(tmp_path / "run")
    batch = tokenizer(unseen, padding=True, return_tensors="pt")
    with torch.inference_mode():
        wanted = model.eval()(batch["input_ids"], batch["attention_mask"]).embeddings.numpy()
    np.testing.assert_allclose(encoder.encode(unseen, normalize=False), wanted, atol=1e-5)
    vectors = encoder.encode(unseen)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.similarity(unseen[:1], unseen), vectors[:1] @ vectors.T, atol=1e-6)
    assert encoder.dimensions == 8
    textcnn.fold(tmp_path / "run", int8=True, texts=texts)
    assert json.loads(textcnn.load(tmp_path / "run").engine.metadata["int8_error"])["min_cosine"] > 0.98


@pytest.mark.parametrize("backbone", ["parallel", "dilated"])
def test_an_encoder_as_an_onnx_file_gives_the_same_vectors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], backbone: str
) -> None:
    pytest.importorskip("onnxruntime")
    texts, file = some_texts(), tmp_path / "encoder.onnx"
    sizes = SMALL if backbone == "parallel" else {**DEEP, "backbone": backbone}
    textcnn.pretrain(texts, tmp_path / "run", objective="contrastive", encoding_dim=12, **{**sizes, "max_epochs": 1})
    main(["export", str(tmp_path / "run"), "--output", str(file)])
    assert "12 dimensions" in capsys.readouterr().out
    opened = textcnn.load(file)
    assert repr(opened) == "TextEncoder(12 dimensions, float32)"
    np.testing.assert_allclose(opened.encode(texts), textcnn.load(tmp_path / "run").encode(texts), atol=1e-5)
    with pytest.raises(FileNotFoundError, match=r"no file .*none\.onnx"):
        textcnn.load(tmp_path / "none.onnx")


def test_the_encoders_vectors_are_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transformer: str
) -> None:
    from textcnn.encoders import sentence

    monkeypatch.setattr("textcnn.data.computed.cache_folder", lambda: tmp_path / "cache")
    read: list[int] = []
    pooled = sentence._PooledTransformer.encode
    monkeypatch.setattr(
        sentence._PooledTransformer, "encode", lambda self, texts: (read.append(len(texts)), pooled(self, texts))[1]
    )
    texts = ["a lovely film", "a dull film", "great acting", "awful", "I liked it"] * 4
    options = {**SMALL, "max_epochs": 1}
    textcnn.pretrain(texts, tmp_path / "first", encoder=transformer, **options)
    assert read == [1, 5]  # one for the size; equal texts are one
    textcnn.pretrain([*texts, "a plot"], tmp_path / "second", encoder=transformer, **options)
    assert read == [1, 5, 1, 1]


def test_a_pooled_transformer_is_the_mean_of_its_tokens(transformer: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    from textcnn.encoders.sentence import open_encoder

    texts = ["a lovely film", "awful"]
    model, tokenizer = AutoModel.from_pretrained(transformer).eval(), AutoTokenizer.from_pretrained(transformer)
    vectors = open_encoder(transformer, "32-true").encode(texts)
    for text, vector in zip(texts, vectors, strict=True):
        with torch.inference_mode():
            wanted = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
        np.testing.assert_allclose(vector, wanted, atol=1e-5)


def test_another_pooling_is_refused(transformer: str, tmp_path: Path) -> None:
    import shutil

    from textcnn.encoders.sentence import open_encoder

    folder = Path(shutil.copytree(transformer, tmp_path / "pooled"))
    (folder / "1_Pooling").mkdir()
    modules = [{"path": "", "type": "a.Transformer"}, {"path": "1_Pooling", "type": "a.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_lasttoken": True}))
    with pytest.raises(ValueError, match="pools by lasttoken; expected mean_tokens"):
        open_encoder(str(folder))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert open_encoder(str(folder)).encode(["a film"]).shape == (1, 8)
    (folder / "modules.json").write_text(json.dumps([*modules, {"path": "2_Dense", "type": "a.Dense"}]))
    with pytest.raises(ValueError, match="has Dense after its pooling"):
        open_encoder(str(folder))


# ---- contrastive


def test_contrastive_vectors_tell_labels_apart(tmp_path: Path, labelled: Path) -> None:
    textcnn.pretrain(
        labelled,
        tmp_path / "run",
        objective="contrastive",
        label_column="label",
        encoding_dim=4,
        **{**SMALL, "max_epochs": 12},
    )
    encoder = textcnn.load(tmp_path / "run")
    good, bad = ["a lovely film with a warm plot", "a great film"], ["a dull film with a boring plot", "an awful film"]
    assert encoder.similarity(good, good).min() > encoder.similarity(good, bad).max() + 0.1


def test_two_dropouts_make_pairs(tmp_path: Path) -> None:
    scores = textcnn.pretrain(some_texts(), tmp_path / "run", objective="contrastive", **SMALL)
    assert scores["val_loss"] < np.log(2)  # two texts are held out
    with pytest.raises(ValueError, match="dropout: got 0; expected more"):
        textcnn.pretrain(some_texts(), tmp_path / "other", objective="contrastive", dropout=0.0, **SMALL)


# ---- masked and diffusion


def test_masked_tokens_are_learnt(tmp_path: Path, labelled: Path) -> None:
    scores = textcnn.pretrain(labelled, tmp_path / "run", objective="masked", **{**DEEP, "max_epochs": 15})
    # Two of eight words are one of six; the rest is certain: 0.45 is the best.
    assert scores["val_loss"] < 1.2
    with pytest.raises(ValueError, match="a masked language model, which has no answers"):
        textcnn.load(tmp_path / "run")


def test_the_bound_of_a_diffusion_weighs_by_the_rate() -> None:
    from textcnn.training.tasks.masked import DiffusionModule

    module: Any = DiffusionModule.__new__(DiffusionModule)
    hidden = torch.tensor([[True, False, True], [False, True, False]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    loss = module.combine(torch.tensor([1.0, 2.0, 4.0]), hidden, mask, torch.tensor([0.5, 0.25]))
    assert float(loss) == pytest.approx((1 / 0.5 + 2 / 0.5 + 4 / 0.25) / 5)
    rates = module.rates(1000, np.random.default_rng(0))
    assert 0 < float(rates.min()) <= float(rates.max()) <= 1
    assert float(rates.mean()) == pytest.approx(0.5, abs=1e-3)
    assert len({int(rate * 10) for rate in rates.tolist()} - {10}) == 10


def test_padding_changes_no_loss(tmp_path: Path, labelled: Path) -> None:
    textcnn.pretrain(labelled, tmp_path / "run", objective="masked", **{**DEEP, "max_epochs": 1})
    model, tokenizer = read_artifact(tmp_path / "run")
    ids = tokenizer(["a lovely film"], return_tensors="pt")["input_ids"]
    padded = functional.pad(ids, (0, 5), value=model.config.pad_token_id)
    with torch.inference_mode():
        logits = model.eval()(ids).logits
        torch.testing.assert_close(model(padded).logits[:, : ids.shape[1]], logits, atol=1e-5, rtol=1e-5)
    never = [model.config.pad_token_id, model.config.mask_token_id]
    assert torch.isinf(logits[..., never]).all()
    assert torch.isfinite(logits).sum(dim=-1).eq(model.config.vocab_size - 2).all()


# ---- what starts from it


@pytest.mark.parametrize("objective", ["contrastive", "diffusion"])
def test_training_starts_from_the_weights(tmp_path: Path, labelled: Path, objective: str) -> None:
    options = DEEP if objective == "diffusion" else SMALL
    textcnn.pretrain(labelled, tmp_path / "run", objective=objective, **{**options, "max_epochs": 1})
    textcnn.train(
        labelled, tmp_path / "classifier", init=tmp_path / "run", max_epochs=1, learning_rate=1e-12, progress=False
    )
    pretrained = textcnn.TextCNNModel.from_pretrained(tmp_path / "run").state_dict()
    started = textcnn.TextCNNModel.from_pretrained(tmp_path / "classifier").state_dict()
    assert pretrained.keys() == started.keys()
    for name, tensor in pretrained.items():
        torch.testing.assert_close(started[name], tensor, atol=1e-6, rtol=0)
    assert (tmp_path / "classifier" / "tokenizer.json").read_text() == (tmp_path / "run" / "tokenizer.json").read_text()


def test_each_bank_of_a_mixture_starts_from_one(tmp_path: Path, labelled: Path) -> None:
    textcnn.pretrain(labelled, tmp_path / "run", objective="contrastive", **{**SMALL, "max_epochs": 1})
    arguments: dict[str, Any] = {"max_epochs": 1, "learning_rate": 1e-12, "progress": False}
    experts: dict[str, Any] = {"num_experts": 3, "experts_per_text": 2, "balance_weight": 0.02}
    textcnn.train(labelled, tmp_path / "mixture", init=tmp_path / "run", **experts, **arguments)
    bank = textcnn.TextCNNModel.from_pretrained(tmp_path / "run").state_dict()
    model = textcnn.TextCNNModel.from_pretrained(tmp_path / "mixture")
    started = model.state_dict()
    assert {name: getattr(model.config, name) for name in experts} == experts
    for name, tensor in bank.items():
        for copy in [f"banks.{number}.convs" for number in range(3)]:
            torch.testing.assert_close(started[name.replace("convs", copy)], tensor, atol=1e-6, rtol=0)
    # The router is no copy of anything: banks differ for a text from the first step on.
    assert started["convolution.router.weight"].std(dim=0).min() > 0

    # A mixture goes on as one of as many banks, and is not made one bank.
    textcnn.train(labelled, tmp_path / "on", init=tmp_path / "mixture", **arguments)
    assert textcnn.TextCNNModel.from_pretrained(tmp_path / "on").config.num_experts == 3
    with pytest.raises(ValueError, match=r"num_experts: got 2, and 3 in .*leave out num_experts"):
        textcnn.train(labelled, tmp_path / "other", init=tmp_path / "mixture", num_experts=2, **arguments)


def test_what_does_not_go_with_init_is_refused(tmp_path: Path, labelled: Path) -> None:
    textcnn.pretrain(labelled, tmp_path / "run", objective="contrastive", **{**SMALL, "max_epochs": 1})
    arguments = {"init": tmp_path / "run", "progress": False}
    with pytest.raises(ValueError, match=r"kernel_sizes: got \[2, 3\], and \[1, 2\] in .*leave out kernel_sizes"):
        textcnn.train(labelled, tmp_path / "classifier", kernel_sizes=[2, 3], **arguments)
    with pytest.raises(ValueError, match="expected its own tokenizer; give tokenizer \\(--tokenizer\\)"):
        textcnn.train(labelled, tmp_path / "classifier", tokenizer="byte", **arguments)
    with pytest.raises(ValueError, match="init: got it with initial vectors"):
        textcnn.train(labelled, tmp_path / "classifier", vectors=str(tmp_path / "run"), **arguments)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        textcnn.train(labelled, tmp_path / "classifier", init=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="an encoder without labels; expected a classifier"):
        textcnn.evaluate(tmp_path / "run", labelled)


def test_a_contrastive_weight_pulls_labels_together(tmp_path: Path, labelled: Path) -> None:
    """The loss of the features is lower with it, on the same data and seed."""
    data = textcnn.TextDataModule(str(labelled), validation_fraction=0.0)
    texts, targets = data.texts_and_targets("train")
    losses = []
    for weight in (0.0, 2.0):
        run = tmp_path / str(weight)
        textcnn.train(labelled, run, contrastive_weight=weight, **SMALL)
        features = torch.from_numpy(textcnn.load(run).features(texts))
        losses.append(float(supervised_contrastive_loss(features, torch.from_numpy(targets), 0.1)))
    assert losses[1] < losses[0]


# ---- runs


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    """With the same batches and weights, as one that was not stopped; without dropout, whose draws start anew."""
    from lightning.pytorch.callbacks import Callback

    class Stop(Callback):
        def on_train_batch_end(self, trainer: Any, *_arguments: Any) -> None:
            if trainer.global_step == 14:
                trainer.save_checkpoint(tmp_path / "stopped" / "checkpoints" / "last.ckpt")
                raise RuntimeError("stopped")

    options = {"encoder": encode, **SMALL, "max_epochs": 3, "dropout": 0.0}
    whole = textcnn.pretrain(some_texts(), tmp_path / "whole", **options)
    with pytest.raises(RuntimeError, match="stopped"):
        textcnn.pretrain(some_texts(), tmp_path / "stopped", **options, callbacks=[Stop()])
    resumed = textcnn.pretrain(some_texts(), tmp_path / "stopped", **options)
    assert resumed["val_loss"] == pytest.approx(whole["val_loss"], rel=1e-4)


def test_the_settings_and_the_card_tell_of_the_run(tmp_path: Path, labelled: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    options = [f"--{name}={value}" for name, value in SMALL.items() if name not in ("kernel_sizes", "progress")]
    line = ["pretrain", str(labelled), "--objective", "contrastive", "--kernel_sizes", "1", "2", "--output", str(run)]
    main([*line, *options, "--no_progress"])
    assert "val_loss" in capsys.readouterr().out
    card = (run / "README.md").read_text()
    assert "pipeline_tag: sentence-similarity" in card
    assert "pretrained by contrastive" in card
    assert "117" in card or "118" in card  # texts to train on
    main(["pretrain", "--config", str(run / "config.yaml"), "--output", str(tmp_path / "again"), "--no_progress"])
    first, second = (textcnn.load(path).encode(["a lovely film"]) for path in (run, tmp_path / "again"))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_settings_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="encoder: got none with objective representation"):
        textcnn.pretrain(["a", "b"])
    with pytest.raises(ValueError, match="encoder: got one with objective contrastive"):
        textcnn.pretrain(["a", "b"], objective="contrastive", encoder=encode)
    with pytest.raises(ValueError, match="mask_share: got 1"):
        textcnn.pretrain(["a", "b"], objective="masked", mask_share=1.0)
    with pytest.raises(ValueError, match="texts: got 1; expected two at least"):
        TextsDataModule(["a"])
