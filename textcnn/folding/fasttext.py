"""Reader of fastText's model files, .bin and quantised .ftz, without fastText.

A file holds, in this order: a magic number and a version, the arguments, the dictionary, the input matrix (a row for
each word, then one for each bucket of n-grams) and the output matrix (a row for each label, or for each inner node of
the Huffman tree of hierarchical softmax). Numbers are little-endian. A quantised matrix holds the codes of a product
quantizer (Joulin et al. 2016, https://arxiv.org/abs/1612.03651).

Shapes: `R` rows of the input matrix, `D` vector size, `C` labels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fasttext_matrices import DenseMatrix, Matrix, QuantizedMatrix, read_matrix

MAGIC = 793712314
VERSIONS = (11, 12)
LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
MODELS = {1: "cbow", 2: "skipgram", 3: "supervised"}
# Arguments of the file, in their order.
ARGUMENTS = ("dim", "ws", "epoch", "minCount", "neg", "wordNgrams", "loss", "model", "bucket", "minn", "maxn",
              "lrUpdateRate")  # fmt: skip
# Longer words and n-grams exist only in damaged files.
_LONGEST_NGRAM, _LONGEST_SUBWORD = 64, 1024
# So have more buckets: a matrix of 10 values each would take 10 GB. A pruned one has a place for each bucket in memory.
_MOST_BUCKETS = 1 << 28
# Bytes of a word in the dictionary: its end, its count, its type.
_ENTRY = 10


@dataclass(frozen=True)
class FastTextFile:
    """Content of a supervised model's file.

    Args:
        path: The file; None for a model that was not read from one.
        args: fastText's arguments, by its names.
        words: Words as bytes, in the order of their rows.
        word_counts: Number of occurrences of each word.
        labels: Labels with their prefix, in the order of the output matrix.
        label_counts: Number of occurrences of each label.
        tokens: Number of tokens that the model was trained on.
        pruned: Row after the words of each bucket that is left, by bucket; None where no bucket was pruned.
        input: Input matrix [R, D].
        output: Output matrix.
    """

    path: Path | None
    args: dict[str, Any]
    words: list[bytes]
    word_counts: NDArray[np.int64]
    labels: list[bytes]
    label_counts: NDArray[np.int64]
    tokens: int
    pruned: dict[int, int] | None
    input: Matrix
    output: Matrix

    @property
    def is_quantized(self) -> bool:
        """True if the input matrix is stored as codes."""
        return isinstance(self.input, QuantizedMatrix)

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return "model" if self.path is None else str(self.path)

    @property
    def loss(self) -> str:
        """softmax, hs, ova or ns."""
        return str(self.args["loss"])


class Bytes:
    """The bytes of a file, mapped into memory, read one after the other; a file that ends too early is an error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
        self.at = 0

    def skip(self, count: int) -> int:
        """Skip a number of bytes; return the position where they begin."""
        begin = self.at
        if count < 0 or begin + count > len(self.content):
            raise ValueError(
                f"{self.path}: got a file that ends at byte {len(self.content):,}, where {count:,} bytes more were "
                "expected; it may be a partial copy: copy it again"
            )
        self.at += count
        return begin

    def numbers(self, form: str) -> tuple[Any, ...]:
        """Return numbers of a struct format."""
        size = struct.calcsize("<" + form)
        begin = self.skip(size)
        return struct.unpack("<" + form, self.content[begin : begin + size].tobytes())

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        """Return a view of an array, in memory that is mapped."""
        kind: np.dtype[Any] = np.dtype(dtype)
        begin = self.skip(count * kind.itemsize)
        return np.frombuffer(self.content.data, dtype=kind, count=count, offset=begin)

    def damaged(self, what: str) -> ValueError:
        """Return the error for a number that no file of fastText has."""
        return ValueError(f"{self.path}: got {what}; expected a whole model of fastText; copy the file again")


def is_fasttext(path: str | Path) -> bool:
    """Return True if a file begins as fastText's model files do."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == struct.pack("<i", MAGIC)


def read_fasttext(path: str | Path) -> FastTextFile:
    """Read a supervised model of fastText; its matrices stay in the file until they are used.

    Example:
        >>> read_fasttext("model.bin").labels
        [b'__label__positive', b'__label__negative']

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no model of fastText, is broken, or its model is not supervised.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"got the directory {path}; expected a .bin or .ftz file of fastText")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected a .bin or .ftz file of fastText")
    if not is_fasttext(path):
        raise ValueError(
            f"{path} is no model of fastText: it does not begin with {MAGIC}; expected a file that fastText's "
            "save_model wrote; vectors in text form (.vec) are read with --vectors of `textcnn train`"
        )
    source = Bytes(path)
    _, version = source.numbers("ii")
    if version not in VERSIONS:
        raise ValueError(f"{path}: got version {version} of fastText's format; expected {VERSIONS[0]} or {VERSIONS[1]}")
    args = _read_arguments(source, version)
    words, word_counts, labels, label_counts, tokens, pruned = _read_dictionary(source)
    matrix = read_matrix(source, *source.numbers("?"))
    quantized_output = source.numbers("?")[0] and isinstance(matrix, QuantizedMatrix)
    output = read_matrix(source, quantized_output)
    if source.at != len(source.content):
        raise source.damaged(f"{len(source.content) - source.at:,} bytes after the end of the model")
    file = FastTextFile(path, args, words, word_counts, labels, label_counts, tokens, pruned, matrix, output)
    _check(file, source)
    return file


