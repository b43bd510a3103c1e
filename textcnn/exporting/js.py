"""A model as an ES module for Node and browsers, with a file of types beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .inlined import FOLDER, InlinedModel, InlinedModels, joined_scripts, payload, write

CLASSIFIER_SCRIPTS = (
    "core.js", "tensors.js", "decisions.js", "explanation.js", "tables.js", "tree.js", "words.js", "classifier.js",
    "payload.js",
)  # fmt: skip
_HEAD = "// A text classifier, exported by textcnn: import { load } from this file."


def write_js(models: Sequence[InlinedModel], path: str | Path) -> InlinedModels:
    """Write one model as an ES module.

    Args:
        models: The model; one only.
        path: File to write. Its types go beside it: model.d.ts beside model.js, model.d.mts beside model.mjs.

    Raises:
        ValueError: There are several models, or the WebAssembly module is missing.
    """
    if len(models) != 1:
        raise ValueError(f"beside: got {len(models) - 1} further models for js; expected none; write a file for each")
    path = Path(path)
    scripts = joined_scripts((*CLASSIFIER_SCRIPTS, "module.js"))
    # `load` is the only name that leaves the module.
    scripts = scripts.replace("function load()", "export function load()")
    content = "\n".join([_HEAD, f"const PAYLOAD = {payload(models)};", "", scripts, ""])
    write(path, content)
    types = (FOLDER / "module.d.ts").read_text(encoding="utf-8")
    if models[0].is_regression:
        types = types.replace("Promise<Classifier>", "Promise<Regressor>")
    write(path.with_suffix(".d.mts" if path.suffix == ".mjs" else ".d.ts"), types)
    return InlinedModels(path, tuple(models))
