"""Measurements of explanations: their sums, their agreement with deleting an n-gram, and their cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifact import read_artifact
from ..data.prediction import open_rows, texts_of
from ..folding.fold import fold
from ..runtime.explain import Contribution
from ..runtime.folded import FoldedTextCNN
from ..settings.benchmarks import ExplainBenchSettings
from .figures import Figures

# With fewer n-grams than that, ranks say nothing.
FEWEST = 3
TIMED = 512


def run(settings: ExplainBenchSettings) -> Figures:
    """Measure explanations of a trained model.

    sum_error is the largest |bias + sum of weights - logit| over all texts and labels, relative to the logit (or 1).
    occlusion_* is the mean rank correlation with brute force (delete an n-gram, predict again): of `deleted`, which is
    that; of `tokens`, the shares of the n-gram's tokens in all n-grams; of `weight` and `without`, those of the n-gram
    alone; of `gradient`, gradient x input. *_over_predict is the cost of a text beside predicting it in a batch.
    """
    network, tokenizer = read_artifact(settings.model)
    model = fold(network, tokenizer)
    texts = _read(str(settings.texts), settings.text_column)
    figures = Figures()
    errors = [sum_error(model, _read(path, settings.text_column)) for path in settings.sums] + [sum_error(model, texts)]
    count = sum(number for number, _ in errors)
    figures.add("sum_error", f"largest relative error of {count:,} texts", max(error for _, error in errors), "")
    chosen = [texts[i] for i in np.unique(np.linspace(0, len(texts) - 1, min(settings.limit, len(texts))).astype(int))]
    for name, value in occlusion(model, network, chosen).items():
        figures.add(f"occlusion_{name}", "rank correlation with deleting n-grams", value, "")
    timed = chosen[:TIMED]
    few = timed[:64]
    model.predict(timed)

    def explained() -> object:
        return model.explain_batch(timed)

    def objects() -> object:
        return [why.contributions for why in model.explain_batch(few)]

    def offsets() -> object:
        return [model.spans(text) for text in few]

    for key, what, ours, size in (
        ("explain_over_predict", "every filter's window, value and next best: explain_batch", explained, timed),
        ("objects_over_predict", "the same and every n-gram and token of it as an object", objects, few),
        ("offsets_over_predict", "of which: the characters of tokens, from `tokenizers`", offsets, few),
    ):
        _cost(figures, key, what, ours, lambda size=size: model.predict(size), len(size))
    return figures


def _cost(figures: Figures, key: str, what: str, ours: Any, theirs: Any, texts: int) -> None:
    from .timing import paired

    mine, other = paired(ours, theirs)
    figures.add(key, what, mine / other, "x", 1e6 * mine / texts, 1e6 * other / texts, "us/text")


def sum_error(model: FoldedTextCNN, texts: Sequence[str]) -> tuple[int, float]:
    """Return the number of texts and the largest error of any label.

    The error is |bias + sum of weights - logit|, relative to |logit| or 1.
    """
    largest, begin = 0.0, 0
    for won in model.winners(texts):
        logits = model.logits(list(texts[begin : begin + len(won)])).astype(np.float64)
        largest = max(largest, float((np.abs(won.logits - logits) / np.maximum(np.abs(logits), 1)).max(initial=0)))
        begin += len(won)
    return len(texts), largest


def occlusion(model: FoldedTextCNN, network: Any, texts: Sequence[str]) -> dict[str, float]:
    """Return the mean over texts of Spearman's correlation between two scores of the n-grams of a text.

    One is a method's score of the n-gram, the other the decrease of the logit of the text's label when its tokens are
    deleted.
    """
    from scipy.stats import spearmanr

    ranks: dict[str, list[float]] = {"deleted": [], "tokens": [], "without": [], "weight": [], "gradient": []}
    for text, why in zip(texts, model.explain_batch(texts), strict=True):
        ids, _ = model.encode([text])
        spans = model.spans(text)
        ngrams = why.contributions
        if len(ngrams) < FEWEST:
            continue
        places = [_tokens_of(ngram, spans) for ngram in ngrams]
        label = model.labels.index(why.label)
        drops = why.logit - _logits_without(model, ids, places)[:, label]
        if np.ptp(drops) == 0:
            continue
        attribution = gradient_times_input(network, ids, label)
        own = np.zeros(len(ids))
        at_start = {start: i for i, (start, end) in enumerate(spans) if end > start}
        for ngram in ngrams:
            for token in ngram.tokens:
                if token.end > token.start:
                    own[at_start[token.start]] += token.weight
        said = {
            "deleted": [why.logit - deleted for deleted in why.deleted],
            # Deleting tokens takes them from every window that they are in, not only from those of this n-gram.
            "tokens": [float(own[at].sum()) for at in places],
            "without": [why.logit - ngram.without for ngram in ngrams],
            "weight": [ngram.weight for ngram in ngrams],
            "gradient": [float(attribution[at].sum()) for at in places],
        }
        for name, values in said.items():
            if np.ptp(values) > 0:
                ranks[name].append(float(spearmanr(values, drops).statistic))
    return {name: float(np.mean(values)) if values else float("nan") for name, values in ranks.items()}


def gradient_times_input(network: Any, ids: NDArray[np.int32], label: int) -> NDArray[np.float64]:
    """Return the gradient of a logit with respect to each token's vector, times that vector: [T]."""
    import torch

    tokens = torch.from_numpy(ids.astype(np.int64))
    with torch.no_grad():
        vectors = torch.cat([channel(tokens) for channel in network.textcnn.embeddings.channels], dim=-1)
    vectors = vectors[None].clone().requires_grad_()
    mask = (tokens != network.config.pad_token_id)[None].long()
    logit = network.eval()(inputs_embeds=vectors, attention_mask=mask).logits[0, label]
    (gradient,) = torch.autograd.grad(logit, vectors)
    product: NDArray[np.float64] = (gradient * vectors)[0].sum(dim=-1).detach().double().numpy()
    return product


def _tokens_of(ngram: Contribution, spans: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Positions of all tokens that lie within an n-gram's characters."""
    return np.array([i for i, (start, end) in enumerate(spans) if ngram.start <= start and end <= ngram.end])


def _logits_without(
    model: FoldedTextCNN, ids: NDArray[np.int32], places: Sequence[NDArray[np.int64]]
) -> NDArray[np.float32]:
    """Logits of a text, each time without some of its tokens: the judge, which shares no code with what it judges."""
    left = [np.delete(ids, at) for at in places]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in left])]).astype(np.int64)
    return model.logits_of_ids(np.concatenate(left).astype(np.int32), offsets)


def _read(path: str, column: str | None) -> list[str]:
    texts = texts_of(open_rows(path), column, None, path)
    return [text for text in texts.to_pylist() if text is not None]
