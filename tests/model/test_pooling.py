"""Pooling by segments and by the mean, against nn.Conv1d on each text and part alone."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.nn import functional

from textcnn.model import Architecture, TextCNNConfig, TextCNNForSequenceClassification
from textcnn.model.means import ngram_mean
from textcnn.model.segments import with_segments

TEXTS = [[5, 6, 7, 8, 9, 5, 5], [3], [], [4, 4], [11, 12, 13, 14, 15, 16, 17, 18, 19, 3, 4, 5, 6]]
POOLINGS = [
    {"pooling": "segments"},
    {"pooling": "segments", "pooling_segments": 1},
    {"pooling": "segments", "pooling_segments": 9},
    {"pooling": "max_mean"},
]
AXES = [
    {},
    {"padding": "same"},
    {"padding": "valid"},
    {"stride": 2},
    {"dilation": 3, "stride": 2, "padding": "same"},
    {"kernel_sizes": [2, 7], "num_filters": [3, 5], "activation": "tanh"},
    {"num_members": 2, "variant": "multichannel", "activation": "sigmoid"},
]


def build(**axes) -> TextCNNForSequenceClassification:
    torch.manual_seed(0)
    settings = {"vocab_size": 30, "embedding_dim": 6, "num_filters": 4, "id2label": {0: "a", 1: "b", 2: "c"}, **axes}
    model = TextCNNForSequenceClassification(TextCNNConfig(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def pad(texts, left=0, right=0):
    length = max(map(len, texts), default=0)
    ids = [[0] * left + text + [0] * (length - len(text) + right) for text in texts]
    mask = [[0] * left + [int(token > 0) for token in text] + [0] * (length - len(text) + right) for text in texts]
    return torch.tensor(ids).view(len(texts), -1).long(), torch.tensor(mask).view(len(texts), -1)


def maps(model, text: list[int]) -> list[torch.Tensor]:
    """Activated feature maps [F, K] of one text for each width, of the windows that hold a token; 0 is a hole."""
    config, body = model.config, model.textcnn
    real = [t for t, token in enumerate(text) if token]
    text = text[real[0] : real[-1] + 1] if real else []
    found = []
    for conv in body.convolution.convs:
        span = (conv.kernel_size[0] - 1) * config.dilation
        left, right = {"wide": (span, span), "same": (span // 2, span - span // 2), "valid": (0, 0)}[config.padding]
        if not text or len(text) + left + right <= span:
            found.append(torch.zeros(len(conv.bias), 0))
            continue
        ids = torch.tensor(text)
        vectors = body.embeddings(ids) * (ids > 0)[:, None]
        weight, bias = conv.weight, conv.bias
        signal = functional.pad(vectors.T[None], (left, right))
        own = functional.conv1d(signal, weight, bias, config.stride, 0, config.dilation, config.num_members)[0]
        tokens = functional.pad((ids > 0).float()[None, None], (left, right))
        ones = torch.ones(1, 1, conv.kernel_size[0])
        counts = functional.conv1d(tokens, ones, None, config.stride, 0, config.dilation)[0, 0]
        found.append(body.convolution.activation(own[:, counts > 0]))
    return found


def maximum(values: torch.Tensor) -> torch.Tensor:
    return values.amax(dim=1) if values.shape[1] else torch.zeros(len(values))


def by_definition(model, text: list[int]) -> torch.Tensor:
    """Features of one text, block by block."""
    config = model.config
    real = [t for t, token in enumerate(text) if token]
    text = text[real[0] : real[-1] + 1] if real else []
    blocks = [torch.cat([maximum(values) for values in maps(model, text)])]
    if config.pooling == "max_mean":
        blocks.append(torch.cat([v.mean(dim=1) if v.shape[1] else torch.zeros(len(v)) for v in maps(model, text)]))
    else:
        parts = [[] for _ in range(config.pooling_segments)]
        for t, token in enumerate(text):
            parts[math.floor(t * config.pooling_segments / len(text))].append(token)
        blocks += [torch.cat([maximum(values) for values in maps(model, part)]) for part in parts]
    return torch.cat(blocks)


@pytest.mark.parametrize(("pooling", "axes"), [*itertools.product(POOLINGS, AXES)], ids=str)
@torch.no_grad()
def test_features_are_those_of_each_text_and_part_alone(pooling, axes):
    model = build(**pooling, **axes)
    holes = [[7, 0, 0, 8, 9, 0, 4], [0, 5, 0, 0, 0, 6], [3, 0, 0, 0, 0, 0, 0, 0, 4]]
    for texts in (TEXTS, holes, TEXTS + holes):
        wanted = torch.stack([by_definition(model, text) for text in texts])
        for left, right in ((0, 0), (3, 0), (0, 11), (5, 2)):
            ids, mask = pad(texts, left, right)
            torch.testing.assert_close(model.textcnn(ids, mask).pooler_output, wanted, atol=1e-5, rtol=1e-5)
    for text in TEXTS:
        alone = model.textcnn(*pad([text], 1, 4)).pooler_output[0]
        torch.testing.assert_close(alone, by_definition(model, text), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("pooling", "axes"), [*itertools.product(POOLINGS[1:], AXES[1:5])], ids=str)
def test_gradients(pooling, axes):
    model = build(**pooling, **axes, embedding_dim=2).double()
    ids, mask = pad([[5, 6, 7, 0, 9, 5, 5], [3], []], 1, 1)
    vectors = torch.randn(*ids.shape, model.textcnn.embeddings.output_dim, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: model(inputs_embeds=x, attention_mask=mask).logits, (vectors,))


def test_gradients_of_the_mean_operator():
    torch.manual_seed(0)
    vectors = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    weights = [torch.randn(2, 3, width, dtype=torch.float64, requires_grad=True) for width in (1, 3)]
    biases = [torch.randn(2, dtype=torch.float64, requires_grad=True) for _ in weights]
    index, offsets = torch.tensor([0, 1, -1, 4, 2, 2, 3]), torch.tensor([0, 5, 5, 6, 7])

    def mean(vectors, a, b, c, d):
        return ngram_mean(vectors, index, offsets, [a, b], [c, d], torch.tanh, stride=2, dilation=2, padding="same")

    assert torch.autograd.gradcheck(mean, (vectors, *weights, *biases))


def test_positions_lie_in_the_part_that_the_definition_says():
    for length, segments in itertools.product(range(12), range(1, 6)):
        _, offsets = with_segments(torch.arange(length), torch.tensor([0, length]), segments)
        begins = (offsets[1:] - length).tolist()
        found = [next(i for i in range(segments) if begins[i] <= t < begins[i + 1]) for t in range(length)]
        assert found == [math.floor(t * segments / length) for t in range(length)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "segment"}, "pooling: got 'segment'; .*did you mean 'segments'"),
        ({"pooling": "segments", "pooling_segments": 0}, "pooling_segments: got 0"),
        ({"pooling": "segments", "pooled_norm": True}, "pooled_norm: got true with the pooling segments"),
        ({"pooling": "max_mean", "backbone": "pyramid"}, "pooling: got 'max_mean' with the backbone pyramid"),
    ],
)
def test_what_no_network_has_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Architecture(**changes).check()
