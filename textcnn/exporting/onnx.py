"""A model as one ONNX file that carries its labels and tokenizer; `runtime.onnx.OnnxClassifier` opens it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..folding.quantize import measure_error
from ..folding.source import digest_of_model, plain_config, tokenizer_json_of
from ..runtime.onnx import DIGEST, UNKNOWN, OnnxClassifier, need, with_digest
from ..runtime.text_batches import check_column
from ..runtime.unfinished import unfinished


def export_onnx(
    model: Any, tokenizer: Any, path: str | Path, int8: bool = False, texts: Iterable[str] | None = None
) -> OnnxClassifier:
    """Write a model as an ONNX file and open it.

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
        ValueError: onnx is not installed, or int8 is requested without a text.
    """
    need("onnx")
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
        **({"heads": json.dumps(config["heads"], ensure_ascii=False)} if config.get("heads") else {}),
        "tokenizer.json": str(tokenizer_json_of(tokenizer)),
        "weights": digest_of_model(model),
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


def _with_metadata(graph: Any, metadata: dict[str, str]) -> bytes:
    from onnx import helper

    helper.set_model_props(graph, {**metadata, DIGEST: UNKNOWN})
    return with_digest(bytes(graph.SerializeToString()))
