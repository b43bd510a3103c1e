"""`textcnn bench WHAT`: finds the benchmark and imports only that."""

from __future__ import annotations

import difflib
import importlib

BENCHMARKS = {
    "accuracy": "mean score of a recipe over seeds, on the test split or by cross-validation",
    "speed": "how fast a model answers, beside fastText, TF-IDF, model2vec and a transformer",
    "int8": "what 8 bits cost: labels and accuracy beside those of float32",
    "explain": "do explanations add up, do they say what deleting does, what do they cost",
    "train": "how fast training is, beside nn.Conv1d with autograd and fastText",
}
# A benchmark's module has its name, but for these, which are verbs.
MODULES = {"explain": "explanations", "train": "training"}


def main(verb: str, args: list[str]) -> None:
    """Runs one benchmark.

    Raises:
        ValueError: there is no benchmark of that name.
    """
    if not args or args[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<10}{text}" for name, text in BENCHMARKS.items())
        print(f"usage: textcnn bench WHAT [OPTION ...]\n\nbenchmarks:\n{lines}")
        return
    name, *rest = args
    if name not in BENCHMARKS:
        nearest = difflib.get_close_matches(name, BENCHMARKS, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"got the benchmark {name!r}; expected one of {', '.join(BENCHMARKS)}{hint}")
    importlib.import_module(f".{MODULES.get(name, name)}", __package__).main(rest)