def _read_arguments(source: Bytes, version: int) -> dict[str, Any]:
    args = dict(zip(ARGUMENTS, source.numbers("12i"), strict=True))
    args["t"] = source.numbers("d")[0]
    if args["loss"] not in LOSSES or args["model"] not in MODELS:
        raise source.damaged(f"loss {args['loss']} and model {args['model']}")
    args |= {"loss": LOSSES[args["loss"]], "model": MODELS[args["model"]]}
    if args["model"] != "supervised":
        raise ValueError(
            f"{source.path}: got a {args['model']} model, which has word vectors and no labels; expected a supervised "
            "model; export its vectors as a .vec file for --vectors of `textcnn train`"
        )
    if version == 11:
        args["maxn"] = 0  # supervised models had no subwords then, whatever the file says
    if not 0 <= args["bucket"] <= _MOST_BUCKETS or args["minn"] < 0 or args["maxn"] > _LONGEST_SUBWORD:
        raise source.damaged(f"bucket {args['bucket']}, minn {args['minn']}, maxn {args['maxn']}")
    if args["wordNgrams"] > _LONGEST_NGRAM:
        raise source.damaged(f"wordNgrams {args['wordNgrams']}")
    args["maxn"], args["wordNgrams"] = max(args["maxn"], 0), max(args["wordNgrams"], 1)
    if args["bucket"] == 0 and (args["maxn"] > 0 or args["wordNgrams"] > 1):
        raise source.damaged("n-grams without buckets")
    return args


def _read_dictionary(source: Bytes) -> tuple[Any, ...]:
    size, word_count, label_count, tokens, pruned_size = source.numbers("iiiqq")
    if min(size, word_count, label_count) < 0 or size != word_count + label_count or label_count == 0:
        raise source.damaged(f"a dictionary of {size} entries, {word_count} words and {label_count} labels")
    content = source.content
    if size * _ENTRY > len(content) - source.at:  # before memory is taken for it
        source.skip(size * _ENTRY)
    names: list[bytes] = []
    counts = np.empty(size, dtype=np.int64)
    # A piece of the file at a time: entries are found in it as bytes.
    piece, at, begin = b"", 0, source.at
    for i in range(size):
        end = piece.find(b"\0", at)
        while end < 0 or end + 10 > len(piece):
            begin += at
            more = content[begin : begin + max(1 << 20, 2 * (len(piece) - at))].tobytes()
            if len(more) <= len(piece) - at:
                source.skip(len(content))  # raises: the file ends within the dictionary
            piece, at = more, 0
            end = piece.find(b"\0", at)
        names.append(piece[at:end])
        counts[i], kind = struct.unpack_from("<qb", piece, end + 1)
        if kind != (i >= word_count):
            raise source.damaged(f"entry {i} of type {kind} in the dictionary")
        at = end + 10
    source.at = begin + at
    pruned: dict[int, int] | None = None
    if pruned_size >= 0:
        pairs = source.array("<i4", 2 * pruned_size).reshape(-1, 2)
        pruned = dict(pairs.tolist())
    return names[:word_count], counts[:word_count], names[word_count:], counts[word_count:], tokens, pruned


def _check(file: FastTextFile, source: Bytes) -> None:
    """Refuse matrices that do not fit the dictionary and the arguments."""
    words, labels, dim = len(file.words), len(file.labels), int(file.args["dim"])
    rows = words + (int(file.args["bucket"]) if file.pruned is None else len(file.pruned))
    if file.pruned is not None:
        if isinstance(file.input, DenseMatrix):
            raise source.damaged("a pruned dictionary with a matrix that is not quantised")
        places = file.pruned.values()
        if not all(0 <= bucket < file.args["bucket"] for bucket in file.pruned) or not all(
            0 <= place < file.input.rows - words for place in places
        ):
            raise source.damaged("pruned n-grams beyond the matrix")
    if file.input.columns != dim or file.input.rows < rows or dim < 1:
        raise source.damaged(
            f"an input matrix of {file.input.rows} x {file.input.columns}, for {rows} words and buckets of {dim} values"
        )
    if (file.output.rows, file.output.columns) != (labels, dim):
        raise source.damaged(
            f"an output matrix of {file.output.rows} x {file.output.columns}, for {labels} labels and {dim} dimensions"
        )
