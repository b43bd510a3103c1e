"""Base of the classifiers of a comparison.

Modules of this room import their packages where they use them: a process that answers pays for its own only.

Shapes: `N` texts, `C` classes.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..splits import Splits


@dataclass(frozen=True)
class Resources:
    """User settings for the classifiers of a comparison.

    Args:
        encoder: Sentence encoder: directory or Hub id of a transformer.
        static_model: Directory or Hub id of a model2vec model. Default: distilled from the encoder.
        transformer: Directory or Hub id of a transformer to fine-tune.
        fasttext_seconds: Seconds of fastText's search for settings.
        scratch: Folder for what several fits use.
        variant: Settings of `textcnn.train`, for textcnn only.
    """

    encoder: str | None = None
    static_model: str | None = None
    transformer: str | None = None
    fasttext_seconds: int = 60
    scratch: Path = Path("scratch")
    variant: dict[str, Any] = field(default_factory=dict)


class Peer(ABC):
    """A classifier with its own recommended settings.

    Args:
        resources: The user's settings.

    Attributes:
        title: Name in tables.
        packages: Packages that it imports, as pip names them, with the name to import.
        seeded: Its result depends on the seed.
        needs: Name of the setting of a checkpoint that it needs, or "".
        few_labels_only: It is made for few labels, and compared there only.
    """

    title: ClassVar[str]
    packages: ClassVar[dict[str, str]] = {}
    seeded: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ()
    few_labels_only: ClassVar[bool] = False
    # False: scores are distances to a plane, with the threshold 0.
    probabilistic: ClassVar[bool] = True

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def prepare(self) -> None:
        """Import the packages that `fit` needs, to exclude their import from the training time."""
        for module in self.packages.values():
            importlib.import_module(module)

    @abstractmethod
    def fit(self, data: Splits, seed: int) -> None:
        """Train on a data set."""

    @abstractmethod
    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        """Return probabilities or distances [N, C], in the order of the labels."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the files that a server needs into a folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Peer:
        """Open what `save` wrote."""

    def size(self, folder: Path) -> int:
        """Return the bytes on disk that a server needs."""
        return folder_bytes(folder)

    def settings(self) -> dict[str, Any]:
        """Return the factors of the result besides data and seed: versions, checkpoints, settings."""
        given = {name: getattr(self.resources, name) for name in self.needs}
        return {"versions": {name: version(name) for name in self.packages}, **given}

    @classmethod
    def missing(cls, resources: Resources) -> str:
        """Return why the classifier cannot be fitted here, or ""."""
        for package, name in cls.packages.items():
            if importlib.util.find_spec(name) is None:
                return f"not installed; pip install {package}"
        if cls.needs and not any(getattr(resources, name) for name in cls.needs):
            return "needs " + " or ".join(f"--{name}" for name in cls.needs)
        return ""


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def threads() -> int:
    """Return the threads that training may use: OMP_NUM_THREADS, else all cores."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else os.cpu_count() or 1


@contextmanager
def silence() -> Iterator[None]:
    """Hide standard error, also that written outside Python: progress bars and notes of other libraries."""
    sys.stderr.flush()
    before = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
