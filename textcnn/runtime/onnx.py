"""OnnxClassifier: the answers of an ONNX file that `textcnn export` wrote.

Shapes: `N` and `B` texts, `T` tokens with padding, `C` classes.
"""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .classifier import TextClassifier
from .decisions import Array
from .padding import pad_right
from .tokenizer import compile_tokenizer

if TYPE_CHECKING:
    from .explain import Explanation

# Tokens with padding, of the texts that are computed together.
_CELLS = 1 << 14


class OnnxClassifier(TextClassifier):
    """Classifier that runs a file written by `textcnn export` with ONNX Runtime.

    Args:
        model: The file, or its content.
        threads: Threads of ONNX Runtime.
        config: config.json of the artifact, whose calibration may have changed since. Default: the file's own.

    Example:
        >>> OnnxClassifier("reviews.onnx").predict(["a lovely film"])
        array(['positive'], dtype='<U8')

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: onnxruntime is not installed, or the file is no ONNX model of `textcnn export`.
    """

    def __init__(self, model: str | Path | bytes, threads: int = 1, config: Mapping[str, Any] | None = None) -> None:
        need("onnxruntime")
        import onnxruntime

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
        exported = json.loads(self.metadata["config"])
        super().__init__(config or exported)
        # The file divides by the temperature of its day.
        self._factor = np.float32(float(exported.get("temperature", 1.0)) / self.temperature)
        self._columns = slice(None)
        self._pad = int(exported["pad_token_id"])
        self._tokenizer = compile_tokenizer(self.metadata["tokenizer.json"])

    def logits_of_ids(self, input_ids: Any, attention_mask: Any) -> Array:
        """Return the logits [B, C] of token ids [B, T] and their mask, as another program would compute them.

        Those of ordered levels are one score [B, 1], which the cut points of config.json make probabilities of.
        """
        inputs = {
            "input_ids": np.asarray(input_ids, dtype=np.int64),
            "attention_mask": np.asarray(attention_mask, dtype=np.int64),
        }
        logits: Array = self._session.run(["logits"], inputs)[0]
        return logits[:, self._columns] * self._factor

    def of_head(self, config: dict[str, Any], columns: slice) -> OnnxClassifier:
        """Return one head of a model with several as a classifier that runs the same file."""
        head = copy.copy(self)
        TextClassifier.__init__(head, config)
        head._columns, head._factor = columns, np.float32(1 / head.temperature)
        return head

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        from .explain import explain_by_occlusion

        return [
            explain_by_occlusion(
                text, self._tokenizer.encode_batch([text])[0].tolist(), self._tokenizer.spans, self._masked_logits,
                self.labels, None if classes is None else classes[n], self.multi_label, self.regression,
            )
            for n, text in enumerate(texts)
        ]  # fmt: skip

    def _masked_logits(self, ids: Sequence[Sequence[int]], masks: Sequence[Sequence[int]]) -> Array:
        """Logits [N, C] of lists of ids, of which some are hidden, as many at a time as fit."""
        longest = max(map(len, ids), default=0)
        size = max(1, _CELLS // max(1, longest))
        parts = []
        for start in range(0, len(ids), size):
            lengths = np.array([len(row) for row in ids[start : start + size]], dtype=np.int64)
            rows = np.array([token for row in ids[start : start + size] for token in row], dtype=np.int64)
            hidden = np.array([bit for row in masks[start : start + size] for bit in row], dtype=np.int64)
            input_ids, mask = pad_right(rows, lengths, self._pad)
            mask[mask == 1] = hidden
            parts.append(self.logits_of_ids(input_ids, mask))
        return np.concatenate(parts)

    def _logits(self, texts: list[str]) -> Array:
        ids, offsets = self._tokenizer.encode_batch(texts)
        lengths = np.diff(offsets)
        order = np.argsort(lengths, kind="stable")
        logits = np.empty((len(texts), self.num_logits), dtype=np.float32)
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


def need(package: str) -> None:
    """Raise ValueError where a package of the extra `onnx` is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"ONNX needs {package}, which is not installed; run pip install 'textcnn[onnx]'")
