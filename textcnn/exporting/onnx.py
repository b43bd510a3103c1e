"""A model as one ONNX file that carries its labels and tokenizer, and the classifier that opens it.

Shapes: `N` and `B` texts, `T` tokens with padding, `C` classes.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..data.padding import pad_right
from ..folding.fold import plain_config, tokenizer_json_of
from ..folding.quantize import measure_error
from ..runtime.classifier import Array, TextClassifier
from ..runtime.storage import unfinished
from ..runtime.text_batches import check_column

# Tokens with padding, of the texts that are computed together.
_CELLS = 1 << 14


def export_onnx(
    model: Any, tokenizer: Any, path: str | Path, int8: bool = False, texts: Iterable[str] | None = None
) -> OnnxClassifier:
    """Writes a model as an ONNX file and opens it.

    Args:
        model: A TextCNNForSequenceClassification.
        tokenizer: Its tokenizer, as `textcnn.folding.fold.fold` takes it.
        path: File to write.
        int8: Keep the weights in 8 bits: a quarter of the size, with an error that is measured on `texts` and stored
            in the metadata.
        texts: Real texts to measure the int8 error on.

    Example:
        >>> export_onnx(*read_artifact("runs/spam"), "spam.onnx").predict(["free entry, call now"])
        array(['spam'], dtype='<U4')

    Raises:
        ValueError: onnx is not installed, or int8 is asked for without a text.
    """
    _need("onnx")
    from .onnx_graph import onnx_graph

    if texts is not None:
        check_column(texts)
    wanted = None if texts is None else list(texts)
    if int8 and not wanted:
        raise ValueError("int8: got no texts; expected some, to measure its error on; give texts")
    Path(path).parent.mkdir(parents=True, exist_ok=True)  # where it cannot be made, before the work
    config = plain_config(model)
    metadata = {
        "config": json.dumps(config),
        "id2label": json.dumps(config["id2label"], ensure_ascii=False),
        "problem_type": str(config.get("problem_type")),
        "temperature": str(config.get("temperature", 1.0)),
        "thresholds": json.dumps(config.get("thresholds")),
        "tokenizer.json": str(tokenizer_json_of(tokenizer)),
    }
    graph = onnx_graph(model, int8)
    if int8:
        exact = OnnxClassifier(_with_metadata(onnx_graph(model), metadata))
        rounded = OnnxClassifier(_with_metadata(graph, metadata))
        metadata["int8_error"] = json.dumps(measure_error(exact, rounded, wanted or []))
    content = _with_metadata(graph, metadata)
    with unfinished(Path(path)) as temporary:
        temporary.write_bytes(content)
    return OnnxClassifier(path)


class OnnxClassifier(TextClassifier):
    """Answers with ONNX Runtime from a file that `textcnn export` wrote.

    Args:
        model: The file, or its content.
        threads: Threads of ONNX Runtime.

    Example:
        >>> OnnxClassifier("reviews.onnx").predict(["a lovely film"])
        array(['positive'], dtype='<U8')

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: onnxruntime is not installed, or the file is no ONNX model of `textcnn export`.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1) -> None:
        _need("onnxruntime")
        import onnxruntime

        from ..runtime.tokenizer import compile_tokenizer

        where = "the model" if isinstance(model, bytes) else str(model)
        if not isinstance(model, bytes) and not Path(model).is_file():
            raise FileNotFoundError(f"no file {model}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own kinds, which are no ValueError
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{where} cannot be read ({reason}); expected what `textcnn export` writes") from error
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        if not {"config", "tokenizer.json"} <= self.metadata.keys():
            raise ValueError(f"{where}: got an ONNX model without our metadata; expected what `textcnn export` writes")
        config = json.loads(self.metadata["config"])
        super().__init__(config)
        self._pad = int(config["pad_token_id"])
        self._tokenizer = compile_tokenizer(self.metadata["tokenizer.json"])

    def logits_of_ids(self, input_ids: Any, attention_mask: Any) -> Array:
        """Logits [B, C] of token ids [B, T] and their mask, as another program would ask for them."""
        inputs = {
            "input_ids": np.asarray(input_ids, dtype=np.int64),
            "attention_mask": np.asarray(attention_mask, dtype=np.int64),
        }
        logits: Array = self._session.run(["logits"], inputs)[0]
        return logits

    def _logits(self, texts: list[str]) -> Array:
        ids, offsets = self._tokenizer.encode_batch(texts)
        lengths = np.diff(offsets)
        order = np.argsort(lengths, kind="stable")
        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= _CELLS:
                stop += 1
            rows = order[start:stop]
            joined = np.concatenate([ids[offsets[row] : offsets[row + 1]] for row in rows])
            logits[rows] = self.logits_of_ids(*pad_right(joined, lengths[rows], self._pad))
            start = stop
        return logits


def _with_metadata(graph: Any, metadata: dict[str, str]) -> bytes:
    from onnx import helper

    helper.set_model_props(graph, metadata)
    return bytes(graph.SerializeToString())


def _need(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"ONNX needs {package}, which is not installed; run pip install 'textcnn[onnx]'")
