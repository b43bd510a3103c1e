"""Folding of a trained TextCNN into look-up tables: the only bridge from torch to the runtime.

A convolution over token vectors is a sum of terms that each depend on one token and one window offset, so all
terms are computed once, for every token, in one matrix product. Embedding channels and their layer norm are
functions of one token and fold in too; bias, activation, pooled norm and head follow the maximum over time.

Shapes: `V` vocabulary, `D` vector size, `R` values in a table row, `F` filters of all widths, `W` width.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.capabilities import demand
from ..runtime.folded import FoldedTextCNN
from ..runtime.pooled import folded_class
from ..runtime.text_batches import check_column
from ..settings import FoldSettings, takes
from .bag import prune_bag, quantize_bag, trim_bag
from .experts import bank_of, router_table, stack_banks
from .quantize import factor, largest_sums, measure_error, measure_vector_error, quantize, saturated_share
from .source import digest_of_model, plain_config, tokenizer_json_of
from .tables import evaluating, fold_float32, table_factors
from .trim import trim_tokens

if TYPE_CHECKING:
    from torch import nn

# From so many texts on, the largest sums in them say how large sums become.
_ENOUGH_TEXTS = 500


def fold(
    model: nn.Module,
    tokenizer: Any = None,
    int8: bool = False,
    texts: Iterable[str] | None = None,
    trim: bool = False,
    threads: int = 1,
    factored: bool = False,
    alike: Sequence[str] | None = None,
) -> FoldedTextCNN:
    """Build the torch-free model that gives the same answers.

    Args:
        model: A TextCNNForSequenceClassification.
        tokenizer: Its tokenizer: a transformers fast tokenizer, a `tokenizers.Tokenizer`, or the text of a
            tokenizer.json. Without one the folded model takes token ids only and cannot be saved.
        int8: Keep the tables in 8 bits: a quarter of the memory and faster, with an error that is measured on
            `texts` and stored in the artifact's metadata.
        texts: Real texts, for measuring the int8 error and for trimming.
        trim: Keep only the tokens that occur in `texts`; any other token is then read as the unknown token.
        threads: Threads that the folded model works with.
        factored: Store, with int8, the token vectors and the filters that the tables are made of when the model is
            opened: a smaller file where vectors have fewer components than a table row has values.
        alike: Texts like those of training. 8 bits then reach as far as in these and in `texts`, and the error is
            measured on both, each by itself.

    Example:
        >>> fold(model, tokenizer, int8=True, texts=validation_texts).save("runs/spam")

    Raises:
        ValueError: `trim` is requested without texts or tokenizer, `factored` without int8, or the model is no
            foldable TextCNN.
    """
    config = plain_config(model)
    demand(config, "fold")
    if factored and not int8:
        raise ValueError("factored: got it without int8; expected both, as float32 tables are no larger than it")
    tokenizer_json = tokenizer_json_of(tokenizer)
    if texts is not None:
        check_column(texts)
        texts = list(texts)
    if factored and not config["kernel_sizes"]:
        raise ValueError("factored: got a model without convolutions; expected some, whose tables have factors")
    metadata = {"weights": digest_of_model(model)}
    if config.get("num_experts", 1) > 1:
        return _fold_experts(model, config, tokenizer_json, int8, texts, trim, threads, factored, metadata)
    tensors = fold_float32(model, config)
    vectors, weights = table_factors(model, config) if factored else (None, None)
    if trim:
        if texts is None or tokenizer_json is None:
            raise ValueError("trim: got no texts or no tokenizer; expected both: they say which tokens to keep")
        rows, metadata["trim"] = trim_tokens(tensors, config, tokenizer_json, texts)
        vectors = None if vectors is None else vectors[rows]
        if "bag_table" in tensors:
            tensors = trim_bag(tensors, rows[:-1], int(config["vocab_size"]))
    buckets = int(config["bag_buckets"]) if "bag_table" in tensors and config["bag_ngrams"] > 1 else 0
    if not int8:
        tensors = prune_bag(tensors, buckets) if buckets else tensors
    exact = folded_class(config)(config, tensors, tokenizer_json, metadata, threads)
    if not int8:
        return exact
    largest, unrounded = None, tensors
    known = list(texts or ()) + list(alike or ())
    if tokenizer_json is not None and len(known) >= _ENOUGH_TEXTS:
        largest = largest_sums(tensors, config, *exact.encode(known))
    if vectors is None or weights is None:
        tensors = quantize(tensors, config, largest)
    else:
        tensors = factor(tensors, config, vectors, weights, largest)
    if "bag_table" in tensors:
        tensors = quantize_bag(tensors)
        tensors = prune_bag(tensors, buckets) if buckets else tensors
    rounded = folded_class(config)(config, tensors, tokenizer_json, metadata, threads)
    for name, sample in (("int8_error", texts), ("int8_error_held_out", alike)):
        if sample is not None and tokenizer_json is not None:
            error = _error(exact, rounded, list(sample))
            if sample and config["kernel_sizes"]:
                error["saturated_share"] = saturated_share(unrounded, tensors, config, *exact.encode(sample))
            rounded.metadata[name] = json.dumps(error)
    return rounded


def _error(exact: FoldedTextCNN, other: FoldedTextCNN, texts: list[str]) -> dict[str, float]:
    """Measure the effect of rounding or trimming on real texts: on labels, or on an encoder's vectors."""
    measure = measure_error if exact.config.get("encoding_dim") is None else measure_vector_error
    return measure(exact, other, texts)


