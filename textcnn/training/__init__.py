"""Training tasks for Lightning, and `train`, which runs one from Python."""

from .base import TrainingModule
from .classification import ClassificationModule
from .run import train

__all__ = ["ClassificationModule", "TrainingModule", "train"]
