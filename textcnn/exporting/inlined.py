"""Models and the compiled core as text that stands inside a page or a JavaScript module.

Every part is compressed with gzip and written in base64; the page's `payload.js` reads it.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import build
from ..core.library import address, check, last_error, library
from ..folding.convert import round_fasttext
from ..folding.fold import fold
from ..progress import each_with_progress
from ..runtime.capabilities import refuse_levels
from ..runtime.decisions import sigmoid, softmax
from ..runtime.fasttext import FoldedFastText
from ..runtime.folded import FoldedTextCNN
from ..runtime.head_outputs import head_slices
from ..runtime.heads import alone
from ..runtime.storage import FOLDED_FILE, unfinished
from ..runtime.tokenizer import CompiledTokenizer, NotCompiled
from .dictionary import scores_of_lines, write_lines

FOLDER = Path(__file__).parent / "page"
# What transformers notes in config.json, which says nothing about answers and may name a machine's folders.
_NOT_NEEDED = {"_name_or_path", "architectures", "auto_map", "dtype", "torch_dtype", "transformers_version"}
# Words of the vocabulary in each text that is compared before a model is written.
_WORDS = 12
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class InlinedModel:
    """The files that the core opens.

    Args:
        name: Name of the model, as it is shown.
        labels: Its labels.
        precision: Type of its tables.
        config, tokenizer, tables: Contents of config.json, tokenizer.json and folded.safetensors. A converted fastText
            model has no tokenizer, and its tables are those of `dictionary.write_lines`.
        metadata: Measurements of folding.
        is_regression: True where its answers are numbers.
    """

    name: str
    labels: list[str]
    precision: str
    config: bytes
    tokenizer: bytes | None
    tables: bytes
    metadata: dict[str, str]
    is_regression: bool = False

    def parts(self) -> dict[str, bytes]:
        """Return the parts that `payload.js` reads compressed."""
        parts = {"config": self.config, "tokenizer": self.tokenizer, "tables": self.tables}
        return {name: content for name, content in parts.items() if content is not None}


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
    def regression(self) -> bool:
        """True where the answers of the first model are numbers."""
        return self.models[0].is_regression

    @property
    def precision(self) -> str:
        """Type of the first model's tables."""
        return self.models[0].precision

    @property
    def metadata(self) -> dict[str, str]:
        """Measurements of folding, of the first model."""
        return self.models[0].metadata


def models_of(
    directories: Sequence[str | Path],
    texts: Sequence[str] | None = None,
    head: str | None = None,
    every_head: bool = False,
) -> list[InlinedModel]:
    """Return trained models in the form that a page contains.

    Args:
        directories: The artifacts. One that is not folded is folded first.
        texts: Real texts; with them, tables of float32 are rounded to 8 bits and the error is measured on the texts.
        head: Head of the first model, where it has several.
        every_head: Of a model with several heads of which none is named, each becomes a model.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: The compiled core cannot give the answers of a model.
    """
    from ..artifact import read_config

    found = []
    for place, path in enumerate(map(Path, directories)):
        heads: list[str | None] = [head if place == 0 else None]
        if every_head and heads == [None]:
            heads = [*head_slices(read_config(path))] or heads
        found += [_inlined(path, texts, own) for own in heads]
    return found


def _inlined(directory: Path, texts: Sequence[str] | None, head: str | None) -> InlinedModel:
    from ..loading import load_classifier

    classifier: Any = load_classifier(directory, head=head)
    if not isinstance(classifier, FoldedTextCNN | FoldedFastText):
        raise ValueError(
            f"model: got {directory}, which does not fold into tables; expected one that does; export it to ONNX"
        )
    refuse_levels(classifier.config, "export as html or js", head)
    _refuse_pooling(classifier.config)
    if texts is not None and not classifier.is_int8:
        classifier = _rounded(classifier, directory, texts)
        classifier = classifier if head is None else alone(classifier, head)
    return inline(classifier, " ".join(filter(None, [directory.resolve().name, head])))


def _refuse_pooling(config: Mapping[str, Any]) -> None:
    """Raise ValueError where the core's own reader does not put the features of the filters together."""
    pooling, experts = config.get("pooling", "max"), config.get("num_experts", 1)
    for name, value, expected in (("pooling", pooling, "max"), ("num_experts", experts, 1)):
        if value != expected:
            raise ValueError(
                f"{name}: got {value} for a page or an ES module; expected {expected}; export the model to ONNX"
            )


