"""Training tasks for Lightning, and `train`, which runs one from Python."""

import warnings

# Lightning's own business with torch; a user can do nothing about it.
warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)

from .base import TrainingModule
from .classification import ClassificationModule
from .run import train

__all__ = ["ClassificationModule", "TrainingModule", "train"]
