"""`convert`: a fastText model becomes an artifact that every verb opens.

The input matrix times the output matrix is a table of one row for each word and bucket and one column for each class.
Where classes are many and vectors narrow, the two factors are smaller and stay apart.

Shapes: `R` rows, `D` vector size, `C` labels, `K` rows of the output matrix that answers need.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..outputs import begin_output
from ..runtime.fasttext import FoldedFastText
from ..runtime.hierarchy import huffman_children
from ..settings import ConvertSettings, takes
from .converted_card import write_converted
from .fasttext import FastTextFile, read_fasttext
from .fasttext_matrices import Matrix
from .quantize import measure_error

LABEL_PREFIX = "__label__"
# Rows folded at a time: bounds the memory beside the table itself.
_ROWS_AT_A_TIME = 1 << 16


@takes(ConvertSettings)
def convert(settings: ConvertSettings) -> FoldedFastText:
    """Convert a fastText model, .bin or .ftz, into an artifact with the same answers.

    fastText is not needed. `textcnn.ConvertSettings` documents the settings.

    Example:
        >>> textcnn.convert("filter.bin", "runs/filter").predict(["free entry, call now"])
        array(['spam'], dtype='<U4')

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no supervised model of fastText or is broken, or the output is there already.
    """
    directory = Path(settings.output)
    file = read_fasttext(settings.model)
    texts = _read(settings)
    begin_output(directory, settings.force)
    classifier = fold_fasttext(file, settings.label_prefix)
    if settings.int8:
        classifier = round_fasttext(classifier, texts)
    write_converted(classifier, directory, facts_of(file))
    return classifier


def fold_fasttext(
    file: FastTextFile, label_prefix: str | None = None, skipped_prefix: str = LABEL_PREFIX
) -> FoldedFastText:
    """Return the classifier of a fastText model, with a float32 table.

    Args:
        file: The model.
        label_prefix: Taken off the labels where all of them begin with it; None is `__label__`.
        skipped_prefix: Prefix that makes an unknown word a label. A file does not give it; fastText takes `__label__`.

    Raises:
        ValueError: A value of a matrix is not finite.
    """
    labels = [label.decode("utf-8", "backslashreplace") for label in file.labels]
    prefix = LABEL_PREFIX if label_prefix is None else label_prefix
    if not all(label.startswith(prefix) and len(label) > len(prefix) for label in labels):
        prefix = ""
    names = [label.removeprefix(prefix) for label in labels]
    args = file.args
    config: dict[str, Any] = {
        "model_type": "textcnn",
        "problem_type": ("multi_label_classification" if file.loss in ("ova", "ns") else "single_label_classification"),
        "id2label": {str(index): name for index, name in enumerate(names)},
        "label2id": {name: index for index, name in enumerate(names)},
        "temperature": 1.0,
        "thresholds": None,
        "abstention": None,
        "fasttext": {
            "loss": file.loss,
            "dim": args["dim"],
            "word_ngrams": args["wordNgrams"],
            "min_n": args["minn"],
            "max_n": args["maxn"],
            "buckets": args["bucket"],
            "label_prefix": prefix,
            "skipped_prefix": skipped_prefix,
            "quantized": file.is_quantized,
            "epoch": args["epoch"],
            "min_count": args["minCount"],
        },
    }
    return FoldedFastText(config, _tensors(file), {})


def _tensors(file: FastTextFile) -> dict[str, NDArray[Any]]:
    words = len(file.words)
    lengths = np.fromiter(map(len, file.words), dtype=np.int64, count=words)
    tensors: dict[str, NDArray[Any]] = {
        "word_bytes": np.frombuffer(b"".join(file.words), dtype=np.int8),
        "word_ends": np.cumsum(lengths),
        "word_counts": file.word_counts,
        "label_counts": file.label_counts,
    }
    output = file.output.take(0, file.output.rows)
    if file.loss == "hs":
        tensors["tree"] = huffman_children(file.label_counts.tolist())
        # The matrix has a row for each label; the tree has one inner node less, but for one label.
        output = output[: max(1, len(output) - 1)]
    rows: NDArray[np.int64] | int = file.input.rows
    uses_buckets = file.args["wordNgrams"] > 1 or file.args["maxn"] > 0
    if not uses_buckets:
        rows = words
    elif file.pruned is not None:
        buckets = np.array(sorted(file.pruned), dtype=np.int32)
        places = np.array([file.pruned[bucket] for bucket in buckets.tolist()], dtype=np.int64)
        rows = np.concatenate([np.arange(words), words + places])
        tensors["buckets"] = buckets
    else:
        rows = words + int(file.args["bucket"])
    count = rows if isinstance(rows, int) else len(rows)
    if not np.isfinite(output).all():
        raise ValueError(f"{file.name}: got a value that is not finite in the output matrix; train the model again")
    # One text costs a product with the output matrix, too, where the factors stay apart.
    factored = count * len(output) > (count + len(output)) * file.input.columns
    tensors["table"] = _product(file.input, rows, None if factored else output)
    if factored:
        tensors["output"] = output
    if not np.isfinite(tensors["table"]).all():
        raise ValueError(f"{file.name}: got a value that is not finite in the input matrix; train the model again")
    return tensors


def _product(matrix: Matrix, rows: NDArray[np.int64] | int, output: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Rows of the input matrix, or of its product with the output matrix [K, D]; those of a mapped file in pieces."""
    count = rows if isinstance(rows, int) else len(rows)
    table = np.empty((count, matrix.columns if output is None else len(output)), dtype=np.float32)
    if isinstance(rows, int):
        for begin in range(0, count, _ROWS_AT_A_TIME):
            end = min(begin + _ROWS_AT_A_TIME, count)
            part = matrix.take(begin, end)
            table[begin:end] = part if output is None else part @ output.T
        return table
    whole = matrix.take(0, matrix.rows)[rows]
    table[:] = whole if output is None else whole @ output.T
    return table


def round_fasttext(model: FoldedFastText, texts: list[str] | None = None) -> FoldedFastText:
    """Return a model with its table in 8 bits, with one step for each column.

    Args:
        model: With a table of float32.
        texts: Real texts, to measure the error on; None for no measurement.
    """
    table = model.tensors["table"]
    largest = np.abs(table).max(axis=0, initial=0)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    rounded = np.empty(table.shape, dtype=np.int8)
    for begin in range(0, len(table), _ROWS_AT_A_TIME):
        rounded[begin : begin + _ROWS_AT_A_TIME] = np.rint(table[begin : begin + _ROWS_AT_A_TIME] / scale)
    tensors = {**model.tensors, "table": rounded, "scale": scale}
    rounded_model = FoldedFastText(model.config, tensors, model.metadata, model.threads)
    if texts is not None:
        rounded_model.metadata["int8_error"] = json.dumps(measure_error(model, rounded_model, texts))
    return rounded_model


def _read(settings: ConvertSettings) -> list[str] | None:
    if settings.texts is None:
        return None
    if isinstance(settings.texts, (list, tuple)):
        return list(settings.texts)
    from ..data.prediction import read_texts

    return read_texts(str(settings.texts), settings.text_column)


def facts_of(file: FastTextFile) -> dict[str, Any]:
    """Return the description of a model's file for the model card."""
    return {
        "file": None if file.path is None else file.path.name,
        "bytes": 0 if file.path is None else file.path.stat().st_size,
        "words": len(file.words),
        "tokens": file.tokens,
        "args": file.args,
    }
