"""Cost of 8 bits: labels and accuracy of the int8 tables beside those of float32, on test texts."""

from __future__ import annotations

import numpy as np

from ..artifact import read_artifact
from ..data import TextDataModule
from ..folding.fold import fold
from ..folding.quantize import measure_error
from ..settings import SourceSettings
from ..settings.benchmarks import Int8BenchSettings
from .figures import Figures


def run(settings: Int8BenchSettings) -> Figures:
    """Fold a model to int8, with the scale that its train texts give, and compare it with float32 on the test texts."""
    model, tokenizer = read_artifact(settings.model)
    exact = fold(model, tokenizer)
    if exact.multi_label:
        raise ValueError(f"{settings.model}: got a multi-label model; expected one label a text")
    data = TextDataModule(settings.data, **{**settings.part(SourceSettings), "labels": exact.labels})
    rounded = fold(model, tokenizer, int8=True, texts=data.texts_and_targets("train")[0][:20_000])
    texts, targets = data.texts_and_targets("test")
    error = measure_error(exact, rounded, texts)
    accuracies = [float(np.mean(one.logits(texts).argmax(axis=1) == targets)) for one in (rounded, exact)]
    figures = Figures()
    figures.add("label_agreement", "int8 labels that are those of float32", error["label_agreement"], "")
    what = "accuracy of int8 less that of float32"
    figures.add("accuracy_difference", what, accuracies[0] - accuracies[1], "", *accuracies)
    for key in ("max_probability_difference", "mean_probability_difference"):
        figures.add(key, "int8 less float32", error[key], "")
    return figures
