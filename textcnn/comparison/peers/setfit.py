"""SetFit (Tunstall et al. 2022, https://arxiv.org/abs/2209.11055): contrastive fine-tuning of a sentence encoder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources

if TYPE_CHECKING:
    from ..splits import Splits


class SetFit(Peer):
    """SetFit with the settings of its documentation; it is made for a few labels a class."""

    title = "SetFit"
    packages = {"setfit": "setfit"}  # noqa: RUF012
    needs = ("encoder",)
    few_labels_only = True

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.model: Any = None

    def fit(self, data: Splits, seed: int) -> None:
        import setfit
        from datasets import Dataset

        strategy = {"multi_target_strategy": "one-vs-rest"} if data.multi_label else {}
        self.model = setfit.SetFitModel.from_pretrained(str(self.resources.encoder), **strategy)
        rows = Dataset.from_dict({"text": data.train.texts, "label": data.train.targets.tolist()})
        with tempfile.TemporaryDirectory() as folder:
            options = setfit.TrainingArguments(
                output_dir=folder, batch_size=16, num_epochs=1, seed=seed, report_to="none", show_progress_bar=False
            )
            setfit.Trainer(model=self.model, args=options, train_dataset=rows).train()

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        return np.asarray(self.model.predict_proba(texts, as_numpy=True))

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder))

    @classmethod
    def load(cls, folder: Path) -> SetFit:
        import setfit

        peer = cls(Resources())
        peer.model = setfit.SetFitModel.from_pretrained(str(folder))
        return peer
