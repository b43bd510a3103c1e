"""`import textcnn.fasttext as fasttext`: its answers and their types are fastText's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from fasttext_models import TEXTS, Reference, make_file, needs_fasttext, train_fasttext

import textcnn
import textcnn.fasttext as fasttext
from textcnn.folding.fasttext_writer import write_fasttext

MODELS = {
    "plain": {"ngrams": 2},
    "hs": {"loss": "hs"},
    "ova": {"loss": "ova"},
    "subwords": {"minn": 2, "maxn": 3},
    "quantized": {"kind": "quantized", "ngrams": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    for name, settings in MODELS.items():
        write_fasttext(make_file(**settings), folder / f"{name}.bin")
        textcnn.convert(folder / f"{name}.bin", folder / name)
    (folder / "labelled.txt").write_text(
        "__label__pos good film\n__label__neg bad plot\n__label__other good\nno label\n"
        "__label__pos __label__mixed a x\n__label__neg\n", encoding="utf-8",
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("name", ["plain.bin", "plain", "hs", "ova", "subwords", "quantized.bin"])
def test_predict(folder, name):
    model = fasttext.load_model(str(folder / name))
    reference = Reference(make_file(**MODELS[name.removesuffix(".bin")]))
    labels, values = model.predict(TEXTS, k=3)
    assert isinstance(labels, list)
    assert isinstance(values, list)
    assert values[0].dtype == np.float32
    # fastText reads sigmoids from a table of 512 values.
    near = 1 / 128 if name == "ova" else 4e-5
    for text, own_labels, own_values in zip(TEXTS, labels, values, strict=True):
        expected = dict(zip(reference.labels, reference.probabilities(text), strict=True))
        assert sorted(own_labels) == sorted(expected)
        assert (np.diff(own_values) <= 0).all()
        for label, value in zip(own_labels, own_values, strict=True):
            assert value == pytest.approx(expected[label], abs=near)
    one_labels, one_values = model.predict("good film", k=2)
    assert isinstance(one_labels, tuple)
    assert one_values.dtype == np.float64
    assert one_labels == tuple(model.predict(["good film"], k=2)[0][0])
    assert len(model.predict("good film", k=-1)[0]) == 3
    assert len(model.predict("good film", k=3, threshold=0.99)[0]) <= 1
    with pytest.raises(ValueError, match="expected one line"):
        model.predict("good\nfilm")
    with pytest.raises(ValueError, match="k: got 0"):
        model.predict("good film", k=0)
    with pytest.raises(TypeError, match="expected a string"):
        model.predict([None])


def test_a_text_without_rows_has_no_label():
    model = fasttext.FastText(textcnn.folding.convert.fold_fasttext(make_file(words=["good"])))
    labels, values = model.predict("unseen")
    assert labels == ()
    assert values.shape == (0,)
    assert model.predict(["unseen", "good"])[0][0] == []


def test_dictionary(folder):
    model = fasttext.load_model(folder / "subwords")
    words, counts = model.get_words(include_freq=True)
    assert words == model.words == [word.decode() for word in make_file().words]
    assert counts[0] == 110
    assert model.labels == model.get_labels() == ["__label__pos", "__label__neg", "__label__mixed"]
    assert model.get_labels(include_freq=True)[1].tolist() == [9, 4, 1]
    assert model.get_word_id("film") == 3
    assert model.get_word_id("unseen") == -1
    assert model.get_label_id("__label__neg") == 1
    assert "film" in model
    assert "unseen" not in model
    assert model.get_line("a good __label__neg __label__other film") == (
        ["a", "good", "film", "</s>"],
        ["__label__neg"],
    )
    assert not model.is_quantized()
    assert fasttext.load_model(folder / "quantized").is_quantized()
    assert model.get_dimension() == 6
    names, rows = model.get_subwords("bad")
    assert names == ["bad", "<b", "<ba", "ba", "bad", "ad", "ad>", "d>"]
    assert rows[0] == 2
    assert len(rows) == 8
    assert rows[1] == model.get_subword_id("<b")
    reference = Reference(make_file(minn=2, maxn=3))
    assert rows[1:].tolist() == reference.subwords("bad")
    assert fasttext.tokenize("a  b\nc") == ["a", "b", "</s>", "c"]


def test_vectors_are_in_the_file_only(folder):
    model = fasttext.load_model(folder / "subwords.bin")
    file = make_file(minn=2, maxn=3)
    np.testing.assert_array_equal(model.get_input_matrix(), file.input.values)
    np.testing.assert_array_equal(model.get_output_matrix(), file.output.values)
    rows = model.get_subwords("bad")[1]
    np.testing.assert_allclose(model["bad"], file.input.values[rows].mean(axis=0), rtol=1e-6)
    with pytest.raises(ValueError, match="keeps no vectors"):
        fasttext.load_model(folder / "subwords").get_word_vector("bad")
    with pytest.raises(ValueError, match="has codes and no matrix"):
        fasttext.load_model(folder / "quantized.bin").get_input_matrix()


def test_test_counts_lines_with_known_labels(folder):
    model = fasttext.load_model(folder / "plain")
    examples, precision, recall = model.test(folder / "labelled.txt")
    predicted = [model.predict(text)[0][0] for text in ("good film", "bad plot", "a x", "")]
    gold = [{"__label__pos"}, {"__label__neg"}, {"__label__pos", "__label__mixed"}, {"__label__neg"}]
    right = sum(label in own for label, own in zip(predicted, gold, strict=True))
    assert (examples, precision, recall) == (4, right / 4, right / 5)
    by_label = model.test_label(folder / "labelled.txt", k=3)
    assert by_label["__label__pos"]["recall"] == 1
    assert by_label["__label__pos"]["precision"] == 0.5
    with pytest.raises(FileNotFoundError):
        model.test(folder / "none.txt")


def test_models_are_saved(folder, tmp_path):
    model = fasttext.load_model(folder / "plain.bin")
    model.save_model(tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == (folder / "plain.bin").read_bytes()
    model.save_model(tmp_path / "model")
    assert fasttext.load_model(tmp_path / "model").predict(TEXTS)[0] == model.predict(TEXTS)[0]


def test_other_models_of_textcnn_open(tmp_path):
    from folded_models import make_model, word_tokenizer

    from textcnn.folding.fold import fold

    fold(make_model(), word_tokenizer()).save(tmp_path / "model")
    model = fasttext.load_model(tmp_path / "model")
    classifier = textcnn.load(tmp_path / "model")
    labels, _ = model.predict(["good film"], k=1)
    assert labels[0][0] == f"__label__{classifier.predict(['good film'])[0]}"
    with pytest.raises(ValueError, match="has no words of fastText"):
        model.get_words()


def test_it_imports_nothing_heavy():
    program = (
        "import sys; import textcnn.fasttext; dir(textcnn.fasttext);"
        "sys.exit(str({'torch', 'transformers', 'numpy', 'fasttext'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.strip() == ""
    with pytest.raises(AttributeError, match="no word vectors alone"):
        fasttext.train_unsupervised  # noqa: B018


@needs_fasttext
@pytest.mark.parametrize("loss", ["softmax", "ova", "hs"])
def test_answers_are_fasttexts_own(loss, folder, tmp_path):
    import fasttext as theirs_module

    lines = tmp_path / "train.txt"
    lines.write_text("".join(f"__label__{i % 5} w{i % 5} w{i % 7} w{i % 11} x\n" for i in range(400)), encoding="utf-8")
    settings = {"dim": 10, "epoch": 10, "lr": 0.5, "loss": loss, "wordNgrams": 2, "bucket": 1000}
    path = train_fasttext(lines, tmp_path / "model.bin", settings)
    theirs, ours = theirs_module.load_model(str(path)), fasttext.load_model(path)
    texts = [*TEXTS, *(f"w{i % 5} w{i % 11} y" for i in range(50))]
    for threshold in (0.0, 0.3):
        expected = theirs.f.multilinePredict([text + "\n" for text in texts], 5, threshold, "strict")
        found = ours.predict(texts, k=5, threshold=threshold)
        for own_labels, own_values, labels, values in zip(*found, *expected, strict=True):
            np.testing.assert_allclose(own_values, values, atol=2e-6)
            assert type(own_values) is type(values)
            assert own_values.dtype == values.dtype
            if len(values) and np.diff(values).max(initial=-1) < -1e-5:
                assert own_labels == labels
    assert ours.test(lines) == pytest.approx(theirs.test(str(lines)))
    assert ours.get_words(include_freq=True)[0] == theirs.get_words()
    assert ours.labels == theirs.labels
    assert ours.get_line("a __label__3 b") == theirs.get_line("a __label__3 b")
    assert ours.get_word_id("w3") == theirs.get_word_id("w3")
    for word in ("w3", "unseen"):
        assert ours.get_subwords(word)[0] == theirs.get_subwords(word)[0]
    np.testing.assert_allclose(ours.get_output_matrix(), theirs.get_output_matrix())
