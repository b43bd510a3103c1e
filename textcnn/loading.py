"""A saved model as a classifier: `load` opens an artifact, `TorchClassifier` answers with torch.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .runtime.capabilities import obstacle, refuse_heads
from .runtime.checks import check_config
from .runtime.classifier import TextClassifier
from .runtime.decisions import Array, check_fired, count_fired
from .runtime.heads import HeadsClassifier, alone, config_of_head, with_heads

if TYPE_CHECKING:
    from .model import TextCNNForSequenceClassification
    from .runtime.explain import Explanation
    from .runtime.folded import FoldedTextCNN


# Tokens of a batch, with padding: a deep network keeps a few vectors of each.
_MOST_TOKENS = 1 << 17


class TorchClassifier(TextClassifier):
    """Classifier that runs the torch model, on the device that the model is on.

    Args:
        model: The network; it is put into eval mode.
        tokenizer: A transformers tokenizer, as `textcnn.tokenization` loads it.
        batch_size: Most texts computed at a time; they are sorted by length first, and fewer where they are long.
    """

    def __init__(self, model: TextCNNForSequenceClassification, tokenizer: Any, batch_size: int = 256) -> None:
        super().__init__(model.config.to_dict())
        self._columns, self._is_head = slice(None), False
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch_size = batch_size

    @property
    def capabilities(self) -> frozenset[str]:
        """Capabilities of the model; a pooled norm hides the contribution of each window."""
        able = super().capabilities
        if self.model.config.backbone != "parallel":  # whose filters have no window that fires or not
            able -= {"fired"}
        return able & {"regress"} if self.model.config.pooled_norm else able

    def explain_batch(self, texts: Iterable[str], label: str | None = None) -> list[Explanation]:
        """Return the explanations of many texts, found together: of `label`, or as `explain` for None."""
        if obstacle(self.config, "fold") is None:
            from .folding.fold import fold

            folded: TextClassifier = fold(self.model, self.tokenizer)
            if self._is_head:
                folded = folded.of_head(self.config, self._columns)
            return folded.explain_batch(texts, label)
        return super().explain_batch(texts, label)

    def _explain(self, texts: list[str], classes: Sequence[int] | None) -> list[Explanation]:
        from .runtime.explain import explain_by_occlusion

        encode = self.tokenizer.backend_tokenizer.encode
        return [
            explain_by_occlusion(
                text, encode(text).ids, lambda own: encode(own).offsets, self._masked_logits, self.labels,
                None if classes is None else classes[n], self.multi_label, self.regression,
            )
            for n, text in enumerate(texts)
        ]  # fmt: skip

    def _masked_logits(self, ids: Sequence[Sequence[int]], masks: Sequence[Sequence[int]]) -> Array:
        """Logits [N, C] of lists of ids, of which some are hidden."""
        import torch

        longest, pad, device = max(map(len, ids), default=0), self.model.config.pad_token_id, self.model.device
        parts = []
        with torch.inference_mode():
            for some in self._batches([longest] * len(ids)):
                rows, hidden = ids[some], masks[some]
                padded = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in rows], dtype=torch.long)
                mask = torch.tensor([[*row, *[0] * (longest - len(row))] for row in hidden], dtype=torch.long)
                shape = (len(rows), longest)
                scores = self.model.outputs(padded.view(shape).to(device), mask.view(shape).to(device))
                parts.append(self._own(scores))
        return np.concatenate(parts)

    def of_head(self, config: dict[str, Any], columns: slice) -> TorchClassifier:
        """Return one head of a model with several as a classifier that runs the same network."""
        head = copy.copy(self)
        TextClassifier.__init__(head, config)
        head._columns, head._is_head = columns, True
        return head

    def _own(self, logits: Any) -> Array:
        """Return the logits [N, C] of the labels that this classifier has; those of a head have no temperature yet."""
        own: Array = logits[:, self._columns].float().cpu().numpy()
        return own / np.float32(self.temperature) if self._is_head else own

    def _logits(self, texts: list[str]) -> Array:
        import torch

        logits = np.empty((len(texts), self.num_logits), dtype=np.float32)
        with torch.inference_mode():
            for rows, input_ids, mask in self._padded(texts):
                logits[rows] = self._own(self.model.outputs(input_ids, mask))
        return logits

    def _logits_and_fired(self, texts: list[str]) -> tuple[Array, NDArray[np.int64]]:
        config = self.model.config
        check_fired(config.to_dict())
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
        for some in self._batches([len(ids[row]) for row in order]):
            rows = order[some]
            batch = collate([{"input_ids": ids[row]} for row in rows])
            yield rows, batch["input_ids"].to(device), batch["attention_mask"].to(device)

    def _batches(self, lengths: Sequence[int]) -> Iterator[slice]:
        """Yield slices of texts of rising lengths that take a bounded memory side by side, a text at least."""
        start = 0
        for end in range(1, len(lengths) + 1):
            is_full = end - start == self.batch_size
            if end == len(lengths) or is_full or (end + 1 - start) * lengths[end] > _MOST_TOKENS:
                yield slice(start, end)
                start = end


def load(directory: str | Path, threads: int = 1) -> Any:
    """Open the model of a directory that `textcnn.train`, `textcnn fit`, `textcnn.pretrain` or `save_artifact` wrote.

    It answers from look-up tables, without torch. They are made on first use and kept in the directory, or only in
    memory where it cannot be written to. A model that does not fold answers with ONNX Runtime from `model.onnx`, where
    `textcnn export` wrote that into the directory, else with torch.

    Args:
        directory: The artifact, or an ONNX file that `textcnn export` wrote.
        threads: Threads that work on the texts of one call.

    Returns:
        A `TextClassifier`, a `HeadsClassifier` where the model has several heads, or a `TextEncoder` where it turns
        texts into vectors.

    Example:
        >>> classifier = textcnn.load("runs/quickstart")
        >>> classifier.predict(["Return the square root of x."])
        array(['numeric'], dtype='<U19')

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: the directory is no artifact, or one of its files is broken.
    """
    from .artifact import MASKED_LM, check_artifact, model_kind, read_config
    from .runtime.onnx import OnnxClassifier

    if Path(directory).suffix == ".onnx":
        return as_answered(OnnxClassifier(directory, threads))
    kind = model_kind(read_config(check_artifact(directory)))
    if kind == MASKED_LM:
        raise ValueError(
            f"got {directory}, a masked language model, which has no answers; expected a classifier or an encoder; "
            f"write texts with it: textcnn generate {directory}; start from it: textcnn train DATA --init {directory}"
        )
    return as_answered(_load_engine(Path(directory), threads))


def as_answered(engine: TextClassifier) -> Any:
    """Return what `load` does for an engine: itself, a HeadsClassifier, or a TextEncoder."""
    from .artifact import ENCODER, model_kind
    from .runtime.encoder import TextEncoder

    return TextEncoder(engine) if model_kind(engine.config) == ENCODER else with_heads(engine)


def load_classifier(directory: str | Path, threads: int = 1, head: str | None = None) -> TextClassifier:
    """Open the classifier of a directory that answers one question.

    Args:
        directory: The artifact.
        threads: Threads that work on the texts of one call.
        head: Name of the head, where the model has several.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: the directory is no artifact, one of its files is broken, it holds another model, or it has several
            heads and none is named.
    """
    from .artifact import CLASSIFIER, check_kind, read_config

    config = read_config(check_kind(directory, CLASSIFIER))
    check_config(config)
    if head is None:
        refuse_heads(config, str(directory), "choose one with head (--head)")
        return _load_engine(Path(directory), threads)
    config_of_head(config, head)  # before the work: a misspelt one is named
    return alone(_load_engine(Path(directory), threads), head)


def load_with_heads(directory: str | Path, threads: int = 1) -> TextClassifier | HeadsClassifier:
    """Open the classifier of a directory: a HeadsClassifier where it has several heads.

    Raises:
        FileNotFoundError: there is no such directory.
        ValueError: the directory is no artifact, one of its files is broken, or it holds another model.
    """
    from .artifact import CLASSIFIER, check_kind

    classifier: TextClassifier | HeadsClassifier = with_heads(_load_engine(check_kind(directory, CLASSIFIER), threads))
    return classifier


def _load_engine(directory: Path, threads: int) -> TextClassifier:
    from .artifact import CONVERTED, read_artifact, read_config
    from .runtime.checks import read_utf8
    from .runtime.folded import FoldedTextCNN
    from .runtime.storage import FOLDED_FILE

    config = read_config(directory)
    if CONVERTED in config:
        from .runtime.fasttext import FoldedFastText

        return FoldedFastText.load(directory, threads)
    if obstacle(config, "fold") is not None:
        return _load_unfolded(directory, config, threads)
    if (directory / FOLDED_FILE).is_file():
        return FoldedTextCNN.load(directory, threads)

    from .folding.fold import fold

    if importlib.util.find_spec("torch") is None:
        raise ValueError(
            f"{directory} has no {FOLDED_FILE}, and making it needs torch, which is not installed; expected a folded "
            f"artifact; run `textcnn fold {directory}` where the model was trained, and copy that file here"
        )
    model, _ = read_artifact(directory)
    folded = fold(model, read_utf8(directory / "tokenizer.json"), threads=threads)
    # A folder that cannot be written to, or a full disk: the tables stay in memory only.
    with contextlib.suppress(OSError):
        folded.save(directory)
    return folded


def _load_unfolded(directory: Path, config: dict[str, Any], threads: int) -> TextClassifier:
    """The classifier of a model that does not fold: ONNX Runtime's where it can answer, else torch's."""
    from .runtime.storage import ONNX_FILE

    has_file = (directory / ONNX_FILE).is_file()
    if has_file and importlib.util.find_spec("onnxruntime") is not None:
        return _open_onnx(directory, config, threads)
    if importlib.util.find_spec("torch") is None:
        reason = obstacle(config, "fold")
        raise ValueError(
            f"{directory}: got a model with {reason}, and neither torch nor "
            + (f"onnxruntime is installed for its {ONNX_FILE}" if has_file else f"a {ONNX_FILE}")
            + f"; run `textcnn export {directory} --output {directory / ONNX_FILE}` where it was trained"
        )
    from .artifact import read_artifact

    return TorchClassifier(*read_artifact(directory))


def _open_onnx(directory: Path, config: dict[str, Any], threads: int) -> TextClassifier:
    """Open the ONNX file of a directory; where weights lie beside it, they are to be those that it was made from."""
    from .runtime.digests import verify, verify_settings
    from .runtime.onnx import OnnxClassifier
    from .runtime.storage import ONNX_FILE, digest_of_weights

    check_config(config)
    verify_settings(directory / "config.json", config)
    classifier = OnnxClassifier(directory / ONNX_FILE, threads, config)
    weights = directory / "model.safetensors"
    if "weights" in classifier.metadata and weights.is_file():
        remedy = f"{ONNX_FILE} beside it was made from other weights: remove it, or export the model again"
        verify(weights, classifier.metadata["weights"], lambda: digest_of_weights(weights), remedy)
    return classifier


def load_folded(directory: str | Path, capability: str, head: str | None = None) -> FoldedTextCNN:
    """Open a model that answers from look-up tables and has an ability.

    Args:
        directory: The artifact.
        capability: Of `textcnn.runtime.capabilities`.
        head: Name of the head, where the model has several.

    Raises:
        ValueError: the model lacks the ability; the setting in the way is named.
    """
    from .artifact import CLASSIFIER, check_kind, read_config
    from .runtime.capabilities import demand
    from .runtime.folded import FoldedTextCNN

    config = read_config(check_kind(directory, CLASSIFIER))
    demand(config, capability)
    if head is not None:
        demand(config_of_head(config, head), capability, head)
    classifier = load_classifier(directory, head=head)
    assert isinstance(classifier, FoldedTextCNN)
    return classifier
