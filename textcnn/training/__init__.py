"""Training tasks for Lightning, and `train`, which runs one from Python."""

import warnings

# Lightning's own business with torch; a user can do nothing about it.
warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)

from .base import TrainingModule
from .run import train
from .tasks.classification import ClassificationModule

__all__ = ["ClassificationModule", "TrainingModule", "train"]
