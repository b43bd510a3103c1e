"""Folding of a trained TextCNN into look-up tables: the only bridge from torch to the runtime.

A convolution over token vectors is a sum of terms that each depend on one token and one window offset, so all
terms are computed once, for every token, in one matrix product. Embedding channels and their layer norm are
functions of one token and fold in too; bias, activation, pooled norm and head follow the maximum over time.

Shapes: `V` vocabulary, `D` vector size, `R` values in a table row, `F` filters of all widths, `W` width.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.capabilities import demand
from ..runtime.digests import digest_of_tensors
from ..runtime.folded import FoldedTextCNN
from ..runtime.layout import Layout
from ..runtime.pooled import folded_class
from ..runtime.text_batches import check_column
from ..settings import FoldSettings, takes
from .bag import fold_bag, prune_bag, quantize_bag, trim_bag
from .experts import bank_of, router_table, stack_banks
from .quantize import factor, largest_sums, measure_error, measure_vector_error, quantize, saturated_share

if TYPE_CHECKING:
    from torch import nn

# Tokens folded at a time: bounds the memory beside the table itself.
_ROWS_AT_A_TIME = 8192
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
    metadata = {"weights": _digest_of_weights(model)}
    if config.get("num_experts", 1) > 1:
        return _fold_experts(model, config, tokenizer_json, int8, texts, trim, threads, factored, metadata)
    tensors = _fold_float32(model, config)
    vectors, weights = _factors(model, config) if factored else (None, None)
    if trim:
        if texts is None or tokenizer_json is None:
            raise ValueError("trim: got no texts or no tokenizer; expected both: they say which tokens to keep")
        rows, metadata["trim"] = _trim(tensors, config, tokenizer_json, texts)
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
    with _evaluating(model):
        router, router_bias = router_table(model)
        banks = [_fold_float32(bank_of(model, bank), config) for bank in range(int(config["num_experts"]))]
    if trim:
        assert texts is not None
        assert tokenizer_json is not None
        for bank in banks:
            rows, metadata["trim"] = _trim(bank, config, tokenizer_json, texts)
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


def _fold_float32(model: Any, config: dict[str, Any]) -> dict[str, NDArray[Any]]:
    import torch

    network = model.textcnn
    layout = Layout.of(config, np.dtype(np.float32))
    vocab_size = int(config["vocab_size"])
    convolutions = list(network.convolution.convs)
    members = int(config.get("num_members", 1))
    # The last row is the zero vector: what lies around a text, and padding inside it.
    table = np.zeros((vocab_size + 1, layout.columns), dtype=np.float32)
    with _evaluating(model):
        device = model.head.bias.device
        # A member's filters read its own vectors: one matrix product for each member.
        terms = [list(_terms(convolutions, layout, member, members)) for member in range(members)]
        weights = [torch.cat([weight for _, weight in own], dim=1) for own in terms if own]
        for begin in range(0, vocab_size if weights else 0, _ROWS_AT_A_TIME):
            end = min(begin + _ROWS_AT_A_TIME, vocab_size)
            vectors = network.embeddings(torch.arange(begin, end, device=device)).float()
            for own, weight, read in zip(terms, weights, vectors.chunk(members, dim=1), strict=True):
                made, at = (read @ weight).cpu().numpy(), 0
                for columns, filters in own:
                    table[begin:end, columns] = made[:, at : at + filters.shape[1]]
                    at += filters.shape[1]
    row_of_id = np.arange(vocab_size, dtype=np.int32)
    row_of_id[config["pad_token_id"]] = -1
    tensors = {
        "table": table,
        "row_of_id": row_of_id,
        "scale": np.ones(layout.features, dtype=np.float32),
        "bias": np.concatenate([np.zeros(0, np.float32), *(_array(convolution.bias) for convolution in convolutions)]),
        "head_weight": _array(model.head.mean_weight),
        "head_bias": _array(model.head.bias),
    }
    if network.pooled_norm is not None:
        tensors["norm_weight"] = _array(network.pooled_norm.weight)
        tensors["norm_bias"] = _array(network.pooled_norm.bias)
    if model.bag is not None:
        tensors |= fold_bag(model.bag)
    return tensors


def _factors(model: Any, config: dict[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Token vectors [V + 1, E], the last of them zero, and weights [E, R] whose product is the table."""
    import torch

    network, layout, members = model.textcnn, Layout.of(config, np.dtype(np.float32)), int(config.get("num_members", 1))
    with _evaluating(model):
        device = network.convolution.convs[0].weight.device
        vectors = network.embeddings(torch.arange(int(config["vocab_size"]), device=device))
        weights = torch.zeros(vectors.shape[1], layout.columns, device=device)
        for member, own in enumerate(weights.chunk(members)):
            for columns, weight in _terms(list(network.convolution.convs), layout, member, members):
                own[:, columns] = weight
    return np.concatenate([_array(vectors), np.zeros((1, len(weights)), np.float32)]), _array(weights)


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout and gradients; the model is left as it was."""
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def _terms(convolutions: list[Any], layout: Layout, member: int, members: int) -> Iterator[tuple[slice, Any]]:
    """Columns of the table that a member fills, and [D, columns] the weights that make them of its vectors."""
    for i, convolution in enumerate(convolutions):
        own = convolution.weight.chunk(members)[member].float()
        for offset in range(own.shape[2]):
            start = layout.widths[i].columns(offset).start + member * len(own)
            yield slice(start, start + len(own)), own[:, :, offset].T


def _trim(
    tensors: dict[str, NDArray[Any]], config: dict[str, Any], tokenizer_json: str, texts: list[str]
) -> tuple[NDArray[np.int64], str]:
    """Drop the rows of tokens that do not occur in the texts; return those kept, and the savings and the cost."""
    from ..runtime.tokenizer import compile_tokenizer

    tokenizer = compile_tokenizer(tokenizer_json)
    vocab_size = int(config["vocab_size"])
    counts = np.zeros(vocab_size, dtype=np.int64)
    for begin in range(0, len(texts), 1024):
        ids, _ = tokenizer.encode_batch(texts[begin : begin + 1024])
        counts += np.bincount(ids, minlength=vocab_size)
    unknown = json.loads(tokenizer_json)["model"].get("unk_token")
    unknown_id = None if unknown is None else tokenizer.reference.token_to_id(unknown)
    pad_id = int(config["pad_token_id"])
    keep = counts > 0
    if unknown_id is not None:
        keep[unknown_id] = True
    keep[pad_id] = False
    kept = np.flatnonzero(keep)
    table = tensors["table"]
    # Without an unknown token, a token that was trimmed adds nothing but is still a token: a zero row of its own.
    blank = [] if unknown_id is not None else [vocab_size]
    # Frequent rows side by side share pages of memory.
    kept = kept[np.argsort(-counts[kept], kind="stable")]
    row_of_id = np.full(vocab_size, len(kept), dtype=np.int32)
    row_of_id[kept] = np.arange(len(kept), dtype=np.int32)
    if unknown_id is not None and unknown_id != pad_id:
        row_of_id[~keep] = row_of_id[unknown_id]
    row_of_id[pad_id] = -1
    rows = np.concatenate([kept, blank, [vocab_size]]).astype(np.int64)
    tensors["table"] = table[rows]
    tensors["row_of_id"] = row_of_id
    cost = {
        "texts": len(texts),
        "tokens_kept": len(kept),
        "tokens_before": vocab_size,
        # Good 1953: tokens seen once, over all tokens, estimates the share of tokens not seen so far.
        "expected_unseen_share": float((counts == 1).sum() / max(1, counts.sum())),
    }
    return rows, json.dumps(cost)


def plain_config(model: Any) -> dict[str, Any]:
    """Return the config.json of a TextCNNForSequenceClassification, as JSON would read it back.

    Raises:
        ValueError: it is no such model.
    """
    for name in ("config", "textcnn", "head"):
        if not hasattr(model, name):
            raise ValueError(
                f"model: got a {type(model).__name__} without .{name}; expected a TextCNNForSequenceClassification"
            )
    plain = model.config.to_dict()
    # What JSON would make of it: the ids of id2label are strings there.
    return dict(json.loads(json.dumps(plain, default=str)))


def tokenizer_json_of(tokenizer: Any) -> str | None:
    """Return the tokenizer.json of a transformers fast tokenizer or a `tokenizers.Tokenizer`; keep text as it is."""
    if tokenizer is None or isinstance(tokenizer, str):
        return tokenizer
    if hasattr(tokenizer, "backend_tokenizer"):
        from ..tokenization import tokenizer_json

        return tokenizer_json(tokenizer)
    if not hasattr(tokenizer, "to_str"):
        raise TypeError(
            f"tokenizer: got a {type(tokenizer).__name__}; expected a fast tokenizer of transformers, a "
            "tokenizers.Tokenizer or the text of a tokenizer.json"
        )
    return str(tokenizer.to_str())


def _digest_of_weights(model: Any) -> str:
    """Return the digest that model.safetensors has, by which tables are known to belong to it."""
    import torch

    def numbers(tensor: Any) -> NDArray[Any]:
        array: NDArray[Any] = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return array

    return digest_of_tensors({name: numbers(tensor) for name, tensor in model.state_dict().items()})


def _array(tensor: Any) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy().copy()
    return array


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
