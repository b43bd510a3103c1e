"""textcnn itself: a recipe of `textcnn train`, served from its look-up tables without torch."""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources

if TYPE_CHECKING:
    from ..splits import Splits

# What a server needs of an artifact.
SERVED = ("folded.safetensors", "tokenizer.json", "config.json")


class TextCNN(Peer):
    """A TextCNN; `resources.variant` has the settings of its recipe that are not the default.

    `int8` among them rounds the tables to 8 bits.
    """

    title = "textcnn"

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.classifier: Any = None
        self._artifact: Path | None = None

    def settings(self) -> dict[str, Any]:
        """Return every setting of the recipe: another default is another recipe."""
        from ...settings import TrainSettings

        variant = {name: value for name, value in self.resources.variant.items() if name != "int8"}
        noted = TrainSettings(data="", **variant).noted()
        return {
            "version": sys.modules["textcnn"].__version__,
            "int8": bool(self.resources.variant.get("int8")),
            **noted,
        }

    def prepare(self) -> None:
        from ... import training
        from ...core.library import instructions

        assert training
        instructions()  # in a checkout the core is built when it is first used

    def fit(self, data: Splits, seed: int) -> None:
        from ...training import train

        variant: dict[str, Any] = dict(self.resources.variant)
        int8 = variant.pop("int8", False)
        folder = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, folder, True)
        self._artifact = folder / "run"
        train(
            data.by_split(), self._artifact, seed=seed, labels=data.labels, progress=False, **variant,
        )  # fmt: skip
        if int8:
            from ...folding.fold import fold_artifact

            fold_artifact(self._artifact, int8=True, texts=data.train.texts[:1000])
        self.classifier = _open(self._artifact)

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        return np.asarray(self.classifier.predict_proba(texts))

    def save(self, folder: Path) -> None:
        assert self._artifact is not None
        for name in SERVED:
            shutil.copy(self._artifact / name, folder / name)

    @classmethod
    def load(cls, folder: Path) -> TextCNN:
        peer = cls(Resources())
        peer.classifier = _open(folder)
        return peer


def _open(folder: Path) -> Any:
    from ...loading import load

    return load(folder)
