"""TextCNNConfig: what it stores, what it refuses."""

from __future__ import annotations

import pytest
from transformers import AutoConfig

from textcnn.model import TextCNNConfig


def test_round_trip_through_json(tmp_path):
    config = TextCNNConfig(
        vocab_size=50,
        kernel_sizes=(2, 3),
        num_filters=(4, 5),
        variant="multichannel",
        id2label={0: "a", 1: "b", 2: "c"},
        thresholds={"a": 0.3},
        problem_type="multi_label_classification",
    )
    config.save_pretrained(tmp_path)
    assert TextCNNConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()
    assert isinstance(AutoConfig.from_pretrained(tmp_path), TextCNNConfig)


def test_defaults_are_kims():
    config = TextCNNConfig()
    assert (config.kernel_sizes, config.filters, config.dropout) == ([3, 4, 5], [100, 100, 100], 0.5)
    assert config.embedding_dim == 300
    assert config.hidden_size == 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_filter": 10}, "did you mean 'num_filters'"),
        ({"num_members": 0}, "num_members: got 0; expected a whole number of at least 1"),
        ({"num_members": 2, "pooled_norm": True}, "num_members: got 2 with pooled_norm; expected 1"),
        ({"kernal_sizes": [3]}, "did you mean 'kernel_sizes'"),
        ({"activation": "rellu"}, "did you mean 'relu'"),
        ({"activation": "gelu"}, "expected one of relu, tanh"),
        ({"variant": "nonstatic"}, "did you mean 'non-static'"),
        ({"padding": "full"}, "expected one of wide, same, valid"),
        ({"kernel_sizes": []}, "got an empty list"),
        ({"kernel_sizes": [0]}, "expected a whole number of at least 1"),
        ({"num_filters": [1, 2]}, "got 2 numbers for 3 kernel sizes"),
        ({"stride": 0}, "stride: got 0"),
        ({"dropout": 1.0}, "dropout: got 1.0"),
        ({"head_max_norm": 0.0}, "expected a positive number"),
        ({"pad_token_id": 50_000}, "expected an id below vocab_size"),
        ({"temperature": 0.0}, "temperature: got 0.0"),
        ({"class_weights": [1.0, 2.0, 3.0]}, "expected one for each of the 2 labels"),
        ({"problem_type": "regresion"}, "did you mean 'regression'"),
        (
            {"problem_type": "regression", "label_smoothing": 0.1},
            "label_smoothing: got 0.1 with problem_type regression",
        ),
        ({"problem_type": "regression", "temperature": 2.0}, "temperature: got 2.0 with problem_type regression"),
    ],
)
def test_refuses_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        TextCNNConfig(**arguments)
    assert "\n" not in str(error.value)


def test_ordered_levels_are_a_problem_type_of_every_version_of_transformers() -> None:
    config = TextCNNConfig(problem_type="ordinal", id2label={0: "1", 1: "2"})
    assert TextCNNConfig.from_dict(config.to_dict()).problem_type == "ordinal"
    assert "__validators__" not in config.to_dict()
