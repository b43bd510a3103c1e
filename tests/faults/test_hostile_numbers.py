"""Numbers that no model can be made of are refused, and a loss that is not finite ends a run before its step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from fault_ledger import Ledger
from folded_models import make_model, word_tokenizer

import textcnn
from textcnn.cli import main
from textcnn.data import computed
from textcnn.distillation.labelling import label_texts
from textcnn.distillation.teachers import Teacher
from textcnn.folding.fold import fold
from textcnn.model import TextCNNConfig
from textcnn.settings import TrainSettings
from textcnn.training.checkpoints import WholeCheckpoints
from textcnn.training.finite import FiniteLoss
from textcnn.training.tasks.classification import ClassificationModule

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "setting",
    [{"learning_rate": value} for value in (NAN, INF, -INF, -1e-3, 0.0, 1e30)]
    + [{"embedding_learning_rate": value} for value in (NAN, -1.0, 1e30)]
    + [{"gradient_clip_val": NAN}, {"weight_decay": NAN}, {"naive_bayes": NAN}, {"dropout": NAN}, {"warmup": NAN}]
    + [{"layer_norm_eps": NAN}, {"head_max_norm": NAN}, {"class_weights": [1.0, NAN]}, {"validation_fraction": NAN}],
)
def test_settings(setting: dict[str, float], ledger: Ledger) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=rf"{name}: got .*; expected"):
        TrainSettings("data.csv", **setting)
    ledger.add("a setting of training that is NaN, infinite, negative or 1e30", 1, "refused")


@pytest.mark.parametrize("setting", [{"layer_norm_eps": -1.0}, {"class_weights": [-1.0, 1.0]}, {"temperature": INF}])
def test_settings_of_the_network(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))}: got"):
        TextCNNConfig(id2label={0: "a", 1: "b"}, **setting)


@pytest.mark.parametrize("value", ["nan", "-1", "1e30"])
def test_on_the_command_line(value: str, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", str(reviews), "--output", str(tmp_path / "run"), "--learning_rate", value])
    assert end.value.code == 2
    assert "learning_rate: got" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["1e38", "nan", "inf"])
def test_vectors(value: str, reviews: Path, tmp_path: Path) -> None:
    words = ["lovely", "dull", "film", "plot", "great", "awful"]
    lines = [f"{word} 0.1 0.2 {value if word == 'plot' else 0.3}" for word in words]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=r"(token 'plot'; |not finite at line 4 of .*vectors).*expected"):
        textcnn.train(
            str(reviews), tmp_path / "run", vectors=str(tmp_path / "vectors.txt"), tokenizer="word", progress=False
        )
    assert not (tmp_path / "run" / "model.safetensors").exists()


def small_run(reviews: Path, output: Path, **changes: Any) -> None:
    textcnn.train(str(reviews), output, batch_size=8, max_epochs=2, num_filters=4, progress=False, **changes)


def test_a_loss_that_is_not_finite_names_its_batch_and_cause(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spoil(lightning.Callback):
        def __init__(self, weight: float) -> None:
            self.weight = weight

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            if trainer.global_step == 16:
                with torch.no_grad():
                    module.model.head.weight[0, 0] = self.weight
                    module.model.textcnn.convolution.convs[0].bias[:] = 1.0

    for weight, told in ((NAN, "head.weight has grown to nan"), (INF, "head.weight has grown to inf")):
        output = tmp_path / str(weight)
        with pytest.raises(ValueError, match=rf"train_loss: got .* in batch 3 of epoch 2 \(step 17\); .*{told}: lower"):
            small_run(reviews, output, callbacks=[Spoil(weight)])
        assert not (output / "model.safetensors").exists()
        for path in (output / "checkpoints").glob("*.ckpt"):
            weights = torch.load(path, weights_only=True)["state_dict"]
            assert all(torch.isfinite(tensor).all() for tensor in weights.values() if tensor.is_floating_point())

    plain = ClassificationModule.loss
    monkeypatch.setattr(ClassificationModule, "loss", lambda self, *arguments: plain(self, *arguments) * INF)
    with pytest.raises(
        ValueError, match=r"in batch 1 of epoch 1 .*the weights are finite, so that it comes from this batch"
    ):
        small_run(reviews, tmp_path / "targets")


def test_weights_that_are_not_finite_stand_in_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a: got 1 of 3 weights that are not finite; .*nothing is saved"):
        WholeCheckpoints().save_checkpoint({"state_dict": {"a": torch.tensor([1.0, INF, 2.0])}}, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_every_trainer_watches_the_loss(reviews: Path, transformer: str, tmp_path: Path) -> None:
    from textcnn.finetuning.base import fine_tuning_trainer
    from textcnn.settings import RunSettings
    from textcnn.training.run import make_trainer

    for trainer in (fine_tuning_trainer(tmp_path, 1, False), make_trainer(tmp_path, RunSettings(progress=False))):
        assert any(isinstance(callback, FiniteLoss) for callback in trainer.callbacks)
        assert isinstance(trainer.strategy.checkpoint_io, WholeCheckpoints)


class Ones(Teacher):
    fingerprint = "ones"
    asked = 0

    def logits(self, texts: list[str]) -> np.ndarray:
        self.asked += len(texts)
        return np.array([[len(text), 1.0] for text in texts], np.float32)


def test_damaged_answers_of_a_teacher_are_set_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: Callable[[int, int], int], ledger: Ledger
) -> None:
    texts = [f"text {'x' * i}" for i in range(50)]
    wanted = label_texts(Ones(), texts, 2, tmp_path)
    (part,) = tmp_path.glob("teacher-*/part-*.npz")
    content, rng = part.read_bytes(), np.random.default_rng(0)
    damages = [content[:0], content[:10], content[: len(content) // 2], b"no zip"]
    for _ in range(count(60, 1000)):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        damages.append(bytes(flipped))
    aside = 0
    for damaged in damages:
        for path in part.parent.iterdir():
            path.unlink()
        part.write_bytes(damaged)
        teacher = Ones()
        np.testing.assert_array_equal(label_texts(teacher, texts, 2, tmp_path), wanted)
        said = capsys.readouterr().err
        assert ("set aside" in said) == bool(teacher.asked)
        aside += bool(teacher.asked)
    assert aside > 0.8 * len(damages)
    ledger.note(
        "a part of a teacher's answers, cut short or with one bit flipped", len(damages),
        f"{aside:,} set aside and computed again, {len(damages) - aside:,} the same answers",
    )  # fmt: skip
    assert computed._KEY_BYTES == 16


def test_int8_reaches_as_far_as_the_texts_of_training() -> None:
    """500 texts unlike those in use give narrow ranges; with texts like those of training the error in use is small."""
    model, rng = make_model(num_filters=24), np.random.default_rng(0)
    with torch.no_grad():
        vectors = model.textcnn.embeddings.channels[0].weight
        model.head.weight *= 0.03
        vectors[2:26] *= 0.02  # words of the unlike texts

    def texts(low: int, high: int, count: int) -> list[str]:
        return [" ".join(f"w{i}" for i in rng.integers(low, high, 12)) for _ in range(count)]

    unlike, alike, used = texts(2, 26, 500), texts(26, 50, 300), texts(26, 50, 500)
    exact = fold(model, word_tokenizer()).predict_proba(used)
    worst = {}
    for name, held_out in (("narrow", None), ("wide", alike)):
        folded = fold(model, word_tokenizer(), int8=True, texts=unlike, alike=held_out)
        worst[name] = float(np.abs(folded.predict_proba(used) - exact).max())
        told = json.loads(folded.metadata["int8_error"])
        assert told["texts"] == 500
        assert told["saturated_share"] == 0
    told = json.loads(folded.metadata["int8_error_held_out"])
    assert told["texts"] == 300
    assert told["saturated_share"] < 0.02
    assert worst["narrow"] > 5 * worst["wide"], worst
    assert worst["wide"] < 2 * told["max_probability_difference"] + 0.01, (worst, told)
    # The share that saturates is said: the narrow ranges on texts in use.
    from textcnn.folding.quantize import saturated_share

    narrow = fold(model, word_tokenizer(), int8=True, texts=unlike)
    whole = fold(model, word_tokenizer())
    share = saturated_share(dict(whole.tensors), dict(narrow.tensors), narrow.config, *whole.encode(used))
    assert share > 0.3
