"""The deep backbones: padding and neighbours in a batch change nothing, gradients are right, and words have bounds."""

from __future__ import annotations

import pytest
import torch
from small_models import ids_model
from torch.nn import functional

from textcnn.model import Architecture, TextCNNForSequenceClassification, TextCNNModel
from textcnn.runtime.capabilities import RECEPTIVE_FIELDS as FIELDS

TEXTS = [[5, 6, 7, 8, 9, 5, 5], [3], [], [4, 4], [11, 12, 13, 14, 15, 16, 17, 18, 19, 3, 4, 5, 6]]
AXES = [
    {"backbone": "pyramid"},
    {"backbone": "pyramid", "num_blocks": 1},
    {"backbone": "pyramid", "squeeze_excitation": True, "num_blocks": 3},
    {"backbone": "dilated"},
    {"backbone": "dilated", "num_blocks": 1, "variant": "multichannel"},
    {"backbone": "dilated", "squeeze_excitation": True, "embedding_norm": True},
    {"backbone": "dilated", "pooled_norm": True},
]


def build(**axes) -> TextCNNForSequenceClassification:
    return ids_model(**{"num_filters": 8, **axes})


def pad(texts, left=0, right=0):
    length = max(map(len, texts), default=0)
    ids = [[0] * left + text + [0] * (length - len(text) + right) for text in texts]
    mask = [[0] * left + [1] * len(text) + [0] * (length - len(text) + right) for text in texts]
    return torch.tensor(ids).view(len(texts), -1).long(), torch.tensor(mask).view(len(texts), -1)


def by_definition(model: TextCNNForSequenceClassification, text: list[int]) -> torch.Tensor:
    """Logits of one text alone, as the papers write the network: no mask and no batch."""
    body, config = model.textcnn, model.config
    if not text:
        return model.head.bias
    values = body.embeddings(torch.tensor(text))
    network = body.convolution

    def conv(layer, inputs):
        return functional.conv1d(inputs.T[None], layer.weight, layer.bias, 1, layer.padding[0], layer.dilation[0])[0].T

    def excited(block, update):
        if block.excitation is None:
            return update
        hidden = functional.relu(block.excitation.squeeze(update.mean(dim=0)))
        return update * block.excitation.excite(hidden).sigmoid()

    if config.backbone == "pyramid":
        values = conv(network.region, values)
        for level, block in enumerate(network.blocks):
            if level:
                values = torch.stack([values[start : start + 3].amax(dim=0) for start in range(0, len(values), 2)])
            update = values
            for layer in block.convs:
                update = conv(layer, functional.relu(update))
            values = values + excited(block, update)
    else:
        values = network.input(values)
        for block in network.blocks:
            a, g = conv(block.conv, block.norm(values)).chunk(2, dim=1)
            values = values + excited(block, block.output(a * g.sigmoid()))
        values = network.norm(values)
    features = values.amax(dim=0)
    if body.pooled_norm is not None:
        features = body.pooled_norm(features)
    return model.head(features[None])[0]


