"""Initial embeddings: against numpy, scikit-learn and the models of transformers."""

from __future__ import annotations

import gzip
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.decomposition import PCA
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from textcnn.tokenization import load_tokenizer, prepare_tokenizer, save_tokenizer, train_tokenizer
from textcnn.vectors import INITIAL_STD, checkpoint, load_vectors, vectors_dim
from textcnn.vectors.notation import read_token, write_token
from textcnn.vectors.word_file import open_word_file, read_vectors

CHECKPOINT = os.environ.get("TEXTCNN_CHECKPOINT")
DATA = os.environ.get("TEXTCNN_DATA")

WORDS = ["film", "fine", "Paris", "filming", "fining", "a", "。", "naïve", "unused"]
DIM = 5
VECTORS = np.random.default_rng(7).normal(0.3, 1, (len(WORDS), DIM)).astype(np.float32)


def wordpiece(*tokens: str) -> PreTrainedTokenizerFast:
    """[PAD] 0, [UNK] 1, then the tokens."""
    vocabulary = {token: row for row, token in enumerate(["[PAD]", "[UNK]", *tokens])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return prepare_tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]"))


def glove(words: list[str] = WORDS, vectors: np.ndarray = VECTORS) -> bytes:
    lines = (f"{w} {' '.join(map(repr, v.tolist()))}\n" for w, v in zip(words, vectors, strict=True))
    return "".join(lines).encode()


def header(words: list[str] = WORDS) -> bytes:
    return f"{len(words)} {DIM}\n".encode()


def binary(newline: bytes = b"\n") -> bytes:
    rows = (w.encode() + b" " + v.tobytes() + newline for w, v in zip(WORDS, VECTORS, strict=True))
    return header() + b"".join(rows)