def _rounded(classifier: FoldedTextCNN | FoldedFastText, directory: Path, texts: Sequence[str]) -> Any:
    """Return the model of a directory in 8 bits, with the error on some texts in its metadata."""
    if isinstance(classifier, FoldedFastText):
        return round_fasttext(classifier, list(texts))
    from ..artifact import read_artifact

    model, _ = read_artifact(directory)
    return fold(model, classifier.tokenizer_json, int8=True, texts=texts)


def inline(classifier: FoldedTextCNN | FoldedFastText, name: str) -> InlinedModel:
    """Return a folded model in the form that a page contains.

    Args:
        classifier: With a tokenizer, or a converted fastText model.
        name: Name of the model, as it is shown.

    Raises:
        ValueError: The compiled core cannot give its answers.
    """
    tokenizer = None if isinstance(classifier, FoldedFastText) else str(classifier.tokenizer_json)
    if tokenizer is not None:
        _check_compiled(tokenizer)
    config = {key: value for key, value in classifier.config.items() if key not in _NOT_NEEDED}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FOLDED_FILE
        if isinstance(classifier, FoldedFastText):
            write_lines(path, classifier)
        else:
            classifier.save(folder)
        tables = path.read_bytes()
    model = InlinedModel(
        name, classifier.labels, classifier.precision, json.dumps(config).encode(),
        None if tokenizer is None else tokenizer.encode(), tables, dict(classifier.metadata), classifier.regression,
    )  # fmt: skip
    check_answers(classifier, model)
    return model


def _check_compiled(tokenizer: str) -> None:
    try:
        CompiledTokenizer(tokenizer)
    except NotCompiled as reason:
        raise ValueError(
            f"tokenizer: got one that the compiled core cannot reproduce ({reason}); expected word pieces, words, "
            "byte-level BPE, Unigram or characters; export the model to ONNX"
        ) from None


def check_answers(classifier: FoldedTextCNN | FoldedFastText, model: InlinedModel) -> None:
    """Open a model as the page does, but natively, and compare its answers with the classifier's.

    Raises:
        ValueError: They differ: the model has a setting that the core's own reader does not know.
    """
    if isinstance(classifier, FoldedFastText):
        texts = _texts_of([classifier.words[row].decode("utf-8", "replace") for row in range(len(classifier.words))])
        # The scores of the rows: of a tree not yet probabilities, which JavaScript computes from them.
        got, expected = scores_of_lines(model.config, model.tables, classifier, texts), classifier.scores(texts)[0]
        if classifier.tree is None:
            classes = sigmoid if classifier.multi_label else softmax
            got, expected = classes(got), classes(expected)
    else:
        words = list(json.loads(str(classifier.tokenizer_json))["model"].get("vocab", {}))
        texts = _texts_of([str(word[0] if isinstance(word, list) else word) for word in words])
        got, expected = _answers_of_tables(model, texts), classifier.answer(texts).probabilities
    # The numbers of a regression may be large.
    difference = float((np.abs(got - expected) / np.maximum(1, np.abs(expected))).max())
    if not difference <= _TOLERANCE:
        raise ValueError(
            f"model: got {model.name}, whose answers in a page would differ by {difference:.2g}; expected the same; "
            + ("export it to ONNX" if model.tokenizer else "convert it again")
        )


def _texts_of(words: list[str]) -> list[str]:
    """Return texts of some words of a vocabulary each."""
    return ["", *(" ".join(words[at :: max(1, len(words) // _WORDS)]) for at in range(20))]


def _answers_of_tables(model: InlinedModel, texts: list[str]) -> NDArray[np.float32]:
    core, tokenizer = library(), model.tokenizer or b""
    handle = core.textcnn_open_memory(
        model.config, len(model.config), tokenizer, len(tokenizer), model.tables, len(model.tables)
    )
    if not handle:
        raise last_error()
    try:
        got = np.empty((len(texts), len(model.labels)), dtype=np.float32)
        for text, row in zip(texts, got, strict=True):
            data = text.encode()
            check(core.textcnn_classify(handle, data, len(data), address(row)))
    finally:
        core.textcnn_close(handle)
    return got


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
