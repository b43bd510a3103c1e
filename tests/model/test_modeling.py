"""The models against a plain nn.Conv1d of the same weights, and against what transformers expects of a model."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_models import ids_model
from torch import nn
from torch.nn import functional
from transformers import AutoModel, AutoModelForSequenceClassification

from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification, TextCNNModel
from textcnn.model.extents import FlatTexts

ACTIVATIONS = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "elu": functional.elu,
    "leaky_relu": functional.leaky_relu,
    "softplus": functional.softplus,
}
# Every value of every axis at least once.
AXES = [
    {},
    {"variant": "random"},
    {"variant": "static"},
    {"variant": "multichannel"},
    {"num_members": 3},
    {"num_members": 2, "num_filters": [3, 5, 1], "variant": "multichannel", "head_max_norm": 0.5},
    {"padding": "same"},
    {"padding": "valid"},
    {"stride": 2},
    {"dilation": 2},
    {"dilation": 3, "stride": 2, "padding": "same"},
    {"kernel_sizes": [1]},
    {"kernel_sizes": [2, 7], "num_filters": [3, 5]},
    {"embedding_norm": True},
    {"pooled_norm": True},
    {"embedding_norm": True, "pooled_norm": True, "variant": "multichannel", "padding": "valid"},
    {"head_max_norm": 0.5},
    {"temperature": 2.5},
    *({"activation": name} for name in ACTIVATIONS),
]
TEXTS = [[5, 6, 7, 8, 9, 5, 5], [3], [], [4, 4], [11, 12, 13, 14, 15, 16, 17, 18, 19, 3, 4, 5, 6]]


def pad(texts, left=0, right=0, pad_id=0):
    length = max(map(len, texts), default=0)
    ids = torch.tensor([[pad_id] * left + t + [pad_id] * (length - len(t) + right) for t in texts], dtype=torch.long)
    mask = torch.tensor([[0] * left + [1] * len(t) + [0] * (length - len(t) + right) for t in texts])
    return ids.view(len(texts), -1), mask.view(len(texts), -1)


@torch.no_grad()
def reference_logits(model: TextCNNForSequenceClassification, text: list[int]) -> torch.Tensor:
    """One text, straight from the definition: pad with zeros, convolve, keep windows with a real token, max."""
    config, body = model.config, model.textcnn
    if not text:
        return model.head.bias / config.temperature
    channels = [channel.weight[text].view(len(text), config.num_members, -1) for channel in body.embeddings.channels]
    vectors = torch.cat(channels, dim=2).flatten(1)
    if body.embeddings.norm is not None:
        vectors = body.embeddings.norm(vectors)
    features, windows = [], 0
    for conv in body.convolution.convs:
        span = (conv.kernel_size[0] - 1) * config.dilation
        left, right = {"wide": (span, span), "same": (span // 2, span - span // 2), "valid": (0, 0)}[config.padding]
        padded = functional.pad(vectors.T, (left, right))[None]
        real = functional.pad(torch.ones(1, 1, len(text)), (left, right))
        if padded.shape[2] <= span:
            features.append(torch.zeros(conv.out_channels))
            continue
        steps = {"stride": config.stride, "dilation": config.dilation, "groups": config.num_members}
        maps = functional.conv1d(padded, conv.weight, conv.bias, **steps)
        kernel = torch.ones(1, 1, conv.kernel_size[0])
        counts = functional.conv1d(real, kernel, stride=config.stride, dilation=config.dilation)[0, 0] > 0
        windows += int(counts.sum())
        maps = ACTIVATIONS[config.activation](maps[0][:, counts])
        features.append(maps.amax(dim=1) if counts.any() else torch.zeros(conv.out_channels))
    pooled = torch.cat(features)
    if body.pooled_norm is not None:
        pooled = body.pooled_norm(pooled) * (windows > 0)
    return (model.head.weight @ pooled / config.num_members + model.head.bias) / config.temperature


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_logits_equal_a_plain_convolution(axes):
    model = ids_model(**axes)
    expected = torch.stack([reference_logits(model, text) for text in TEXTS])
    with torch.no_grad():
        logits = model(*pad(TEXTS)).logits
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_padding_and_company_change_nothing(axes):
    model = ids_model(**axes)
    with torch.no_grad():
        alone = torch.cat([model(*pad([text])).logits for text in TEXTS])
        for left, right in itertools.product((0, 3), (0, 5)):
            together = model(*pad(TEXTS, left, right)).logits
            torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_without_a_mask_pads_are_the_pad_token():
    model = ids_model()
    ids, mask = pad(TEXTS)
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, model(ids, mask).logits)


def test_inputs_embeds_equal_input_ids():
    model = ids_model(variant="multichannel", embedding_norm=True)
    ids, mask = pad(TEXTS)
    vectors = torch.cat([channel(ids) for channel in model.textcnn.embeddings.channels], dim=-1)
    with torch.no_grad():
        torch.testing.assert_close(
            model(inputs_embeds=vectors, attention_mask=mask).logits, model(ids, mask).logits, rtol=1e-5, atol=1e-6
        )
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        model(ids, mask, inputs_embeds=vectors)


def test_hole_in_the_mask_is_a_zero_vector():
    model = ids_model()
    ids, mask = pad([[5, 6, 7]])
    mask[0, 1] = 0
    vectors = model.textcnn.embeddings(ids) * mask[..., None]
    with torch.no_grad():
        expected = model(inputs_embeds=vectors).logits
        torch.testing.assert_close(model(ids, mask).logits, expected, rtol=1e-5, atol=1e-6)


def test_empty_batches_and_empty_texts():
    model = ids_model(pooled_norm=True)
    with torch.no_grad():
        # The pipeline sends an empty float tensor for an empty text.
        logits = model(torch.zeros(1, 0), torch.zeros(1, 0)).logits
        torch.testing.assert_close(logits, model.head.bias[None])
        assert model(torch.zeros(0, 4, dtype=torch.long)).logits.shape == (0, 3)


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_loss_is_torchs(problem_type):
    weights = [1.0, 2.0, 0.5]
    model = ids_model(problem_type=problem_type, class_weights=weights, label_smoothing=0.1)
    ids, mask = pad(TEXTS)
    if problem_type == "single_label_classification":
        labels = torch.tensor([0, 1, 2, 0, 1])
        criterion = nn.CrossEntropyLoss(weight=torch.tensor(weights), label_smoothing=0.1)
        target = labels
    else:
        labels = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1]]).float()
        criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weights))
        target = labels * 0.9 + 0.05
    output = model(ids, mask, labels=labels)
    torch.testing.assert_close(output.loss, criterion(output.logits, target))
    loss, logits = model(ids, mask, labels=labels, return_dict=False)
    torch.testing.assert_close(loss, output.loss)
    torch.testing.assert_close(logits, output.logits)


def test_problem_type_follows_the_labels_where_none_is_set():
    model = ids_model()
    model(torch.tensor([[5, 6]]), labels=torch.tensor([1]))
    assert model.config.problem_type == "single_label_classification"
    model = ids_model()
    model(torch.tensor([[5, 6]]), labels=torch.tensor([[1.0, 0.0, 1.0]]))
    assert model.config.problem_type == "multi_label_classification"


def test_token_type_ids_are_tolerated():
    model = ids_model()
    ids, mask = pad(TEXTS)
    with torch.no_grad():
        torch.testing.assert_close(
            model(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids)).logits,
            model(ids, mask).logits,
        )


@pytest.mark.parametrize("axes", AXES, ids=str)
def test_save_and_load(axes, tmp_path):
    model = ids_model(**axes)
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    ids, mask = pad(TEXTS)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert not loaded.training
    body = AutoModel.from_pretrained(tmp_path)
    assert isinstance(body, TextCNNModel)
    with torch.no_grad():
        assert torch.equal(loaded(ids, mask).logits, model(ids, mask).logits)
        assert torch.equal(body(ids, mask).pooler_output, model.textcnn(ids, mask).pooler_output)
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trainable == [name for name, parameter in loaded.named_parameters() if parameter.requires_grad]


def test_variants_train_what_they_say():
    changed = {}
    for variant in ("random", "static", "non-static", "multichannel"):
        model = ids_model(variant=variant).train()
        before = [channel.weight.clone() for channel in model.textcnn.embeddings.channels]
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
        model(*pad(TEXTS), labels=torch.tensor([0, 1, 2, 0, 1])).loss.backward()
        optimizer.step()
        after = model.textcnn.embeddings.channels
        changed[variant] = [not torch.equal(old, new.weight) for old, new in zip(before, after, strict=True)]
        assert all(not channel.weight[0].any() for channel in after), "the pad's vector must stay zero"
    assert changed == {"random": [True], "static": [False], "non-static": [True], "multichannel": [False, True]}


def test_initial_vectors_survive_building():
    model = ids_model(variant="multichannel")
    matrix = torch.randn(30, 6)
    model.textcnn.embeddings.set_vectors(matrix)
    for channel in model.textcnn.embeddings.channels:
        assert torch.equal(channel.weight[1:], matrix[1:])
        assert not channel.weight[0].any()
    with pytest.raises(ValueError, match=r"got a \(29, 6\) matrix; expected \(30, 6\)"):
        model.textcnn.embeddings.set_vectors(matrix[1:])


def test_head_max_norm_holds_while_training():
    model = ids_model(head_max_norm=0.5).train()
    with torch.no_grad():
        model.head.weight.mul_(100)
    model(*pad(TEXTS))
    norms = model.head.weight.norm(dim=1)
    assert norms.max() <= 0.5 + 1e-6
    assert norms.min() > 0.49, "rows are scaled back to the bound, not further"


@pytest.mark.parametrize("axes", [{}, {"variant": "multichannel", "head_max_norm": 0.5, "num_filters": [3, 5, 1]}])
def test_members_are_networks_apart(axes):
    labels = torch.tensor([0, 2, 1, 1, 0])
    together = ids_model(num_members=3, dropout=0.0, **axes).train()
    parts = dict(together.named_parameters())
    apart = [ids_model(dropout=0.0, **axes).train() for _ in range(3)]
    counts = apart[0].config.filters

    def of_member(name, values, number):
        if name == "head.weight":
            return torch.cat([width.chunk(3, dim=1)[number] for width in values.split([3 * n for n in counts], 1)], 1)
        if name == "head.bias":
            return values
        return values.chunk(3, dim=1 if "channels" in name else 0)[number]

    for number, one in enumerate(apart):
        with torch.no_grad():
            for name, parameter in one.named_parameters():
                parameter.copy_(of_member(name, parts[name], number))
    ids, mask = pad(TEXTS)
    outputs = [one(ids, mask, labels=labels) for one in apart]
    got = together(ids, mask, labels=labels)
    torch.testing.assert_close(got.logits, torch.stack([output.logits for output in outputs]).mean(dim=0))
    torch.testing.assert_close(got.loss, torch.stack([output.loss for output in outputs]).mean())
    got.loss.backward()
    for number, (one, output) in enumerate(zip(apart, outputs, strict=True)):
        output.loss.backward()
        for name, parameter in one.named_parameters():
            if parameter.requires_grad and name != "head.bias":
                torch.testing.assert_close(3 * of_member(name, parts[name].grad, number), parameter.grad)


def test_members_start_as_wide_as_one_network():
    def largest(model):
        return [weight.abs().max() for weight in (model.head.weight, model.textcnn.convolution.convs[0].weight)]

    sizes = {"vocab_size": 10, "embedding_dim": 50, "num_filters": 50}
    one, five = (TextCNNForSequenceClassification(TextCNNConfig(num_members=n, **sizes)) for n in (1, 5))
    torch.testing.assert_close(torch.stack(largest(five)), torch.stack(largest(one)), rtol=0.02, atol=0)


def test_embedding_dropout_hits_a_token_wherever_it_stands():
    model = ids_model(embedding_dropout=0.5).train()
    seen = []
    model.textcnn.convolution.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    model(torch.tensor([[5, 6, 5], [5, 7, 7]]))
    vectors, index, _ = seen[0]
    assert len(vectors) == 3
    assert (vectors == 0).any()
    assert index.tolist() == [0, 1, 0, 0, 2, 2]


FLAT_AXES = [
    *AXES,
    {"bag": "sqrtn", "bag_buckets": 30},
    {"bag": "mean", "bag_ngrams": 3, "bag_buckets": 30, "kernel_sizes": []},
    {"pooling": "max_mean"},
    {"pooling": "segments"},
    {"num_experts": 3, "experts_per_text": 2},
    {"backbone": "dilated"},
    {"backbone": "pyramid"},
]


@pytest.mark.parametrize("axes", FLAT_AXES, ids=str)
def test_texts_without_padding_are_the_padded_ones(axes):
    """Answers, winners and gradients are equal, also where a text spells out the padding token."""
    texts = [*TEXTS, [0, 0, 5, 6, 0, 7, 0], [0, 0], [8, 9, 0, 0, 10], [0, 11]]
    model = ids_model(**axes).train()
    model.dropout.p = 0.0
    if model.bag is not None:
        model.bag.dropout = 0.0
    ids, mask = pad(texts)
    flat = FlatTexts(
        torch.tensor([token for text in texts for token in text]),
        torch.tensor([0, *itertools.accumulate(map(len, texts))]),
    )
    assert len(flat) == len(texts)
    labels = torch.arange(len(texts)) % model.config.num_labels
    found = []
    for batch in ((ids, mask), (flat.to("cpu"), None)):
        model.zero_grad()
        encoded = model.textcnn(*batch)
        output = model(*batch, labels=labels)
        output.loss.backward()
        gradients = [None if p.grad is None else p.grad.to_dense() for p in model.parameters()]
        found.append([output.logits, output.loss, encoded.pooler_output, encoded.winners, *gradients])
    for padded, without in zip(*found, strict=True):
        assert (padded is None) == (without is None)
        if padded is not None:
            torch.testing.assert_close(without, padded, rtol=1e-6, atol=1e-6)
