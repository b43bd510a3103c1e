"""A transformer that is fine-tuned on all labels, as `textcnn teach` does it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources

if TYPE_CHECKING:
    from ..splits import Splits

BATCH = 64


class Transformer(Peer):
    """A fine-tuned transformer."""

    title = "fine-tuned transformer"
    packages = {"transformers": "transformers"}  # noqa: RUF012
    needs = ("transformer",)

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.model: Any = None
        self.tokenizer: Any = None

    def prepare(self) -> None:
        from ...finetuning import teach

        assert teach

    def fit(self, data: Splits, seed: int) -> None:
        from ...finetuning.teach import teach

        fraction: dict[str, Any] = {} if data.validation is not None else {"validation_fraction": 0.0}
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "teacher"
            teach(
                str(self.resources.transformer), data.by_split(), output, seed=seed, labels=data.labels,
                progress=False, **fraction,
            )  # fmt: skip
            self._open(output)

    def _open(self, folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from ...artifact import quiet_transformers

        with quiet_transformers():
            self.model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        import torch

        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found = np.zeros((len(texts), self.model.config.num_labels), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                inputs = self.tokenizer(
                    [texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt"
                )
                logits = self.model(**inputs).logits.float()
                several = self.model.config.problem_type == "multi_label_classification"
                found[rows] = (logits.sigmoid() if several else logits.softmax(dim=1)).numpy()
        return found

    def save(self, folder: Path) -> None:
        from ...artifact import save_weights

        save_weights(self.model, folder)
        self.tokenizer.save_pretrained(folder)

    @classmethod
    def load(cls, folder: Path) -> Transformer:
        peer = cls(Resources())
        peer._open(folder)
        return peer