def _fold_experts(
    model: Any,
    config: dict[str, Any],
    tokenizer_json: str | None,
    int8: bool,
    texts: list[str] | None,
    trim: bool,
    threads: int,
    factored: bool,
    metadata: dict[str, str],
) -> FoldedTextCNN:
    """As `fold`, of a mixture of experts: every bank by itself."""
    if factored:
        raise ValueError(
            "factored: got it with num_experts; expected one bank, as banks share their vectors; leave it out"
        )
    if trim and (texts is None or tokenizer_json is None):
        raise ValueError("trim: got no texts or no tokenizer; expected both: they say which tokens to keep")
    with evaluating(model):
        router, router_bias = router_table(model)
        banks = [fold_float32(bank_of(model, bank), config) for bank in range(int(config["num_experts"]))]
    if trim:
        assert texts is not None
        assert tokenizer_json is not None
        for bank in banks:
            rows, metadata["trim"] = trim_tokens(bank, config, tokenizer_json, texts)
        router = router[rows]
    routing = {"router_weight": router, "router_bias": router_bias}
    exact = folded_class(config)(config, {**stack_banks(banks), **routing}, tokenizer_json, metadata, threads)
    if not int8:
        return exact
    rounded_banks = [quantize(bank, config) for bank in banks]
    rounded = folded_class(config)(config, {**stack_banks(rounded_banks), **routing}, tokenizer_json, metadata, threads)
    if texts is not None and tokenizer_json is not None:
        rounded.metadata["int8_error"] = json.dumps(_error(exact, rounded, texts))
    return rounded


def _held_out_texts(directory: Path) -> list[str] | None:
    """Return the validation texts of the run that made an artifact, which say how large sums become in use."""
    from ..data.prediction import read_texts

    path = directory / "held_out.jsonl.gz"
    return read_texts(str(path), "text") if path.is_file() else None


@takes(FoldSettings)
def fold_artifact(settings: FoldSettings) -> FoldedTextCNN:
    """Fold a trained model into the look-up tables that it answers from, and store them in its directory.

    This is `textcnn.fold`; `textcnn.FoldSettings` documents the settings.

    Example:
        >>> textcnn.fold("runs/reviews", int8=True, texts="reviews.csv").metadata["int8_error"]

    Raises:
        FileNotFoundError: There is no such model or file.
        ValueError: int8 is requested without texts.
    """
    from ..artifact import read_artifact
    from ..data.prediction import read_texts

    def read(source: Any) -> list[str] | None:
        if source is None or isinstance(source, (list, tuple)):
            return None if source is None else list(source)
        return read_texts(str(source), settings.text_column)

    model, tokenizer = read_artifact(settings.model)
    trim = read(settings.trim_vocabulary)
    known = trim or read(settings.texts)
    alike = _held_out_texts(Path(settings.model)) if settings.int8 else None
    folded = fold(model, tokenizer, settings.int8, known, trim is not None, factored=settings.factored, alike=alike)
    if trim and settings.texts is not None:
        # Of tokens that were trimmed, too, which the texts that they were trimmed by cannot show.
        exact = fold(model, tokenizer)
        folded.metadata["error"] = json.dumps(_error(exact, folded, read(settings.texts) or []))
    folded.save(settings.model)
    return folded
