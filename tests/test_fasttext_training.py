"""`textcnn.fasttext.train_supervised` against fastText's update written in numpy, and against fastText's accuracy."""

from __future__ import annotations

import random

import numpy as np
import pytest
from fasttext_models import Reference, needs_fasttext, train_fasttext

import textcnn
import textcnn.fasttext as fasttext


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    rng = random.Random(0)
    words = [f"w{i}" for i in range(200)]
    folder = tmp_path_factory.mktemp("training")
    for name, count in (("train", 800), ("test", 400)):
        rows = []
        for _ in range(count):
            label = rng.randrange(5)
            own = rng.choices(words, k=6) + rng.choices(words[label * 25 : label * 25 + 25], k=3)
            rng.shuffle(own)
            rows.append(f"__label__{label} {' '.join(own)}\n")
        (folder / f"{name}.txt").write_text("".join(rows), encoding="utf-8")
    return folder


SETTINGS = {"dim": 10, "epoch": 8, "lr": 0.5, "verbose": 0}


@pytest.mark.parametrize("loss", ["softmax", "ova", "hs", "ns"])
def test_it_learns_and_a_seed_is_one_model(loss, lines):
    arguments = {**SETTINGS, "loss": loss, "wordNgrams": 2, "bucket": 2000}
    one = fasttext.train_supervised(lines / "train.txt", thread=1, seed=3, **arguments)
    many = fasttext.train_supervised(lines / "train.txt", thread=3, seed=3, **arguments)
    other = fasttext.train_supervised(lines / "train.txt", seed=4, **arguments)
    np.testing.assert_array_equal(one.get_input_matrix(), many.get_input_matrix())
    np.testing.assert_array_equal(one.get_output_matrix(), many.get_output_matrix())
    assert not np.array_equal(one.get_output_matrix(), other.get_output_matrix())
    examples, precision, recall = one.test(lines / "test.txt")
    assert (examples, precision) == (400, recall)
    assert precision > 0.7


@pytest.mark.parametrize("loss", ["softmax", "ova", "hs"])
def test_one_step_is_fasttexts_update(loss, tmp_path):
    """One text, one epoch: the gradient step of the mean of its rows, at the full learning rate."""
    path = tmp_path / "one.txt"
    path.write_text("__label__a good film\n__label__b\n", encoding="utf-8")
    # The second line trains </s> alone, before or after the first: without minCount 2 words it cannot be left out.
    arguments = {"dim": 4, "epoch": 1, "lr": 0.7, "verbose": 0, "loss": loss, "seed": 5}
    model = fasttext.train_supervised(path, **arguments)
    reference = Reference(model._file)
    rng = np.random.default_rng(5)
    vectors = (rng.random((len(model.words), 4), dtype=np.float32) - np.float32(0.5)) * np.float32(0.5)
    candidates = []
    for order in ([0, 1], [1, 0]):
        inputs, output = vectors.astype(np.float64), np.zeros((2, 4))
        for number, text in enumerate(order):
            rate = 0.7 * (1 - number / 2)
            rows = reference.rows(["good film", ""][text])
            hidden = inputs[rows].mean(axis=0)
            scores = output @ hidden
            gradient = np.zeros(4)
            if loss == "hs":
                # Of two labels with equal counts the tree's right child is the first label.
                right = text == 0
                steps = [(0, rate * (right - 1 / (1 + np.exp(-scores[0]))))]
            else:
                exponentials = np.exp(scores)
                found = exponentials / exponentials.sum() if loss == "softmax" else 1 / (1 + np.exp(-scores))
                steps = [(c, rate * ((c == text) - found[c])) for c in range(2)]
            for c, step in steps:
                gradient += step * output[c]
                output[c] += step * hidden
            for row in rows:
                inputs[row] += gradient / len(rows)
        candidates.append(np.concatenate([inputs.ravel(), output.ravel()]))
    found = np.concatenate([model.get_input_matrix().ravel(), model.get_output_matrix().ravel()])
    assert min(np.abs(found - candidate).max() for candidate in candidates) < 1e-6


