"""The models of a server by name; a model whose files change is opened anew while the old one answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import listed, nearest, one_line
from ..loading import load_with_heads
from ..runtime.classifier import TextClassifier
from ..runtime.heads import HeadsClassifier
from ..runtime.storage import FOLDED_FILE, ONNX_FILE

logger = logging.getLogger("textcnn.serving")
# Files that answers depend on.
_FILES = ("config.json", "tokenizer.json", FOLDED_FILE, ONNX_FILE, "model.safetensors")
State = tuple[tuple[int, int, int], ...]


def named(models: str | Path | Sequence[str | Path]) -> dict[str, Path]:
    """Return the directories of models by the names that requests call them.

    Raises:
        ValueError: There is no model, two have one name, or a name is not printable.
    """
    paths = [Path(models)] if isinstance(models, str | Path) else [Path(path) for path in models]
    directories: dict[str, Path] = {}
    for path in paths:
        name = path.absolute().name
        if not name.isprintable():
            raise ValueError(f"model: got the directory {name!a}; expected a name of printable text; rename it")
        if name in directories:
            raise ValueError(f"model: got two directories {name!r}; expected distinct names; rename one of them")
        directories[name] = path
    if not directories:
        raise ValueError("model: got no directory; expected at least one; name a trained model")
    return directories


class ServedModel:
    """One model, and what its files looked like when it was opened.

    Args:
        name: Name of the model.
        directory: Its artifact.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name, self.directory = name, directory
        self._state = state_of(directory)
        self.classifier = load_with_heads(directory)
        # Opening may have written the tables.
        self._state = state_of(directory)
        self._seen = self._state
        self.reloads = 0
        self.problem = ""

    def refresh(self) -> bool:
        """Open the model anew where its files changed and have stayed as they are since the last call.

        Where the new files cannot be used, the old model goes on and `problem` says why.
        """
        state = state_of(self.directory)
        settled, self._seen = state == self._seen, state
        if state == self._state or not settled:
            return False
        self._state = state
        try:
            classifier = load_with_heads(self.directory)
        except Exception as error:  # whatever half a model provokes: the thread that watches is to go on
            self.problem = one_line(error)
            logger.warning("%s: the new files are not used: %s", self.name, self.problem)
            return False
        self.classifier, self.problem = classifier, ""
        self._state = self._seen = state_of(self.directory)
        self.reloads += 1
        logger.info("%s: opened anew", self.name)
        return True

    @property
    def heads(self) -> dict[str, ServedHead]:
        """The heads of the model by name; none for a model with one task."""
        names = self.classifier.slices if isinstance(self.classifier, HeadsClassifier) else ()
        return {name: ServedHead(self, name) for name in names}

    def described(self) -> list[dict[str, Any]]:
        """Return the entries of `GET /models`: of the model, or of each of its heads."""
        if isinstance(self.classifier, HeadsClassifier):
            # Those of numbers have no labels, which the page would show.
            heads = [head for head in self.heads.values() if not head.classifier.regression]
            return [_described(head.name, head.classifier, self) for head in heads]
        return [_described(self.name, self.classifier, self)]


class ServedHead:
    """One head of a model, which requests name MODEL/HEAD.

    Args:
        model: The model.
        head: Name of the head.
    """

    def __init__(self, model: ServedModel, head: str) -> None:
        self.name, self._model, self._head = f"{model.name}/{head}", model, head

    @property
    def classifier(self) -> TextClassifier:
        """The head of the model as it is now."""
        classifier = self._model.classifier
        assert isinstance(classifier, HeadsClassifier)
        return classifier.heads[self._head]


def _described(name: str, classifier: TextClassifier, model: ServedModel) -> dict[str, Any]:
    return {
        "name": name,
        "labels": classifier.labels,
        "multi_label": classifier.multi_label,
        "regression": classifier.regression,
        "explains": "explain" in classifier.capabilities,
        "approximate": classifier.precision == "int8",
        "thresholds": classifier.thresholds,
        "abstains": classifier.abstention is not None,
        "temperature": classifier.temperature,
        "precision": classifier.precision,
        "reloads": model.reloads,
        "problem": model.problem,
    }


class ServedModels(Mapping[str, ServedModel]):
    """The models of a server.

    Args:
        directories: Directories by name; the first is the default of requests.
    """

    def __init__(self, directories: Mapping[str, Path]) -> None:
        self._models = {name: ServedModel(name, path) for name, path in directories.items()}
        self._stop = threading.Event()

    def __getitem__(self, name: str) -> ServedModel:
        return self._models[name]

    def __iter__(self) -> Any:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def find(self, name: str | None) -> ServedModel | ServedHead:
        """Return a model by its name, a head by MODEL/HEAD, or the first model for None.

        Raises:
            LookupError: There is no such model or head.
        """
        if name is None:
            return next(iter(self._models.values()))
        if name in self._models:
            return self._models[name]
        heads = {head.name: head for model in self._models.values() for head in model.heads.values()}
        if name not in heads:
            names = [*self, *heads]
            raise LookupError(f"model: got {name[:80]!a}; expected one of {listed(names)}{nearest(name, names)}")
        return heads[name]

    def watch(self, seconds: float) -> None:
        """Start a thread that looks for changed files every so many seconds."""
        threading.Thread(target=self._watch, args=(seconds,), name="textcnn-watch", daemon=True).start()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()

    def _watch(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            for model in self._models.values():
                model.refresh()


def state_of(directory: Path) -> State:
    """Return size, time and inode of each file that answers depend on."""
    entries = []
    for name in _FILES:
        try:
            status = (directory / name).stat()
        except OSError:
            entries.append((0, 0, 0))
        else:
            entries.append((status.st_size, status.st_mtime_ns, status.st_ino))
    return tuple(entries)
