"""Presets of `train`: settings that trade accuracy against time.

What a caller gives stays as it is.
"""

from __future__ import annotations

from typing import Any

from .verbs import TrainSettings

# A bag alone: the linear model that it starts from, and one epoch.
FAST: dict[str, Any] = {"kernel_sizes": [], "bag": "sqrtn", "max_epochs": 1}


def apply_preset(settings: TrainSettings) -> None:
    """Set what `fast` stands for, unless it was given."""
    for name, value in FAST.items() if settings.fast else ():
        if name not in settings.given:
            setattr(settings, name, value)
