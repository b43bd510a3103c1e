"""1-D convolutional text classification.

Example:
    >>> import textcnn
    >>> classifier = textcnn.train("python-docstrings", output="runs/docs")
    >>> classifier.predict(["Return the square root of x."])
    array(['numeric'], dtype='<U11')
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .artifact import TrainingRecord, save_artifact
    from .bench.run import bench
    from .comparison.compare import compare
    from .data import TextCollator, TextDataModule
    from .distillation.distill import distill
    from .estimators.classifier import TextCNNClassifier
    from .estimators.regressor import TextCNNRegressor
    from .evaluation.calibrate import calibrate
    from .evaluation.certify import certify
    from .evaluation.evaluate import evaluate
    from .evaluation.explain import explain
    from .evaluation.inspect import inspect
    from .exporting.export import export
    from .finetuning.adapt import adapt
    from .finetuning.contextual import vectors
    from .finetuning.teach import teach
    from .folding.convert import convert
    from .folding.fold import fold_artifact as fold
    from .generation.generate import generate
    from .info import info
    from .loading import TorchClassifier, load
    from .model import (
        Architecture,
        TextCNNConfig,
        TextCNNForMaskedLM,
        TextCNNForSequenceClassification,
        TextCNNForTextEncoding,
        TextCNNModel,
    )
    from .runtime.encoder import TextEncoder
    from .runtime.heads import HeadsClassifier
    from .runtime.onnx import OnnxClassifier
    from .scoring.corpus import LabelFilter
    from .scoring.score import score
    from .scoring.scorer import Scorer
    from .serving.serve import serve
    from .settings import (
        AdaptSettings,
        CalibrateSettings,
        CertifySettings,
        CompareSettings,
        ConvertSettings,
        DistillSettings,
        EvaluateSettings,
        ExplainSettings,
        ExportSettings,
        FoldSettings,
        GenerateSettings,
        InspectSettings,
        PretrainSettings,
        ScoreSettings,
        ServeSettings,
        TeachSettings,
        TrainSettings,
        TuneSettings,
        VectorsSettings,
    )
    from .training import ClassificationModule, train
    from .training.pretrain import pretrain
    from .tuning.tune import tune

__version__ = "0.1.0"

# Module of each public name. It is imported when the name is first used, so that `import textcnn` costs nothing.
_HOMES = {
    "AdaptSettings": "settings",
    "Architecture": "model",
    "CalibrateSettings": "settings",
    "CertifySettings": "settings",
    "ClassificationModule": "training",
    "CompareSettings": "settings",
    "ConvertSettings": "settings",
    "DistillSettings": "settings",
    "EvaluateSettings": "settings",
    "ExplainSettings": "settings",
    "ExportSettings": "settings",
    "FoldSettings": "settings",
    "GenerateSettings": "settings",
    "HeadsClassifier": "runtime.heads",
    "InspectSettings": "settings",
    "LabelFilter": "scoring.corpus",
    "OnnxClassifier": "runtime.onnx",
    "PretrainSettings": "settings",
    "ScoreSettings": "settings",
    "Scorer": "scoring.scorer",
    "ServeSettings": "settings",
    "TeachSettings": "settings",
    "TextCNNClassifier": "estimators.classifier",
    "TextCNNConfig": "model",
    "TextCNNForMaskedLM": "model",
    "TextCNNForSequenceClassification": "model",
    "TextCNNForTextEncoding": "model",
    "TextCNNModel": "model",
    "TextCNNRegressor": "estimators.regressor",
    "TextCollator": "data",
    "TextDataModule": "data",
    "TextEncoder": "runtime.encoder",
    "TorchClassifier": "loading",
    "TrainSettings": "settings",
    "TrainingRecord": "artifact",
    "TuneSettings": "settings",
    "VectorsSettings": "settings",
    "adapt": "finetuning.adapt",
    "bench": "bench.run",
    "calibrate": "evaluation.calibrate",
    "certify": "evaluation.certify",
    "compare": "comparison.compare",
    "convert": "folding.convert",
    "distill": "distillation.distill",
    "evaluate": "evaluation.evaluate",
    "explain": "evaluation.explain",
    "export": "exporting.export",
    "fold": "folding.fold",
    "generate": "generation.generate",
    "info": "info",
    "inspect": "evaluation.inspect",
    "load": "loading",
    "pretrain": "training.pretrain",
    "save_artifact": "artifact",
    "score": "scoring.score",
    "serve": "serving.serve",
    "teach": "finetuning.teach",
    "train": "training",
    "tune": "tuning.tune",
    "vectors": "finetuning.contextual",
}
# Names that their modules spell otherwise.
_ATTRIBUTES = {"fold": "fold_artifact"}

__all__ = [
    "AdaptSettings",
    "Architecture",
    "CalibrateSettings",
    "CertifySettings",
    "ClassificationModule",
    "CompareSettings",
    "ConvertSettings",
    "DistillSettings",
    "EvaluateSettings",
    "ExplainSettings",
    "ExportSettings",
    "FoldSettings",
    "GenerateSettings",
    "HeadsClassifier",
    "InspectSettings",
    "LabelFilter",
    "OnnxClassifier",
    "PretrainSettings",
    "ScoreSettings",
    "Scorer",
    "ServeSettings",
    "TeachSettings",
    "TextCNNClassifier",
    "TextCNNConfig",
    "TextCNNForMaskedLM",
    "TextCNNForSequenceClassification",
    "TextCNNForTextEncoding",
    "TextCNNModel",
    "TextCNNRegressor",
    "TextCollator",
    "TextDataModule",
    "TextEncoder",
    "TorchClassifier",
    "TrainSettings",
    "TrainingRecord",
    "TuneSettings",
    "VectorsSettings",
    "__version__",
    "adapt",
    "bench",
    "calibrate",
    "certify",
    "compare",
    "convert",
    "distill",
    "evaluate",
    "explain",
    "export",
    "fold",
    "generate",
    "info",
    "inspect",
    "load",
    "pretrain",
    "save_artifact",
    "score",
    "serve",
    "teach",
    "train",
    "tune",
    "vectors",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), _ATTRIBUTES.get(name, name))


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """The package. A verb keeps its name where a module has the same: `textcnn.fold` is the function, always.

    Importing the package `textcnn.vectors` would put that module there.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
