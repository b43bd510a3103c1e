"""`textcnn bench`."""

from __future__ import annotations

from ..errors import closest
from ..settings.benchmarks import BENCHMARKS
from .options import Verb, print_json

DESCRIPTIONS = {
    "accuracy": "Mean score of a recipe over seeds, on the test split or by cross-validation. Options "
    "that are not its own are those of `textcnn fit`: --config FILE, --data.path DATA and so on.",
    "speed": "Speed of a model's answers beside fastText, TF-IDF, model2vec and a transformer, on one core; every "
    "ratio is measured in turns on the same texts.",
    "int8": "Cost of 8 bits: labels and accuracy beside those of float32.",
    "explain": "Explanations: do they add up, do they agree with deleting n-grams, what do they cost.",
    "train": "Speed of training beside nn.Conv1d with autograd and fastText.",
    "score": "Speed of `textcnn score` on shards: several processes beside one, and beside Ray Data on this machine.",
    "serve": "Speed of the server over loopback: single texts beside an empty handler of the same framework, batches "
    "beside the classifier alone. The client shares the cores with the server.",
    "fasttext": "Models of fastText and the same converted: labels, probabilities, sizes, and speed on one core.",
    "encode": "Vectors of an encoder beside those of others, such as model2vec: linear classifiers on few labels, the "
    "labels of the nearest texts, and the agreement with a reference.",
}
EXAMPLES = {
    "accuracy": "textcnn bench accuracy --config configs/random.yaml --data.path trec --seeds 3 --output trec.json",
    "speed": "textcnn bench speed runs/ag_news --texts ag_news/test.parquet --peers fasttext tfidf",
    "int8": "textcnn bench int8 runs/ag_news --data ag_news",
    "explain": "textcnn bench explain runs/sst2 --texts sst2/test.parquet --sums mr/train.parquet",
    "train": "textcnn bench train ag_news --output train.json",
    "score": "textcnn bench score runs/ag_news --texts ag_news/test.parquet --peers ray",
    "serve": "textcnn bench serve runs/ag_news --texts ag_news/test.parquet --output serve.json",
    "fasttext": "textcnn bench fasttext ag_news trec --output fasttext.json",
    "encode": "textcnn bench encode runs/pretrained --data trec sst2 --encoders static --reference MINILM",
}
VERBS = {
    name: Verb(f"bench {name}", settings, DESCRIPTIONS[name], [EXAMPLES[name]], json=True)
    for name, settings in BENCHMARKS.items()
}


def main(args: list[str]) -> None:
    """Run a benchmark.

    Raises:
        ValueError: There is no benchmark of that name.
    """
    if not args or args[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<10}{EXAMPLES[name]}" for name in BENCHMARKS)
        print(f"usage: textcnn bench WHAT [--NAME VALUE ...]\n\nbenchmarks, each with an example:\n{lines}")
        return
    what, *rest = args
    if what not in VERBS:
        meant = closest(what, VERBS)
        hint = f"; did you mean {meant!r}?" if meant else ""
        raise ValueError(f"got the benchmark {what!r}; expected one of {', '.join(VERBS)}{hint}")
    recipe: list[str] = []
    if what == "accuracy":
        rest, recipe = _split_recipe(rest)
    call = VERBS[what].read(rest)
    from .. import bench

    values = {**call.values, "recipe": recipe} if what == "accuracy" else call.values
    figures = bench(what, **values)
    if call.json:
        print_json(figures)


def _split_recipe(args: list[str]) -> tuple[list[str], list[str]]:
    """Part the options of the benchmark from those of `textcnn fit`."""
    own = {"seeds", "folds", "output", "force", "json", "help", "help_all", "h"}
    mine: list[str] = []
    recipe: list[str] = []
    target = mine
    for word in args:
        if word.startswith("-"):
            target = mine if word.lstrip("-").partition("=")[0].replace("-", "_") in own else recipe
        target.append(word)
    return mine, recipe
