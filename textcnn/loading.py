"""A saved model as a classifier: `load` opens an artifact, `TorchClassifier` answers with torch.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .runtime.classifier import TextClassifier
from .runtime.decisions import Array, count_fired

if TYPE_CHECKING:
    from .model import TextCNNForSequenceClassification
    from .runtime.explain import Explanation
    from .runtime.folded import FoldedTextCNN


class TorchClassifier(TextClassifier):
    """Answers with the torch model, on the device that the model is on.

    Args:
        model: The network; it is put into eval mode.
        tokenizer: A transformers tokenizer, as `textcnn.tokenization` loads it.
        batch_size: Texts computed at a time; they are sorted by length first.
    """

    def __init__(self, model: TextCNNForSequenceClassification, tokenizer: Any, batch_size: int = 256) -> None:
        super().__init__(model.config.to_dict())
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch_size = batch_size

    def explain(self, text: str, label: str | None = None) -> Explanation:
        """The n-grams of a text that made a logit; see `FoldedTextCNN.explain`."""
        from .folding.fold import fold

        return fold(self.model, self.tokenizer).explain(text, label)

    def _logits(self, texts: list[str]) -> Array:
        import torch

        logits = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        with torch.inference_mode():
            for rows, input_ids, mask in self._padded(texts):
                logits[rows] = self.model(input_ids, mask).logits.float().cpu().numpy()
        return logits

    def _logits_and_fired(self, texts: list[str]) -> tuple[Array, NDArray[np.int64]]:
        config = self.model.config
        if config.pooled_norm:
            raise ValueError(
                "score 'fired': this model normalises its pooled features, which hides which filters fired; expected "
                "pooled_norm False; use the score 'probability' or 'energy'"
            )
        import torch

        logits, fired = self._logits(texts), np.zeros(len(texts), dtype=np.int64)
        with torch.inference_mode():
            for rows, input_ids, mask in self._padded(texts):
                features = self.model.textcnn(input_ids, mask).pooler_output.float().cpu().numpy()
                fired[rows] = count_fired(features, config.activation)
        return logits, fired

    def _padded(self, texts: list[str]) -> Iterator[tuple[list[int], Any, Any]]:
        """Batches of texts of similar length: their positions, input_ids [B, T] and attention_mask [B, T]."""
        from .data import TextCollator

        device = self.model.device
        collate = TextCollator(self.tokenizer.pad_token_id)
        ids = [encoding.ids for encoding in self.tokenizer.backend_tokenizer.encode_batch_fast(texts)]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            batch = collate([{"input_ids": ids[row]} for row in rows])
            yield rows, batch["input_ids"].to(device), batch["attention_mask"].to(device)


def load(directory: str | Path, threads: int = 1) -> Any:
    """Open the model of a directory that `textcnn.train`, `textcnn fit`, `textcnn.pretrain` or `save_artifact` wrote.

    It answers from look-up tables, without torch. They are made on first use and kept in the directory, or only in
    memory where it cannot be written to.

    Args:
        directory: The artifact.
        threads: Threads that work on the texts of one call.

    Returns:
        A `TextClassifier`, or a `TextEncoder` where the model turns texts into vectors.

    Example:
        >>> classifier = textcnn.load("runs/quickstart")
        >>> classifier.predict(["Return the square root of x."])
        array(['numeric'], dtype='<U19')

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: the directory is no artifact, or one of its files is broken.
    """
    from .artifact import check_artifact, is_encoder
    from .runtime.encoder import TextEncoder

    folded = _load_folded(check_artifact(directory), threads)
    return TextEncoder(folded) if is_encoder(directory) else folded


def load_classifier(directory: str | Path, threads: int = 1) -> TextClassifier:
    """Open the classifier of a directory.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: the directory is no artifact, one of its files is broken, or it holds an encoder.
    """
    from .artifact import check_artifact, is_encoder

    if is_encoder(check_artifact(directory)):
        raise ValueError(
            f"model: got {directory}, an encoder without labels; expected a classifier; train one that starts from it: "
            f"textcnn train DATA --init {directory}"
        )
    return _load_folded(Path(directory), threads)


def _load_folded(directory: Path, threads: int) -> FoldedTextCNN:
    from .artifact import read_artifact
    from .runtime.folded import FoldedTextCNN
    from .runtime.storage import FOLDED_FILE

    if (directory / FOLDED_FILE).is_file():
        return FoldedTextCNN.load(directory, threads)

    from .folding.fold import fold

    if importlib.util.find_spec("torch") is None:
        raise ValueError(
            f"{directory} has no {FOLDED_FILE}, and making it needs torch, which is not installed; expected a folded "
            f"artifact; run `textcnn fold {directory}` where the model was trained, and copy that file here"
        )
    model, _ = read_artifact(directory)
    folded = fold(model, (directory / "tokenizer.json").read_text(encoding="utf-8"), threads=threads)
    if os.access(directory, os.W_OK):
        folded.save(directory)
    return folded
