"""What 8 bits cost: labels and accuracy of the int8 tables beside those of float32, on test texts."""

from __future__ import annotations

import numpy as np

from ..arguments import VerbParser
from ..artifact import read_artifact
from ..data import TextDataModule
from ..fold import fold
from ..quantize import measure_error
from .figures import Figures
from .report import write_figures

DESCRIPTION = """\
Folds a model to int8, with the scale that its train texts give, and compares it with float32 on the test texts.

  textcnn bench int8 --model runs/ag_news --data ag_news"""


def main(args: list[str]) -> None:
    """`textcnn bench int8`."""
    parser = VerbParser("textcnn bench int8", description=DESCRIPTION)
    parser.add_argument("--model", required=True, metavar="DIR", help="the artifact")
    parser.add_argument("--data", required=True, metavar="DATA", help="labelled texts, as --data.path of `textcnn fit`")
    parser.add_argument("--train_split", default="train", metavar="NAME")
    parser.add_argument("--label_column", metavar="NAME")
    parser.add_argument("--output", metavar="FILE", help="JSON file to write")
    options = parser.read(args)
    model, tokenizer = read_artifact(options.model)
    exact = fold(model, tokenizer)
    if exact.multi_label:
        raise ValueError(f"{options.model}: got a multi-label model; expected one label a text")
    data = TextDataModule(
        options.data, train_split=options.train_split, label_column=options.label_column, labels=exact.labels
    )
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
    if options.output:
        write_figures(options.output, figures, command=["textcnn", "bench", "int8", *args])
