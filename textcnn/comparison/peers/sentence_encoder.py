"""Embeddings of a sentence encoder and logistic regression.

Shapes: `N` texts, `T` tokens, `D` embedding, `C` classes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources, folder_bytes
from .choosing import choose
from .tfidf import quiet_convergence, spread

if TYPE_CHECKING:
    from ..splits import LabelledTexts, Splits

FILE = "head.json"
BATCH, MAX_LENGTH = 64, 256
STRENGTHS = (1.0, 10.0, 100.0)


class SentenceEncoder(Peer):
    """Embeddings of unit length, pooled as the checkpoint says, and logistic regression with C chosen."""

    title = "sentence encoder + logistic regression"
    packages = {"transformers": "transformers", "scikit-learn": "sklearn"}  # noqa: RUF012
    needs = ("encoder",)
    seeded = False

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.head: Any = None
        self.encoder: Encoder | None = None
        self._embedded: dict[int, tuple[Any, NDArray[np.float32]]] = {}

    def fit(self, data: Splits, seed: int) -> None:
        self._open(str(self.resources.encoder))
        C = choose(data, STRENGTHS, self._fitted, 0.5)
        self._fitted(data.everything(), C)

    def _open(self, encoder: str) -> None:
        self.encoder = Encoder(encoder)

    def _fitted(self, part: LabelledTexts, C: float) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        classifier = LogisticRegression(C=C, max_iter=300)
        self.head = OneVsRestClassifier(classifier) if part.targets.ndim == 2 else classifier
        with quiet_convergence():
            self.head.fit(self._embeddings(part.texts), part.targets)
        return self.scores

    def _embeddings(self, texts: list[str]) -> NDArray[np.float32]:
        """Return embeddings [N, D]; those of a list that was embedded before are kept."""
        assert self.encoder is not None
        if id(texts) not in self._embedded:
            # The list is kept as well, so that its id stays its own.
            self._embedded[id(texts)] = (texts, self.encoder(texts))
        return self._embedded[id(texts)][1]

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        assert self.encoder is not None
        embeddings = self._embedded[id(texts)][1] if id(texts) in self._embedded else self.encoder(texts)
        found = np.asarray(self.head.predict_proba(embeddings))
        return found if hasattr(self.head, "estimators_") else spread(found, self.head.classes_)

    def save(self, folder: Path) -> None:
        import joblib

        joblib.dump(self.head, folder / "head.joblib")
        assert self.encoder is not None
        (folder / FILE).write_text(json.dumps({"encoder": self.encoder.name}), encoding="utf-8")

    def size(self, folder: Path) -> int:
        """Return the bytes of the head and of the encoder's weights and tokenizer."""
        assert self.encoder is not None
        return folder_bytes(folder) + self.encoder.bytes()

    @classmethod
    def load(cls, folder: Path) -> SentenceEncoder:
        import joblib

        peer = cls(Resources())
        peer.head = joblib.load(folder / "head.joblib")
        peer._open(json.loads((folder / FILE).read_text(encoding="utf-8"))["encoder"])
        return peer


class Encoder:
    """A transformer that embeds texts.

    Args:
        name: Directory or Hub id.
    """

    def __init__(self, name: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        from ...artifact import quiet_transformers

        self.name = name
        with quiet_transformers():
            self.model = AutoModel.from_pretrained(name).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(name)
        self.pooling = _pooling(name)

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Return embeddings [N, D] of unit length."""
        import torch

        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found = np.zeros((len(texts), self.model.config.hidden_size), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                inputs = self.tokenizer(
                    [texts[row] for row in rows], padding=True, truncation=True, max_length=MAX_LENGTH,
                    return_tensors="pt",
                )  # fmt: skip
                states = self.model(**inputs).last_hidden_state
                if self.pooling == "cls":
                    pooled = states[:, 0]
                else:
                    mask = inputs["attention_mask"][:, :, None].to(states.dtype)
                    pooled = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
                found[rows] = torch.nn.functional.normalize(pooled, dim=1).float().numpy()
        return found

    def bytes(self) -> int:
        """Return the bytes of weights and tokenizer on disk; of the weights in memory for a model of the Hub."""
        folder = Path(self.name)
        if folder.is_dir():
            names = ("model.safetensors", "tokenizer.json", "config.json")
            return sum((folder / name).stat().st_size for name in names if (folder / name).is_file())
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())


def _pooling(name: str) -> str:
    """Return cls where the checkpoint says so, else mean."""
    path = Path(name) / "1_Pooling" / "config.json"
    given = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return "cls" if given.get("pooling_mode_cls_token") else "mean"
