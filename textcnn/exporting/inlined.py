"""Models and the compiled core as text that stands inside a page or a JavaScript module.

Every part is compressed with gzip and written in base64; the page's `payload.js` reads it.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core import build
from ..core.library import address, check, last_error, library
from ..folding.fold import fold
from ..progress import each_with_progress
from ..runtime.capabilities import refuse_levels
from ..runtime.folded import FoldedTextCNN
from ..runtime.heads import alone
from ..runtime.storage import FOLDED_FILE, unfinished
from ..runtime.tokenizer import CompiledTokenizer, NotCompiled

FOLDER = Path(__file__).parent / "page"
# What transformers notes in config.json, which says nothing about answers and may name a machine's folders.
_NOT_NEEDED = {"_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version"}
# Words of the vocabulary in each text that is compared before a model is written.
_WORDS = 12
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class InlinedModel:
    """The three files that the core opens.

    Args:
        name: Name of the model, as it is shown.
        labels: Its labels.
        precision: Type of its tables.
        config, tokenizer, tables: Contents of config.json, tokenizer.json and folded.safetensors.
        metadata: Measurements of folding.
    """

    name: str
    labels: list[str]
    precision: str
    config: bytes
    tokenizer: bytes
    tables: bytes
    metadata: dict[str, str]

    def parts(self) -> dict[str, bytes]:
        """Return the parts that `payload.js` reads compressed."""
        return {"config": self.config, "tokenizer": self.tokenizer, "tables": self.tables}


@dataclass(frozen=True)
class InlinedModels:
    """A file that was written, and the models in it.

    Args:
        path: The file.
        models: The models, in their order.
    """

    path: Path
    models: tuple[InlinedModel, ...]

    @property
    def labels(self) -> list[str]:
        """Labels of the first model."""
        return self.models[0].labels

    @property
    def precision(self) -> str:
        """Type of the first model's tables."""
        return self.models[0].precision

    @property
    def metadata(self) -> dict[str, str]:
        """Measurements of folding, of the first model."""
        return self.models[0].metadata


def models_of(
    directories: Sequence[str | Path], texts: Sequence[str] | None = None, head: str | None = None
) -> list[InlinedModel]:
    """Return trained models in the form that a page contains.

    Args:
        directories: The artifacts. One that is not folded is folded first.
        head: Head of the first model, where it has several.
        texts: Real texts; with them, tables of float32 are rounded to 8 bits and the error is measured on the texts.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: The compiled core cannot give the answers of a model.
    """
    heads = [head, *[None] * len(directories)]
    return [_inlined(Path(path), texts, own) for path, own in zip(directories, heads, strict=False)]


def _inlined(directory: Path, texts: Sequence[str] | None, head: str | None) -> InlinedModel:
    from ..loading import load_classifier

    classifier: Any = load_classifier(directory, head=head)
    if not isinstance(classifier, FoldedTextCNN):
        raise ValueError(
            f"model: got {directory}, which does not fold into tables; expected one that does; export it to ONNX"
        )
    classifier.demand_labels("export as html or js")
    refuse_levels(classifier.config, "export as html or js")
    if texts is not None and not classifier.is_int8:
        from ..artifact import read_artifact

        model, _ = read_artifact(directory)
        classifier = fold(model, classifier.tokenizer_json, int8=True, texts=texts)
        classifier = classifier if head is None else alone(classifier, head)
    return inline(classifier, " ".join(filter(None, [directory.resolve().name, head])))


