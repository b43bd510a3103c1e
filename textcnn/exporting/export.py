"""`export`: a model as a file for another program, in the requested format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..loading import as_answered
from ..outputs import check_output
from ..settings import ExportSettings, takes

if TYPE_CHECKING:
    from ..runtime.encoder import TextEncoder
    from ..runtime.heads import HeadsClassifier
    from .inlined import InlinedModels
    from .onnx import OnnxClassifier


@takes(ExportSettings)
def export(settings: ExportSettings) -> OnnxClassifier | HeadsClassifier | TextEncoder | InlinedModels:
    """Write a trained model for a program that has neither Python nor textcnn.

    - `onnx`: a graph that takes input_ids and attention_mask of any size and gives logits, already divided by the
      temperature. Its metadata hold id2label, problem_type, temperature, thresholds and the tokenizer.json. The logits
      of a model with heads are those of all heads, side by side as its metadata `heads` have them, before temperatures;
      ordered levels have one score there, and their cut points in `heads`.
      Those of an encoder are the vectors of the texts, before they are scaled to length 1.
    - `html`: one page that classifies and explains in the browser, without a network.
    - `js`: the same as an ES module for Node and browsers, with a file of types beside it.

    `textcnn.ExportSettings` documents the settings.

    Example:
        >>> textcnn.export("runs/reviews", "reviews.onnx").predict(["a lovely film"])
        array(['positive'], dtype='<U8')

    Raises:
        FileNotFoundError: There is no such model or file.
        ValueError: The format cannot give the model's answers, something that it needs is not installed, the output is
            there already, or int8 is requested without texts.
    """
    path = check_output(settings.output, settings.force)
    if settings.kind == "onnx":
        from ..artifact import read_artifact
        from .onnx import export_onnx

        texts = _texts(settings) if settings.int8 else None
        written: OnnxClassifier | HeadsClassifier | TextEncoder = as_answered(
            export_onnx(*read_artifact(settings.model), path, settings.int8, texts)
        )
        return written

    from .inlined import models_of

    directories = [settings.model, *(settings.beside or ())]
    texts = _texts(settings) if settings.int8 else None
    models = models_of(directories, texts, settings.head, every_head=settings.kind == "html")
    if settings.kind == "html":
        from .html import write_html

        return write_html(models, path)
    from .js import write_js

    return write_js(models, path)


def _texts(settings: ExportSettings) -> Any:
    from ..data.prediction import read_texts

    if settings.texts is None or isinstance(settings.texts, (list, tuple)):
        return settings.texts
    return read_texts(str(settings.texts), settings.text_column)
