"""A sentence encoder: a transformer whose token vectors are pooled into one vector a text, or any function of texts.

Shapes: `N` texts, `T` tokens, `D` size of a vector.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.computed import computed_rows
from .checkpoints import check_place, fingerprint, readable_length, unreadable
from .precision import resolve_precision
from .transformer import transformer_outputs

Array = NDArray[np.float32]

MAX_LENGTH = 256  # tokens of a text that are read, where the checkpoint does not say
_EXPECTED = "a sentence encoder, such as sentence-transformers/all-MiniLM-L6-v2"


class SentenceEncoder:
    """Vectors of texts.

    Args:
        encode: Function from a list of texts to vectors [N, D].
        fingerprint: Identity of the function in a cache; None keeps nothing.
        checkpoint: Directory or Hub id of its token vectors, where it has some.
    """

    def __init__(
        self, encode: Callable[[list[str]], Any], fingerprint: str | None = None, checkpoint: str | None = None
    ) -> None:
        self._encode, self.fingerprint, self.checkpoint = encode, fingerprint, checkpoint

    def encode(self, texts: list[str]) -> Array:
        """Return the vectors of texts: [N, D].

        Raises:
            ValueError: The function returns another number of vectors.
        """
        vectors = np.asarray(self._encode(texts), dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise ValueError(
                f"encoder: got an array of shape {vectors.shape} for {len(texts)} texts; expected a vector for each, "
                "[N, D]; mend the encoder"
            )
        return vectors

    def encode_cached(self, texts: Sequence[str], cache: Path | None = None, progress: bool = False) -> Array:
        """Return the vectors of texts, [N, D]; those computed before come from the cache."""
        columns = self.encode(["a text"]).shape[1]
        return computed_rows(self.encode, texts, columns, self.fingerprint, cache, progress, "encoder", "vector")


def open_encoder(encoder: Any, precision: str = "auto") -> SentenceEncoder:
    """Open a sentence encoder.

    Args:
        encoder: A directory or Hub id of a transformer or a sentence-transformers model, the directory of a model of
            model2vec or an encoder of ours, an object with a method `encode`, or a function from a list of texts to
            vectors [N, D].
        precision: Of a transformer: 32-true, bf16-mixed, or auto, the latter where the processor is made for it.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The checkpoint cannot be read, or pools its tokens in a way that is not supported.
        TypeError: It is none of these.

    Example:
        >>> open_encoder("sentence-transformers/all-MiniLM-L6-v2").encode(["a lovely film"]).shape
        (1, 384)
    """
    if isinstance(encoder, str | Path):
        return _open_checkpoint(str(encoder), precision)
    if hasattr(encoder, "encode"):
        return SentenceEncoder(encoder.encode)
    if callable(encoder):
        return SentenceEncoder(encoder)
    raise TypeError(
        f"encoder: got a {type(encoder).__name__}; expected a directory or Hub id, an object with encode, or a "
        "function of texts"
    )


def _open_checkpoint(name: str, precision: str) -> SentenceEncoder:
    directory = Path(name)
    identity = fingerprint(directory) if directory.is_dir() else name
    if _model_type(directory) == "textcnn":
        from ..loading import load

        return SentenceEncoder(load(name).encode, identity, name)
    if _model_type(directory) == "model2vec":
        return SentenceEncoder(_model2vec(name), identity, name)
    halved = resolve_precision(precision) == "bf16-mixed"
    model = _PooledTransformer(name, halved)
    return SentenceEncoder(model.encode, identity + (" bf16" if halved else "") + f" {model.description}", name)


def _model2vec(name: str) -> Callable[[list[str]], Any]:
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise ValueError(
            f"encoder: got {name}, a model of model2vec, which is not installed; run pip install model2vec"
        ) from error
    return StaticModel.from_pretrained(name).encode


def _model_type(directory: Path) -> str | None:
    try:
        return json.loads((directory / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None  # no file of a checkpoint's: whoever opens it says so


class _PooledTransformer:
    def __init__(self, name: str, halved: bool) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        from ..artifact import quiet_transformers

        check_place("encoder", name, _EXPECTED)
        self._halved = halved
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            with quiet_transformers():
                model = AutoModel.from_pretrained(name)
            self._tokenizer = AutoTokenizer.from_pretrained(name)
        except Exception as error:  # whatever a broken file provokes in transformers
            raise unreadable("encoder", name, _EXPECTED, error) from error
        self._model = model.eval().to(self._device)
        wanted = _read_json(name, "sentence_bert_config.json").get("max_seq_length") or MAX_LENGTH
        self._max_length = readable_length(wanted, self._tokenizer, model.config)
        self._pooling = _pooling(name)
        self.description = f"{self._pooling} {self._max_length}"

    def encode(self, texts: list[str]) -> Array:
        """Return the vectors of texts: [N, D]."""
        vectors = np.empty((len(texts), self._model.config.hidden_size), np.float32)
        outputs = transformer_outputs(self._model, self._tokenizer, texts, self._max_length, self._halved)
        for rows, batch, output in outputs:
            hidden = output.last_hidden_state.float()
            vectors[rows] = self._pool(hidden, batch["attention_mask"][:, :, None]).cpu().numpy()
        return vectors

    def _pool(self, hidden: Any, mask: Any) -> Any:
        if self._pooling == "cls":
            return hidden[:, 0]
        if self._pooling == "max":
            return hidden.masked_fill(mask == 0, -1e9).amax(dim=1)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _pooling(name: str) -> str:
    """Return the pooling of a checkpoint as sentence-transformers saved it; mean where it says nothing.

    Raises:
        ValueError: It has another pooling than mean, cls and max, or a layer after it.
    """
    modules = _read_json(name, "modules.json", [])
    others = [module["type"].rpartition(".")[2] for module in modules[2:]]
    others = [kind for kind in others if kind != "Normalize"]  # the loss looks at directions only
    if others:
        raise ValueError(
            f"encoder: got {name}, which has {', '.join(others)} after its pooling; expected none; give a function "
            "that encodes with sentence-transformers, from Python"
        )
    if len(modules) < 2:
        return "mean"
    settings = _read_json(name, f"{modules[1]['path']}/config.json")
    chosen = [key.removeprefix("pooling_mode_") for key, value in settings.items() if key.startswith("pooling_mode_")
              and value is True]  # fmt: skip
    poolings = {"mean_tokens": "mean", "cls_token": "cls", "max_tokens": "max"}
    if len(chosen) != 1 or chosen[0] not in poolings:
        raise ValueError(
            f"encoder: got {name}, which pools by {', '.join(chosen) or 'nothing'}; expected mean_tokens, cls_token or "
            "max_tokens; give a function that encodes with sentence-transformers, from Python"
        )
    return poolings[chosen[0]]


def _read_json(name: str, file: str, default: Any = None) -> Any:
    """Return a JSON file of a checkpoint, a directory or on the Hub, or the default where it has none."""
    from transformers.utils import cached_file

    path = cached_file(name, file, _raise_exceptions_for_missing_entries=False,
                       _raise_exceptions_for_connection_errors=False)  # fmt: skip
    if path is None:
        return {} if default is None else default
    return json.loads(Path(path).read_text(encoding="utf-8"))
