"""transformers' own common tests of a model, from the source distribution of the pinned version.

They are not copied here: `make test-transformers` fetches them, and TRANSFORMERS_SUITE names the archive. Two of their
bases are not in it: those of generation, which a classifier does not do, and of exporters.
"""

from __future__ import annotations

import importlib
import os
import sys
import tarfile
import tempfile
import types
import unittest
from pathlib import Path
from typing import Any

import pytest
import torch

from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification, TextCNNModel

ARCHIVE = os.environ.get("TRANSFORMERS_SUITE")
if not ARCHIVE:
    pytest.skip("TRANSFORMERS_SUITE names no source distribution of transformers", allow_module_level=True)
pytestmark = pytest.mark.filterwarnings("default")  # what their tests warn of is theirs


def common_tests(archive: str) -> Any:
    """The module tests/test_modeling_common.py of the archive."""
    folder = Path(tempfile.mkdtemp()) / "transformers_suite"
    folder.mkdir()
    with tarfile.open(archive) as content:
        for member in content:
            parts = Path(member.name).parts
            if member.isfile() and len(parts) == 3 and parts[1] == "tests":
                (folder / parts[2]).write_bytes(content.extractfile(member).read())
    (folder / "__init__.py").touch()
    for name, mixin in (
        ("exporters.test_export", "ExportTesterMixin"),
        ("generation.test_utils", "GenerationTesterMixin"),
    ):
        module = types.ModuleType(f"transformers_suite.{name}")
        setattr(module, mixin, type(mixin, (), {}))
        package = types.ModuleType(f"transformers_suite.{name.split('.')[0]}")
        package.__path__ = []
        sys.modules[package.__name__], sys.modules[module.__name__] = package, module
    sys.path.insert(0, str(folder.parent))
    return importlib.import_module("transformers_suite.test_modeling_common")


common = common_tests(ARCHIVE)
# Which classes want labels, the suite reads from what transformers itself has.
for names, ours in (
    ("MODEL_MAPPING_NAMES", TextCNNModel),
    ("MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES", TextCNNForSequenceClassification),
):
    setattr(common, names, {**getattr(common, names), "textcnn": ours.__name__})


class TextCNNTester:
    """What the suite asks for: a small configuration and inputs for it."""

    base_model_class = TextCNNModel
    is_training = True
    batch_size = 13
    seq_length = 7

    def get_config(self) -> TextCNNConfig:
        return TextCNNConfig(vocab_size=99, embedding_dim=16, num_filters=8, num_labels=3)

    def prepare_config_and_inputs_for_common(self) -> tuple[TextCNNConfig, dict[str, torch.Tensor]]:
        input_ids = common.ids_tensor([self.batch_size, self.seq_length], 98) + 1
        return self.get_config(), {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}


class TextCNNModelTest(common.ModelTesterMixin, unittest.TestCase):
    all_model_classes = (TextCNNModel, TextCNNForSequenceClassification)
    has_attentions = False

    def setUp(self) -> None:
        self.model_tester = TextCNNTester()

    @unittest.skip("there is no state of a layer to return: convolution and maximum are one operator")
    def test_hidden_states_output(self) -> None: ...

    @unittest.skip("there is no state of a layer, and no attention, that could keep its gradient")
    def test_retain_grad_hidden_states_attentions(self) -> None: ...
