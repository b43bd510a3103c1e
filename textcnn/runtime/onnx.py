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

from ..errors import one_line
from .classifier import TextClassifier
from .decisions import Array
from .digests import digest_of, verify
from .padding import pad_right
from .tokenizer import compile_tokenizer

if TYPE_CHECKING:
    from .explain import Explanation

# Tokens with padding, of the texts that are computed together.
_CELLS = 1 << 14
# Name of the digest among the metadata, the bytes before it in the file, and its digits before it is known.
DIGEST, _ENTRY, UNKNOWN = "digest", b"\x0a\x06digest\x12\x10", "0" * 16


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
        if DIGEST in self.metadata and not isinstance(model, bytes):
            path = Path(model)
            verify(path, self.metadata[DIGEST], lambda: digest_of_onnx(path.read_bytes(), self.metadata[DIGEST]))
        try:
            exported = json.loads(self.metadata["config"])
            super().__init__(config or exported)
            self._pad = int(exported["pad_token_id"])
            self._tokenizer = compile_tokenizer(self.metadata["tokenizer.json"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{where}: got metadata that cannot be used ({one_line(error)}); expected what `textcnn export` "
                "writes; export the model again"
            ) from error
        _check_graph(where, self._session, self.num_logits)
        # The file divides by the temperature of its day.
        self._factor = np.float32(float(exported.get("temperature", 1.0)) / self.temperature)
        self._columns = slice(None)

    def logits_of_ids(self, input_ids: Any, attention_mask: Any) -> Array:
        """Return the logits [B, C] of token ids [B, T] and their mask, as another program would compute them.

        Those of ordered levels are one score [B, 1], which the cut points of config.json make probabilities of.
        """
        inputs = {
            "input_ids": np.asarray(input_ids, dtype=np.int64),
            "attention_mask": np.asarray(attention_mask, dtype=np.int64),
        }
        try:
            logits: Array = self._session.run(["logits"], inputs)[0]
        except Exception as error:  # of onnxruntime's own kinds
            raise ValueError(
                f"the ONNX model cannot be run ({one_line(error)}); expected token ids of its tokenizer, and a graph "
                "that `textcnn export` wrote"
            ) from error
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


def with_digest(content: bytes) -> bytes:
    """Return an ONNX file with the digest of its other bytes in the place of `UNKNOWN`."""
    place = content.rindex(_ENTRY + UNKNOWN.encode()) + len(_ENTRY)
    digest = digest_of_onnx(content, UNKNOWN).encode()
    return content[:place] + digest + content[place + len(digest) :]


def digest_of_onnx(content: bytes, digest: str) -> str:
    """Return the digest of an ONNX file without the digest that stands in its metadata."""
    place = content.rfind(_ENTRY + digest.encode())
    if place < 0:
        return "none"
    place += len(_ENTRY)
    return f"{digest_of(content[place + len(digest) :], digest_of(content[:place])):016x}"


def _check_graph(where: str, session: Any, outputs: int) -> None:
    """Refuse a graph with other inputs, or other outputs, than the metadata say."""
    inputs = {entry.name for entry in session.get_inputs()}
    shapes = {entry.name: entry.shape for entry in session.get_outputs()}
    last = shapes.get("logits", [None])[-1:]
    if inputs != {"input_ids", "attention_mask"} or "logits" not in shapes or last not in ([outputs], [None]):
        raise ValueError(
            f"{where}: got a graph from {', '.join(sorted(inputs))} to {', '.join(shapes)} {last}; expected input_ids, "
            f"attention_mask and logits [N, {outputs}], as its metadata say; export the model again"
        )


def need(package: str) -> None:
    """Raise ValueError where a package of the extra `onnx` is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"ONNX needs {package}, which is not installed; run pip install 'textcnn[onnx]'")
