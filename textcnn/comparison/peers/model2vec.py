"""model2vec: the mean of static vectors and a head, trained with its own trainer."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources

if TYPE_CHECKING:
    from ..splits import Splits


class Model2Vec(Peer):
    """Static vectors that stay as they are, and a head of one hidden layer."""

    title = "model2vec, head"
    packages = {"model2vec": "model2vec"}  # noqa: RUF012
    needs = ("static_model", "encoder")
    freeze: ClassVar[bool] = True

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.pipeline: Any = None
        self.columns: list[int] = []

    @classmethod
    def missing(cls, resources: Resources) -> str:
        reason = super().missing(resources)
        if not reason and not resources.static_model and importlib.util.find_spec("skeletoken") is None:
            return "distilling needs pip install 'model2vec[distill]'; or give --static_model"
        return reason

    def prepare(self) -> None:
        import model2vec.train

        assert model2vec.train
        static_model(self.resources)  # as a pretrained model, it is there before a user's labels are

    def fit(self, data: Splits, seed: int) -> None:
        from model2vec.train import StaticModelForClassification

        model = StaticModelForClassification.from_pretrained(static_model(self.resources), freeze=self.freeze)
        names = [str(label) for label in range(len(data.labels))]
        held: dict[str, Any] = {}
        if data.validation is not None:
            held = {"X_val": data.validation.texts, "y_val": data.validation.label_lists(names)}
        elif not data.multi_label:
            # Its own tenth has no text of some classes where there are eight of each.
            held = {"test_size": max(len(np.unique(data.train.targets)), math.ceil(0.1 * len(data.train)))}
        model.fit(data.train.texts, data.train.label_lists(names), random_seed=seed, device="cpu", **held)
        self.pipeline = model.to_pipeline()

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        found = self.pipeline.predict_proba(texts, use_multiprocessing=False)
        columns = [int(name) for name in self.pipeline.classes_]
        wide = np.zeros((len(texts), max(columns) + 1))
        wide[:, columns] = found
        return wide

    def save(self, folder: Path) -> None:
        self.pipeline.save_pretrained(str(folder))

    @classmethod
    def load(cls, folder: Path) -> Model2Vec:
        from model2vec.inference import StaticModelPipeline

        peer = cls(Resources())
        peer.pipeline = StaticModelPipeline.from_pretrained(str(folder))
        return peer


class Model2VecTuned(Model2Vec):
    """Static vectors and a head that are trained together, which is the default of its trainer."""

    title = "model2vec, fine-tuned"
    freeze = False


def static_model(resources: Resources) -> str:
    """Return the directory or name of the static model; it is distilled from the encoder once."""
    if resources.static_model:
        return resources.static_model
    encoder = str(resources.encoder)
    folder = resources.scratch / f"model2vec-{hashlib.sha256(encoder.encode()).hexdigest()[:12]}"
    if not (folder / "model.safetensors").is_file():
        from model2vec.distill import distill

        distill(encoder, device="cpu").save_pretrained(str(folder))
    return str(folder)