def inline(classifier: FoldedTextCNN, name: str) -> InlinedModel:
    """Return a folded model in the form that a page contains.

    Args:
        classifier: With a tokenizer.
        name: Name of the model, as it is shown.

    Raises:
        ValueError: The compiled core cannot give its answers.
    """
    tokenizer = str(classifier.tokenizer_json)
    try:
        CompiledTokenizer(tokenizer)
    except NotCompiled as reason:
        raise ValueError(
            f"tokenizer: got one that the compiled core cannot reproduce ({reason}); expected word pieces, words, "
            "byte-level BPE, Unigram or characters; export the model to ONNX"
        ) from None
    config = {key: value for key, value in classifier.config.items() if key not in _NOT_NEEDED}
    with tempfile.TemporaryDirectory() as folder:
        classifier.save(folder)
        tables = (Path(folder) / FOLDED_FILE).read_bytes()
    model = InlinedModel(
        name, classifier.labels, classifier.precision, json.dumps(config).encode(), tokenizer.encode(), tables,
        dict(classifier.metadata),
    )  # fmt: skip
    check_answers(classifier, model)
    return model


def check_answers(classifier: FoldedTextCNN, model: InlinedModel) -> None:
    """Open a model as the page does, but natively, and compare its probabilities with the classifier's.

    Raises:
        ValueError: They differ: the model has a setting that the core's own reader does not know.
    """
    core = library()
    handle = core.textcnn_open_memory(
        model.config, len(model.config), model.tokenizer, len(model.tokenizer), model.tables, len(model.tables)
    )
    if not handle:
        raise last_error()
    try:
        words = list(json.loads(model.tokenizer)["model"].get("vocab", {}))
        words = [str(word[0] if isinstance(word, list) else word) for word in words]
        texts = ["", *(" ".join(words[at :: max(1, len(words) // _WORDS)]) for at in range(20))]
        expected = classifier.predict_proba(texts)
        got = np.empty((len(texts), len(classifier.labels)), dtype=np.float32)
        for text, row in zip(texts, got, strict=True):
            data = text.encode()
            check(core.textcnn_classify(handle, data, len(data), address(row)))
    finally:
        core.textcnn_close(handle)
    difference = float(np.abs(got - expected).max())
    if not difference <= _TOLERANCE:
        raise ValueError(
            f"model: got {model.name}, whose probabilities in a page would differ by {difference:.2g}; expected the "
            "same; export it to ONNX"
        )


def pack(content: bytes) -> str:
    """Return bytes compressed and as text; the same for the same bytes."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def payload(models: Sequence[InlinedModel]) -> str:
    """Return the module and models as JSON that may stand inside HTML."""
    parts = [wasm_module(), *(part for model in models for part in model.parts().values())]
    module, *others = map(pack, each_with_progress(parts, "compressing"))
    packed = [{"name": model.name, **{part: others.pop(0) for part in model.parts()}} for model in models]
    text = json.dumps({"module": module, "models": packed})
    return text.replace("<", "\\u003c")


def wasm_module() -> bytes:
    """Return the compiled core as WebAssembly; in a checkout it is built first where a source is newer.

    Raises:
        ValueError: It is missing and there is no compiler for it.
    """
    if build.is_stale(build.MODULE) and build.find_wasm_compiler() is not None:
        print(f"compiling {build.MODULE.name}, once: this takes some minutes", file=sys.stderr)
        build.build_wasm()
    if build.is_stale(build.MODULE) or not build.MODULE.is_file():
        raise ValueError(
            f"format: got html or js, which need {build.MODULE.name}; expected it beside the compiled core, where this "
            "installation has none; in a checkout run `make wasm` or `pip install ziglang`; otherwise install the "
            "package again with TEXTCNN_WASM=1 in the environment"
        )
    return build.MODULE.read_bytes()


def joined_scripts(names: Sequence[str]) -> str:
    """Return scripts of the page as one, in their order: without their imports of each other."""
    parts = []
    for name in names:
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
        kept = [line.removeprefix("export ") for line in lines if not line.startswith("import ")]
        parts.append("\n".join(kept).strip())
    return "\n\n".join(parts)


def write(path: Path, content: str) -> None:
    """Write a text file, atomically, and the folders that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(path) as temporary:
        temporary.write_text(content, encoding="utf-8", newline="\n")
