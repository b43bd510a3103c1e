"""One vocabulary of settings, which Python, the command line, YAML files and the model card read.

A group is a dataclass whose documentation is the help; the settings of a verb are made of groups. Nothing here imports
torch or transformers.
"""

from .base import Setting, Settings, described, documented, hints, make, takes
from .comparison import CompareSettings
from .data import BatchSettings, ColumnSettings, DataSettings, SeedSettings, SourceSettings, TokenizerSettings
from .models import (
    CalibrateSettings,
    CertifySettings,
    ConvertSettings,
    EvaluateSettings,
    ExplainSettings,
    ExportSettings,
    FoldSettings,
    InfoSettings,
    InspectSettings,
    ModelSettings,
    ScoreSettings,
    ServeSettings,
)
from .names import OWNERS, SYNONYMS, suggestion, unknown_name
from .training import (
    ArchitectureSettings,
    AugmentationSettings,
    FineTuningSettings,
    LossSettings,
    OptimizationSettings,
    RateSettings,
    RunSettings,
)
from .verbs import (
    VERBS,
    AdaptSettings,
    DistillSettings,
    GenerateSettings,
    PretrainSettings,
    TeachSettings,
    TrainSettings,
    TuneSettings,
    VectorsSettings,
)

__all__ = [
    "OWNERS",
    "SYNONYMS",
    "VERBS",
    "AdaptSettings",
    "ArchitectureSettings",
    "AugmentationSettings",
    "BatchSettings",
    "CalibrateSettings",
    "CertifySettings",
    "ColumnSettings",
    "CompareSettings",
    "ConvertSettings",
    "DataSettings",
    "DistillSettings",
    "EvaluateSettings",
    "ExplainSettings",
    "ExportSettings",
    "FineTuningSettings",
    "FoldSettings",
    "GenerateSettings",
    "InfoSettings",
    "InspectSettings",
    "LossSettings",
    "ModelSettings",
    "OptimizationSettings",
    "PretrainSettings",
    "RateSettings",
    "RunSettings",
    "ScoreSettings",
    "SeedSettings",
    "ServeSettings",
    "Setting",
    "Settings",
    "SourceSettings",
    "TeachSettings",
    "TokenizerSettings",
    "TrainSettings",
    "TuneSettings",
    "VectorsSettings",
    "described",
    "documented",
    "hints",
    "make",
    "suggestion",
    "takes",
    "unknown_name",
]