@pytest.mark.parametrize("axes", AXES)
@torch.no_grad()
def test_padding_and_neighbours_change_nothing(axes):
    model = build(**axes)
    alone = torch.stack([by_definition(model, text) for text in TEXTS])
    for texts, left, right in ((TEXTS, 0, 0), (TEXTS, 3, 0), (TEXTS, 0, 11), (TEXTS, 5, 2)):
        together = model(*pad(texts, left, right)).logits
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    for text, logits in zip(TEXTS, alone, strict=True):
        torch.testing.assert_close(model(*pad([text], 1, 4)).logits[0], logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("axes", AXES)
@torch.no_grad()
def test_holes_are_zero_at_every_level(axes):
    model = build(**axes)
    ids = torch.tensor([[5, 9, 7, 8, 21, 6]])
    mask = torch.tensor([[1, 0, 1, 1, 0, 1]])
    other = torch.where(mask.bool(), ids, 17)
    torch.testing.assert_close(model(ids, mask).logits, model(other, mask).logits)
    assert not torch.allclose(model(ids, mask).logits, model(ids).logits)


@pytest.mark.parametrize("axes", AXES)
def test_gradients(axes):
    model = build(**axes, num_filters=4, embedding_dim=3).double()
    ids, mask = pad(TEXTS, 1, 1)
    vectors = torch.randn(*ids.shape, model.textcnn.embeddings.output_dim, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: model(inputs_embeds=x, attention_mask=mask).logits, (vectors,))


@pytest.mark.parametrize("axes", [axes for axes in AXES if axes["backbone"] == "dilated"])
@torch.no_grad()
def test_the_sequence_is_that_of_each_text_alone(axes):
    model = build(**{**axes, "pooled_norm": False}).textcnn
    ids, mask = pad(TEXTS, 2, 3)
    output = model(ids, mask)
    states = output.last_hidden_state
    assert states.shape == (*ids.shape, model.config.hidden_size)
    assert (states[mask == 0] == 0).all()
    for row, text in enumerate(TEXTS):
        if text:
            alone = model(torch.tensor([text])).last_hidden_state[0]
            torch.testing.assert_close(states[row][mask[row] == 1], alone)
            torch.testing.assert_close(alone.amax(dim=0), output.pooler_output[row])


@pytest.mark.parametrize("backbone", FIELDS)
@pytest.mark.parametrize("num_blocks", [1, 2, 3])
def test_the_receptive_field_is_as_stated(backbone, num_blocks):
    """The tokens that the gradient of one position of the last level reaches."""
    network = build(backbone=backbone, num_blocks=num_blocks).double().textcnn.convolution
    length = 4 * FIELDS[backbone](num_blocks)
    vectors = torch.randn(length, 6, dtype=torch.float64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()  # so that nothing cancels and no unit is off
    vectors = vectors.abs().requires_grad_()
    index, offsets = torch.arange(length), torch.tensor([0, length])
    if backbone == "dilated":
        one = network.sequence(vectors, index, offsets)[length // 2]
    else:
        values, mask = network.region(vectors.T[None]).mT, torch.ones(1, length, 1, dtype=torch.bool)
        for level, block in enumerate(network.blocks):
            if level:
                # A mean in place of the maximum, whose gradient reaches one of its three positions only.
                values = functional.avg_pool1d(functional.pad(values, (0, 0, 0, 2)).mT, 3, stride=2).mT
                mask = torch.ones(1, values.shape[1], 1, dtype=torch.bool)
            values = block(values, mask)
        one = values[0, values.shape[1] // 2]
    one.sum().backward()
    reached = (vectors.grad.abs().sum(dim=1) > 0).nonzero()[:, 0]
    assert int(reached.max() - reached.min()) + 1 == FIELDS[backbone](num_blocks)


@pytest.mark.parametrize("axes", AXES)
def test_saved_and_loaded(axes, tmp_path):
    model = build(**axes)
    model.save_pretrained(tmp_path)
    again = TextCNNForSequenceClassification.from_pretrained(tmp_path).eval()
    encoder = TextCNNModel.from_pretrained(tmp_path).eval()
    ids, mask = pad(TEXTS)
    with torch.no_grad():
        torch.testing.assert_close(again(ids, mask).logits, model(ids, mask).logits)
        torch.testing.assert_close(encoder(ids, mask).pooler_output, model.textcnn(ids, mask).pooler_output)
    assert {"dilated.py", "pyramid.py", "sequences.py"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "pyramids"}, "backbone: got 'pyramids'; expected one of .*did you mean 'pyramid'"),
        ({"backbone": "pyramid", "kernel_sizes": [2]}, r"kernel_sizes: got \[2\] with the backbone pyramid"),
        ({"backbone": "dilated", "stride": 2}, "stride: got 2 with the backbone dilated"),
        ({"backbone": "dilated", "num_members": 2}, "num_members: got 2 with the backbone dilated"),
        ({"backbone": "dilated", "num_filters": [1, 2, 3]}, "num_filters: got .* expected one number"),
        ({"backbone": "dilated", "num_blocks": 0}, "num_blocks: got 0; expected a whole number of at least 1"),
        ({"squeeze_excitation": True}, "squeeze_excitation: got true with the backbone parallel"),
    ],
)
def test_what_no_network_has_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Architecture(**changes).check()
