"""Presets of `train`: settings that trade accuracy against time.

What a caller gives stays as it is.
"""

from __future__ import annotations

from typing import Any

from .verbs import TrainSettings

PRESETS: dict[str, dict[str, Any]] = {
    # A bag alone: the linear model that it starts from, and one epoch.
    "fast": {"kernel_sizes": [], "bag": "sqrtn", "max_epochs": 1},
    # Networks side by side that fold into one table.
    "best": {"num_members": 5},
}


def apply_preset(settings: TrainSettings) -> None:
    """Set what `fast` or `best` stands for, unless it was given.

    Raises:
        ValueError: both are given.
    """
    asked = [name for name in PRESETS if getattr(settings, name)]
    if len(asked) > 1:
        raise ValueError("fast: got it with best; expected one of the two; leave one out")
    for preset in asked:
        for name, value in PRESETS[preset].items():
            if name not in settings.given:
                setattr(settings, name, value)
