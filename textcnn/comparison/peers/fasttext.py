"""fastText (Joulin et al. 2016, https://arxiv.org/abs/1607.01759), with its own search for settings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import Peer, Resources, silence, threads

if TYPE_CHECKING:
    from ..splits import LabelledTexts, Splits

FILE = "model.bin"
LABEL = "__label__"
# Of its tutorial on text classification, for texts too few to search.
TUTORIAL = {"lr": 1.0, "epoch": 25, "wordNgrams": 2}
# The search tries models of many gigabytes; fastText takes one that does not fit as a failed try.
MOST_MEMORY = 6 << 30
SLOWEST = 600  # seconds
# In a process of its own, whose memory can be limited.
TRAIN = """
import json, resource, sys
import fasttext
options, path, most = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
fasttext.train_supervised(verbose=0, **options).save_model(path)
"""


class FastText(Peer):
    """fastText; its settings are searched on the validation texts, in a stated time."""

    title = "fastText, autotuned"
    packages = {"fasttext": "fasttext"}  # noqa: RUF012

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self.model: Any = None

    def settings(self) -> dict[str, Any]:
        return {"versions": {"fasttext": version("fasttext")}, "seconds": self.resources.fasttext_seconds}

    def fit(self, data: Splits, seed: int) -> None:
        import fasttext

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # fastText reads the lines in their order: of rows sorted by label it learns the last label only.
            order = np.random.default_rng(seed).permutation(len(data.train.texts))
            options: dict[str, Any] = {"input": write_lines(data.train.take(order), folder / "train.txt"), "seed": seed}
            options["loss"] = "ova" if data.multi_label else "softmax"
            # Several threads write into one model without order: the result would differ from run to run.
            options["thread"] = threads()
            searched: dict[str, Any] = dict(TUTORIAL)
            if data.validation is not None:
                held = write_lines(data.validation, folder / "validation.txt")
                searched = {"autotuneValidationFile": held, "autotuneDuration": self.resources.fasttext_seconds}
            path = folder / FILE
            if not train_apart({**options, **searched}, path) and not train_apart({**options, **TUTORIAL}, path):
                raise RuntimeError("fastText ended without a model: training diverged or needs too much memory")
            with silence():
                self.model = fasttext.load_model(str(path))

    def scores(self, texts: list[str]) -> NDArray[np.floating]:
        labels = [int(name.removeprefix(LABEL)) for name in self.model.f.getLabels("strict")[0]]
        found = np.zeros((len(texts), max(labels) + 1))
        # The Python wrapper around this call fails with numpy 2; this is what it calls.
        names, probabilities = predict_lines(self.model, texts, len(labels))
        for row, (own, values) in enumerate(zip(names, probabilities, strict=True)):
            for value, name in zip(values, own, strict=True):
                found[row, int(name.removeprefix(LABEL))] = value
        # Its softmax is read from a table and adds up to a little more than 1.
        return np.minimum(found, 1.0)

    def save(self, folder: Path) -> None:
        self.model.save_model(str(folder / FILE))

    @classmethod
    def load(cls, folder: Path) -> FastText:
        import fasttext

        peer = cls(Resources())
        with silence():
            peer.model = fasttext.load_model(str(folder / FILE))
        return peer


def train_apart(options: dict[str, Any], path: Path) -> bool:
    """Train a model in a separate process and save it; return False on failure."""
    command = [sys.executable, "-c", TRAIN, json.dumps(options), str(path), str(MOST_MEMORY)]
    # Its search may go on for long after its time, with a model that is slow to train.
    seconds = SLOWEST + 5 * options.get("autotuneDuration", 0)
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds).returncode == 0 and path.is_file()
    except subprocess.TimeoutExpired:
        return False


def predict_lines(model: Any, texts: Sequence[str], k: int = 1) -> Any:
    """Return labels and probabilities of the k best classes of each text, in one call."""
    return model.f.multilinePredict([words(text) + "\n" for text in texts], k, 0.0, "strict")


def write_lines(part: LabelledTexts, path: Path) -> str:
    """Write texts as fastText reads them, with class ids as labels; return the path."""
    lines = []
    for text, target in zip(part.texts, part.targets, strict=True):
        ids = [int(target)] if part.targets.ndim == 1 else np.flatnonzero(target).tolist()
        lines.append(" ".join([*(f"{LABEL}{id}" for id in ids), words(text)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    return str(path)


def words(text: str) -> str:
    """Return lower-cased words, and punctuation apart, as fastText's own scripts prepare texts."""
    return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))
