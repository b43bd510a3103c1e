"""`explain`: the n-grams behind an answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..loading import load_classifier
from ..runtime.storage import write_text
from ..settings import ExplainSettings, takes

if TYPE_CHECKING:
    from ..runtime.explain import Explanation


@takes(ExplainSettings)
def explain(settings: ExplainSettings) -> Explanation:
    """Return the n-grams of a text behind a logit; bias and weights add up to it exactly.

    `textcnn.ExplainSettings` documents the settings.

    Example:
        >>> print(textcnn.explain("runs/reviews", "a lovely film with a dull end"))

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: The model has no such label, or cannot be explained.
    """
    from ..runtime.explain.views import page

    explanation = load_classifier(settings.model, head=settings.head).explain(settings.text, settings.label)
    if settings.html is not None:
        path = Path(settings.html)
        content = page(explanation, settings.top)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, content)
    return explanation
