"""1-D convolutional text classification: train it, load it, ask it.

Example:
    >>> import textcnn
    >>> classifier = textcnn.train("python-docstrings", output_dir="runs/docs")
    >>> classifier.predict(["Return the square root of x."])
    array(['numeric'], dtype='<U11')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .artifact import TrainingRecord, save_artifact
    from .classifier import TorchClassifier, load
    from .data import TextCollator, TextDataModule
    from .distillation.distill import distill
    from .estimator import TextCNNClassifier
    from .evaluation.calibrate import calibrate
    from .export import OnnxClassifier
    from .model import Architecture, TextCNNConfig, TextCNNForSequenceClassification, TextCNNModel
    from .scoring.corpus import LabelFilter
    from .training import ClassificationModule, train

__version__ = "0.1.0"

# Where each public name lives. It is imported when it is first used, so that `import textcnn` costs nothing.
_HOMES = {
    "Architecture": "model",
    "ClassificationModule": "training",
    "LabelFilter": "scoring.corpus",
    "OnnxClassifier": "export",
    "TextCNNClassifier": "estimator",
    "TextCNNConfig": "model",
    "TextCNNForSequenceClassification": "model",
    "TextCNNModel": "model",
    "TextCollator": "data",
    "TextDataModule": "data",
    "TorchClassifier": "classifier",
    "TrainingRecord": "artifact",
    "calibrate": "evaluation.calibrate",
    "distill": "distillation.distill",
    "load": "classifier",
    "save_artifact": "artifact",
    "train": "training",
}

__all__ = [
    "Architecture",
    "ClassificationModule",
    "LabelFilter",
    "OnnxClassifier",
    "TextCNNClassifier",
    "TextCNNConfig",
    "TextCNNForSequenceClassification",
    "TextCNNModel",
    "TextCollator",
    "TextDataModule",
    "TorchClassifier",
    "TrainingRecord",
    "calibrate",
    "distill",
    "load",
    "save_artifact",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