def test_arguments_are_checked(lines, tmp_path):
    source = lines / "train.txt"
    for arguments, message in (
        ({"wordNgram": 2}, "did you mean 'wordNgrams'"),
        ({"loss": "sofmax"}, "did you mean 'softmax'"),
        ({"dim": 0}, "dim: got 0"),
        ({"lr": 0}, "lr: got 0"),
        ({"wordNgrams": 2, "bucket": 0}, "bucket: got 0"),
        ({"pretrainedVectors": "a.vec"}, "textcnn train --vectors"),
        ({"autotuneValidationFile": "a"}, "no autotune"),
        ({"label": "#"}, "no word that begins with '#'"),
        ({"label": ""}, "label: got ''"),
    ):
        with pytest.raises(ValueError, match=message):
            fasttext.train_supervised(source, **{"verbose": 0, **arguments})
    with pytest.raises(FileNotFoundError):
        fasttext.train_supervised(tmp_path / "none.txt")


def test_a_trained_model_is_saved_and_loaded(lines, tmp_path, capsys):
    model = fasttext.train_supervised(lines / "train.txt", **{**SETTINGS, "verbose": 2}, minn=2, maxn=3, bucket=500)
    assert "epoch 8/8: loss" in capsys.readouterr().err
    texts = ["w1 w2 w3", "w30 w31 unseen", ""]
    expected = model.predict(texts, k=5)
    for name in ("model.bin", "model"):
        model.save_model(tmp_path / name)
        labels, values = fasttext.load_model(tmp_path / name).predict(texts, k=5)
        assert labels == expected[0]
        np.testing.assert_allclose(values, expected[1], atol=1e-6)
    reference = Reference(model._file)
    np.testing.assert_allclose(
        textcnn.load(tmp_path / "model").predict_proba(texts),
        [reference.probabilities(text) for text in texts],
        atol=1e-5,
    )
    assert "trained as fastText trains" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_another_prefix_and_rare_words(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("#a x x y\n#b z z\n#b #a z\n" * 20 + "#a once\n", encoding="utf-8")
    model = fasttext.train_supervised(path, **SETTINGS, label="#", minCount=2, loss="ova")
    assert model.labels == ["#a", "#b"] or model.labels == ["#b", "#a"]
    assert "once" not in model
    assert model.classifier.labels == [label[1:] for label in model.labels]
    # An unknown word with the prefix is a label, and adds nothing.
    np.testing.assert_array_equal(model.predict(["x #new"])[1], model.predict(["x"])[1])


@needs_fasttext
@pytest.mark.parametrize("settings", [{}, {"wordNgrams": 2, "bucket": 2000}, {"loss": "hs"}, {"loss": "ova"}])
def test_accuracy_is_fasttexts(settings, lines, tmp_path):
    import fasttext as theirs_module

    arguments = {"dim": 10, "epoch": 8, "lr": 0.5, **settings}
    theirs = theirs_module.load_model(str(train_fasttext(lines / "train.txt", tmp_path / "model.bin", arguments)))
    expected = theirs.test(str(lines / "test.txt"))[1]
    scores = [
        fasttext.train_supervised(lines / "train.txt", verbose=0, seed=seed, **arguments).test(lines / "test.txt")[1]
        for seed in range(3)
    ]
    assert np.mean(scores) > expected - 0.03
    # fastText reads what is trained here, with the same answers.
    model = fasttext.train_supervised(lines / "train.txt", verbose=0, **arguments)
    model.save_model(tmp_path / "ours.bin")
    again = theirs_module.load_model(str(tmp_path / "ours.bin"))
    # Ties of fastText's table of sigmoids may go to another label.
    near = 0.005 if settings.get("loss") == "ova" else 1e-9
    assert again.test(str(lines / "test.txt")) == pytest.approx(model.test(lines / "test.txt"), abs=near)