FORMATS: dict[str, bytes] = {
    "glove": glove(),
    "glove without a last newline": glove().rstrip(b"\n"),
    "windows": glove().replace(b"\n", b"\r\n"),
    "tabs": glove().replace(b" ", b"\t"),
    "word2vec": header() + glove(),
    "fasttext .vec": header() + glove().replace(b"\n", b" \n"),
    "binary": binary(),
    "binary without newlines": binary(b""),
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def write_file(content: bytes) -> Path:
        (tmp_path / "vectors.txt").write_bytes(content)
        return tmp_path / "vectors.txt"

    return write_file


def rescaled(vectors: np.ndarray) -> np.ndarray:
    """What load_vectors promises for the rows that it found."""
    centred = vectors - vectors.mean(axis=0)
    return centred * (INITIAL_STD / centred.std())


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_give_the_same_rows(name: str, compress: bool, write: Callable[[bytes], Path]) -> None:
    path = write(gzip.compress(FORMATS[name]) if compress else FORMATS[name])
    tokenizer = wordpiece("film", "missing", "fine", "a", "。")
    assert vectors_dim(path) == DIM
    found = load_vectors(path, tokenizer)
    assert found.matrix.shape == (7, DIM)
    assert found.matrix.dtype == np.float32
    expected = rescaled(VECTORS[[0, 1, 5, 6]])
    np.testing.assert_allclose(found.matrix[[2, 4, 5, 6]], expected, atol=1e-6)
    assert found.coverage == 4 / 6
    assert "4 of 6 tokens have a vector (66.7%; 4 words, 0 pieces), 5 dimensions" in found.description


def test_rows_without_a_vector_are_random_seeded_and_as_wide(write: Callable[[bytes], Path]) -> None:
    path = write(glove())
    tokenizer = wordpiece("film", "fine", *(f"absent{i}" for i in range(500)))
    first, again, other = (load_vectors(path, tokenizer, seed=seed).matrix for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not first[0].any()
    np.testing.assert_array_equal(first[2:4], other[2:4])
    assert not np.isclose(first[4:], other[4:]).all(axis=1).any()
    assert first[4:].std() == pytest.approx(INITIAL_STD, rel=0.05)
    assert first[2:4].std() == pytest.approx(INITIAL_STD, rel=1e-5)
    assert load_vectors(path, tokenizer, std=1.0).matrix[2:4].std() == pytest.approx(1.0, rel=1e-5)


def test_a_word_is_found_under_another_capitalisation(write: Callable[[bytes], Path]) -> None:
    path = write(glove(["film", "Film", "Paris", "NATO", "fine"], VECTORS[:5]))
    tokenizer = wordpiece("Film", "film", "FILM", "paris", "nato", "Fine")
    expected = rescaled(VECTORS[[1, 0, 0, 2, 3, 4]])
    np.testing.assert_allclose(load_vectors(path, tokenizer).matrix[2:], expected, atol=1e-6)


def test_a_piece_is_the_mean_of_the_words_that_hold_it(write: Callable[[bytes], Path]) -> None:
    path = write(glove())
    tokenizer = wordpiece("film", "fin", "##ing", "##e", "##x", "unused")
    # film, film ##ing, fin ##ing, fin ##e, unused; [UNK], which the others are, learns nothing
    whole = VECTORS[[0, 8]]
    means = np.stack([VECTORS[[1, 4]].mean(0), VECTORS[[3, 4]].mean(0), VECTORS[1]])
    centre = whole.mean(axis=0)
    length = np.linalg.norm(whole - centre, axis=1).mean()
    means = centre + (means - centre) / np.linalg.norm(means - centre, axis=1, keepdims=True) * length
    expected = rescaled(np.concatenate([whole[:1], means, whole[1:]]))
    found = load_vectors(path, tokenizer)
    np.testing.assert_allclose(found.matrix[[2, 3, 4, 5, 7]], expected, atol=1e-5)
    assert "2 words, 3 pieces" in found.description


def test_a_word_that_the_tokenizer_normalises_lends_its_vector(write: Callable[[bytes], Path]) -> None:
    tokenizer = train_tokenizer(["naïve films"], min_frequency=1)  # strips accents
    found = load_vectors(write(glove()), tokenizer)
    assert "naive" in tokenizer.get_vocab()
    difference = found.matrix[tokenizer.get_vocab()["naive"]] - found.matrix[tokenizer.get_vocab()["a"]]
    cosine = difference @ (VECTORS[7] - VECTORS[5]) / np.linalg.norm(difference)
    assert cosine / np.linalg.norm(VECTORS[7] - VECTORS[5]) > 0.9


def test_byte_level_tokens_match_words_too(write: Callable[[bytes], Path]) -> None:
    tokenizer = train_tokenizer(["naïve film fine"] * 9, "bpe", vocab_size=300)
    found = load_vectors(write(glove()), tokenizer).matrix
    vocabulary = tokenizer.get_vocab()
    rows = [vocabulary[tokenizer.tokenize(word)[0]] for word in ("naïve", "film", "fine")]
    sources = VECTORS[[7, 0, 1]]
    ours, theirs = found[rows[0]] - found[rows[1]], sources[0] - sources[1]
    assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(found[rows[1]], found[rows[2]])


def test_only_the_rows_asked_for_are_parsed(write: Callable[[bytes], Path]) -> None:
    broken = glove().replace(b"unused ", b"unused x")  # nobody reads this number
    file = open_word_file(write(broken))
    assert [word for word, _ in read_vectors(file, {b"a", b"absent"})] == [b"a"]
    assert [word for word, _ in read_vectors(file, {b"a"}, always=2)] == [b"film", b"fine", b"a"]


def test_words_with_spaces_are_not_taken_for_broken_lines(write: Callable[[bytes], Path]) -> None:
    path = write(glove(["film", ". . .", "fine"], VECTORS[:3]))
    found = load_vectors(path, wordpiece("film", "fine")).matrix
    np.testing.assert_allclose(found[2:], rescaled(VECTORS[[0, 2]]), atol=1e-6)


def test_several_sources_stand_side_by_side(tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_bytes(glove(["film", "fine", "Paris"], VECTORS[:3]))
    second.write_bytes(glove(["film", "fine", "a"], 100 * VECTORS[3:6, :4]))
    tokenizer = wordpiece("film", "fine", "Paris", "a", "absent")
    sources = [str(first), str(second)]
    assert vectors_dim(sources) == DIM + 4
    found = load_vectors(sources, tokenizer)
    # each as wide as the other, whatever its own numbers are; what one of them lacks is its mean
    np.testing.assert_allclose(found.matrix[2:5, :DIM], rescaled(VECTORS[:3]), atol=1e-6)
    np.testing.assert_allclose(found.matrix[[2, 3, 5], DIM:], rescaled(VECTORS[3:6, :4]), atol=1e-6)
    assert not found.matrix[5, :DIM].any()
    assert not found.matrix[4, DIM:].any()
    assert not found.matrix[0].any()
    assert found.matrix[6].all()  # drawn at random
    assert found.coverage == 4 / 6
    assert f"{first}: 3 of 6" in found.description
    assert f"{second}: 3 of 6" in found.description
    both = np.concatenate([found.matrix[2:6]])
    reduced = load_vectors(sources, tokenizer, embedding_dim=2)
    expected = PCA(2).fit_transform(both)
    np.testing.assert_allclose(np.abs(reduced.matrix[2:6]), np.abs(rescaled(expected)), atol=1e-5)


def test_several_sources_are_refused_for_the_one_that_is_wrong(write: Callable[[bytes], Path]) -> None:
    path, tokenizer = str(write(glove())), wordpiece("film", "fine")
    with pytest.raises(ValueError, match="got an empty list"):
        load_vectors([], tokenizer)
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_vectors([path, "glove.txt"], tokenizer)
    with pytest.raises(ValueError, match="expected 1 to 10"):
        load_vectors([path, path], tokenizer, embedding_dim=11)


@pytest.mark.parametrize("dim", [1, 3])
def test_reduction_is_that_of_scikit_learn(dim: int, write: Callable[[bytes], Path]) -> None:
    found = load_vectors(write(glove()), wordpiece(*WORDS), embedding_dim=dim)
    reference = PCA(dim, svd_solver="full").fit(VECTORS)
    expected = reference.transform(VECTORS)
    expected *= INITIAL_STD / expected.std()
    signs = np.sign((expected * found.matrix[2:]).sum(axis=0))
    np.testing.assert_allclose(found.matrix[2:], expected * signs, atol=1e-5)
    kept = reference.explained_variance_ratio_.sum()
    assert f"reduced to {dim} by PCA ({kept:.1%} of the variance)" in found.description


def test_the_sign_of_an_axis_is_not_left_to_chance(write: Callable[[bytes], Path]) -> None:
    vectors = np.zeros((3, DIM), np.float32)
    vectors[:, 2] = [-1, 0, 3]
    path = write(glove(["film", "fine", "a"], vectors))
    column = load_vectors(path, wordpiece("film", "fine", "a"), embedding_dim=1).matrix[2:, 0]
    assert (np.diff(column) > 0).all()


BROKEN: dict[str, tuple[bytes, str]] = {
    "cut in a line": (glove()[:-40], "at line 9"),
    "cut in a number's line": (glove().replace(b"fine ", b"fine 1.0 2.0 \nx "), "got 2 numbers at line 2"),
    "a number too many": (glove().replace(b"fine ", b"fine 1.0 "), "got 6 numbers at line 2"),
    "no number": (glove().replace(b"Paris ", b"Paris x"), "for a number at line 3"),
    "not finite": (b"film 1 2 3\nfine 1 nan 3\n", "not finite at line 2"),
    "fewer lines than promised": (b"12 5\n" + glove(), "got the end after 9 of 12 vectors at line 10"),
    "more lines than promised": (b"3 5\n" + glove(), "got the end after 9 of 3 vectors"),
    "binary cut": (binary()[:-9], "got the end after 8 of 9 vectors at vector 9"),
    "binary not finite": (
        header() + b"film " + struct.pack("<5f", 1, 2, float("nan"), 4, 5) + binary()[len(header()) :],
        "not finite at vector 1",
    ),
    "binary without words": (header() + bytes(100_000), "got a word without an end at vector 1"),
    "gz cut": (gzip.compress(glove() * 3000)[:-5000], "got the end of a broken .gz file at line"),
    "gz cut early": (gzip.compress(glove())[:30], "a broken .gz file"),
    "binary gz cut": (gzip.compress(b"%d 5\n" % 90_000 + binary()[4:] * 10_000)[:-3000], "at vector"),
    "empty": (b"", "an empty file"),
    "no vectors": (b"label,text\n1,fine film\n", "as line 1"),
    "prose": (b"It was a dark night\n", "as line 1"),
    "zip": (b"PK\x03\x04" + bytes(50), "unzip it first"),
    "fasttext .bin": (struct.pack("<ii", 793712314, 12) + bytes(50), "use the .vec file"),
    "pickle": (b"\x80\x04" + bytes(50), "a Python pickle"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_the_place(name: str, write: Callable[[bytes], Path]) -> None:
    content, expected = BROKEN[name]
    path = write(content)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as error:
        load_vectors(path, wordpiece(*WORDS))
    assert expected in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("source", ["no/such/file", "missing.vec", "./missing", "", "no-such-model/anywhere"])
def test_a_missing_source_is_one_clear_line(source: str) -> None:
    for read in (vectors_dim, lambda name: load_vectors(name, wordpiece("film"))):
        with pytest.raises(FileNotFoundError, match=r"\Agot vectors [^\n]+\Z"):
            read(source)


def test_impossible_wishes_are_refused(write: Callable[[bytes], Path]) -> None:
    path = write(glove())
    with pytest.raises(ValueError, match=r"got embedding_dim=6 .* expected 1 to 5"):
        load_vectors(path, wordpiece("film"), embedding_dim=6)
    with pytest.raises(ValueError, match="cover none of the 2 tokens"):
        load_vectors(path, wordpiece("absent"))


# --- checkpoints ---

THEIR_TOKENS = ("film", "fine", "##ing", "good", "re", "##make")
THEIRS = np.random.default_rng(3).normal(0, 0.05, (8, DIM)).astype(np.float32)


def make_checkpoint(directory: Path, name: str = "bert.embeddings.word_embeddings.weight") -> Path:
    directory.mkdir(exist_ok=True)
    save_tokenizer(wordpiece(*THEIR_TOKENS), directory)
    weights = {name: torch.from_numpy(THEIRS), "encoder.weight": torch.zeros(3, 2), "bias": torch.zeros(3)}
    save_file(weights, directory / "model.safetensors")
    return directory


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.word_embeddings.weight",
        "model.embed_tokens.weight",
        "wte.weight",
        "shared.weight",
        "model.embeddings.tok_embeddings.weight",
        "textcnn.embeddings.channels.0.weight",
        "embeddings",
    ],
)
def test_the_same_vocabulary_is_copied(name: str, tmp_path: Path) -> None:
    directory = make_checkpoint(tmp_path, name)
    assert vectors_dim(directory) == DIM
    found = load_vectors(directory, load_tokenizer(directory))
    np.testing.assert_allclose(found.matrix[1:], rescaled(THEIRS[1:]), atol=1e-6)
    assert not found.matrix[0].any()
    assert found.coverage == 1
    assert "7 of 7 tokens have a vector (100.0%; same vocabulary), 5 dimensions" in found.description


def save_shards(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "model-2.safetensors")
    index = {"weight_map": {"bert.embeddings.word_embeddings.weight": "model-2.safetensors", "x": "model-1"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def save_pytorch(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    torch.save({"embeddings.word_embeddings.weight": torch.from_numpy(THEIRS)}, directory / "pytorch_model.bin")


def save_bfloat16(directory: Path) -> None:
    save_file({"wte.weight": torch.from_numpy(THEIRS).bfloat16()}, directory / "model.safetensors")


def save_decoder_too(directory: Path) -> None:
    weights = {"encoder.text.wte.weight": torch.from_numpy(THEIRS), "decoder.wte.weight": torch.ones(8, 9)}
    save_file(weights, directory / "model.safetensors")


@pytest.mark.parametrize("save", [save_shards, save_pytorch, save_bfloat16, save_decoder_too])
def test_weights_are_found_in_every_kind_of_file(save: Callable[[Path], None], tmp_path: Path) -> None:
    save(make_checkpoint(tmp_path))
    assert vectors_dim(tmp_path) == DIM
    found = load_vectors(tmp_path, load_tokenizer(tmp_path)).matrix
    np.testing.assert_allclose(found[1:], rescaled(THEIRS[1:]), atol=1e-2 if save is save_bfloat16 else 1e-6)


def test_another_vocabulary_is_matched_by_text(tmp_path: Path) -> None:
    directory = make_checkpoint(tmp_path)
    tokenizer = wordpiece("fine", "Good", "remake", "##ING", "absent", "filming")
    # [UNK] by its role, Good and ##ING by their lower case, remake = re ##make, filming = film ##ing
    expected = [THEIRS[1], THEIRS[3], THEIRS[5], THEIRS[[6, 7]].mean(0), THEIRS[4], THEIRS[[2, 4]].mean(0)]
    found = load_vectors(directory, tokenizer)
    np.testing.assert_allclose(found.matrix[[1, 2, 3, 4, 5, 7]], rescaled(np.stack(expected)), atol=1e-6)
    assert "6 of 7 tokens have a vector (85.7%; 4 by name, 2 by pieces)" in found.description


def test_notations_are_translated_both_ways(tmp_path: Path) -> None:
    byte_level = train_tokenizer(["fine filming ing good"] * 9, "bpe", vocab_size=300)
    found = load_vectors(make_checkpoint(tmp_path / "wordpiece"), byte_level).matrix
    vocabulary = byte_level.get_vocab()
    rows = [vocabulary["Ġfine"], vocabulary["Ġgood"], vocabulary["ing"]]
    differences = THEIRS[[3, 3]] - THEIRS[[5, 4]]
    ours = found[[rows[0]] * 2] - found[rows[1:]]
    np.testing.assert_allclose(ours / ours[0, 0], differences / differences[0, 0], rtol=1e-3)

    directory = tmp_path / "byte-level"
    byte_level.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # as GPT-2
    save_tokenizer(byte_level, directory)
    theirs = np.random.default_rng(0).normal(size=(len(byte_level), 4)).astype(np.float32)
    save_file({"wte.weight": torch.from_numpy(theirs)}, directory / "model.safetensors")
    found = load_vectors(directory, wordpiece("fine", "good", "##ing", "fineing"))
    assert "4 by name, 1 by pieces" in found.description  # [UNK] is a name, too
    ours = found.matrix[[2, 2, 2]] - found.matrix[[3, 4, 5]]
    targets = np.stack([*theirs[rows[1:]], theirs[[rows[0], rows[2]]].mean(0)])
    differences = theirs[rows[0]] - targets
    np.testing.assert_allclose(ours / ours[0, 0], differences / differences[0, 0], rtol=1e-3)


@pytest.mark.parametrize(
    ("notation", "spellings"),
    [
        ("wordpiece", ["film", "##film", "##"]),
        ("byte-level", ["Ġfilm", "film", "ĠnaÃ¯ve"]),
        ("metaspace", ["▁film", "film"]),
        ("plain", ["film"]),
    ],
)
def test_a_token_is_written_as_it_was_read(notation: str, spellings: list[str]) -> None:
    for spelling in spellings:
        token = read_token(spelling, notation)
        assert token is not None
        assert write_token(token, notation) == spelling
    assert read_token("Ã", "byte-level") is None  # half of a character
    assert read_token("<0x0A>", "metaspace") is None


@pytest.fixture
def bert(tmp_path: Path) -> tuple[Path, np.ndarray]:
    config = BertConfig(vocab_size=8, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4)
    model = BertModel(config)
    model.save_pretrained(tmp_path)
    save_tokenizer(wordpiece(*THEIR_TOKENS), tmp_path)
    return tmp_path, model.get_input_embeddings().weight.detach().numpy()


@pytest.mark.parametrize("names", [checkpoint.EMBEDDING_NAMES, ()])
def test_they_are_the_input_embeddings_of_transformers(
    names: tuple[str, ...], bert: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EMBEDDING_NAMES", names)  # with none the model itself is asked
    directory, weights = bert
    assert vectors_dim(directory) == 4
    found = load_vectors(directory, load_tokenizer(directory)).matrix
    np.testing.assert_allclose(found[1:], rescaled(weights[1:]), atol=1e-6)


def truncate(directory: Path) -> None:
    file = directory / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-30])


def truncate_pytorch(directory: Path) -> None:
    save_pytorch(directory)
    file = directory / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-300])


def lose_shard(directory: Path) -> None:
    save_shards(directory)
    (directory / "model-2.safetensors").unlink()


def break_index(directory: Path) -> None:
    save_shards(directory)
    (directory / "model.safetensors.index.json").write_text("{")


def quantise(directory: Path) -> None:
    save_file({"wte.weight": torch.ones(8, DIM, dtype=torch.int8)}, directory / "model.safetensors")


def name_otherwise(directory: Path) -> None:
    save_file({"vision.weight": torch.ones(8, DIM)}, directory / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (truncate, "which cannot be read; expected a complete weight file"),
        (truncate_pytorch, "which cannot be read; expected a complete weight file"),
        (lose_shard, "without model-2.safetensors"),
        (break_index, "which cannot be read"),
        (quantise, "are torch.int8; expected floating-point numbers"),
        (name_otherwise, "in which no token embeddings were found"),
        (lambda directory: (directory / "model.safetensors").unlink(), "expected a word-vector file, or a checkpoint"),
    ],
)
def test_a_broken_checkpoint_is_one_clear_line(damage: Callable[[Path], None], expected: str, tmp_path: Path) -> None:
    damage(make_checkpoint(tmp_path))
    with pytest.raises((ValueError, FileNotFoundError), match=r"\A[^\n]+\Z") as error:
        load_vectors(tmp_path, wordpiece("film"))
    assert expected in str(error.value)


@pytest.mark.skipif(not CHECKPOINT, reason="TEXTCNN_CHECKPOINT names no checkpoint directory")
def test_a_real_checkpoint() -> None:
    assert CHECKPOINT
    own = load_vectors(CHECKPOINT, load_tokenizer(CHECKPOINT), embedding_dim=100)
    assert own.coverage == 1
    texts = ["a terrible film, an awful film and a horrible one", "a wonderful day, an excellent day"] * 5
    tokenizer = train_tokenizer(texts, "bpe", vocab_size=400)
    found = load_vectors(CHECKPOINT, tokenizer)
    assert found.coverage > 0.4  # the rest are single bytes
    unit = found.matrix / np.maximum(np.linalg.norm(found.matrix, axis=1, keepdims=True), 1e-9)
    terrible, awful, film = (unit[tokenizer.get_vocab()[f"Ġ{word}"]] for word in ("terrible", "awful", "film"))
    assert terrible @ awful > terrible @ film + 0.1


@pytest.mark.skipif(not DATA, reason="TEXTCNN_DATA names no directory of data sets")
def test_a_real_word_vector_file() -> None:
    assert DATA
    path = next(Path(DATA).glob("glove*.txt"))
    words = [line.split(" ", 1)[0] for line in path.read_text(encoding="utf-8").splitlines()]
    tokenizer = wordpiece(*(word for word in words if not word.startswith("##")))
    found = load_vectors(path, tokenizer)
    assert found.coverage > 0.999
    table = np.array([line.split(" ")[1:] for line in path.read_text(encoding="utf-8").splitlines()], np.float32)
    np.testing.assert_allclose(found.matrix[2:], rescaled(table), atol=1e-4)


def test_base_model_is_a_hub_id_or_what_a_card_names(tmp_path):
    from textcnn.vectors import base_model

    assert base_model(None) is None
    assert base_model("me/checkpoint") == "me/checkpoint"
    (tmp_path / "words.txt").write_text("film 1 2\n")
    assert base_model(tmp_path / "words.txt") is None
    assert base_model(tmp_path) is None
    (tmp_path / "README.md").write_text("no metadata")
    assert base_model(tmp_path) is None
    (tmp_path / "README.md").write_text("---\nbase_model: me/checkpoint\n---\n")
    assert base_model(tmp_path) == "me/checkpoint"
