"""`inspect`: the n-grams behind classes and filters, and the effect of filters that are taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..data.errors import DataError, nearest
from ..data.prediction import open_rows, texts_of
from ..loading import load_folded
from ..outputs import begin_output
from ..runtime.folded import FoldedTextCNN
from ..settings import InspectSettings, takes
from .labelled import Labelled, dropped_rows, read_labelled, spread
from .lexicon import Lexicon, check_filters, lexicon, save_scaled, scale_filters
from .scores import ask, scores


@dataclass(frozen=True)
class Inspection:
    """The n-grams of a model, or the effect of changed filters.

    Args:
        labels: Labels of the model.
        dropped: Rows that were left out, in words.
        lexicon: N-grams of classes and filters; None where filters were changed.
        texts: Labelled texts on which the effect was measured.
        changed: Texts that get another label.
        before: Scores of the model.
        after: Scores with the changed filters.
        output: Directory of the changed model, or None.
    """

    labels: list[str]
    dropped: str
    lexicon: Lexicon | None = None
    texts: int = 0
    changed: int = 0
    before: dict[str, float] | None = None
    after: dict[str, float] | None = None
    output: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        if self.lexicon is not None:
            return {"texts": self.lexicon.texts, "dead": self.lexicon.dead, **asdict(self.lexicon)}
        return {"texts": self.texts, "changed": self.changed, "before": self.before, "after": self.after}


@takes(InspectSettings)
def inspect(settings: InspectSettings) -> Inspection:
    """Collect the n-grams that weigh for each class and move each filter, over texts like the training data.

    A filter that has learnt a wrong pattern can be dropped or scaled; the effect is measured on the same texts.
    `textcnn.InspectSettings` documents the settings.

    Example:
        >>> textcnn.inspect("runs/reviews", "reviews.csv").lexicon.classes["positive"][0].text
        'lovely'

    Raises:
        ValueError: There is no such filter, label or column, or filters are changed without labelled data.
    """
    factors = {**dict.fromkeys(settings.drop, 0.0), **dict(map(_factor, settings.scale))}
    if settings.output is not None:
        begin_output(settings.output, settings.force)
    model = load_folded(settings.model, "inspect", settings.head)
    check_filters(model, [*factors, *settings.filter])
    for label in settings.label:
        if label not in model.labels:
            raise ValueError(f"label: got {label!r}; expected a label of the model{nearest(label, model.labels)}")
    texts, dropped, rows = _read(settings, model, labels_needed=bool(factors))
    if not factors:
        chosen = spread(len(texts), settings.limit)
        found = lexicon(model, [texts[i] for i in chosen], settings.top)
        return Inspection(model.labels, dropped, found)
    assert rows is not None
    edited = scale_filters(model, factors)
    before, after = ask(model, rows), ask(edited, rows)
    changed = (before.predicted != after.predicted).reshape(len(rows), -1).any(axis=1)
    return Inspection(
        model.labels,
        dropped,
        texts=len(rows),
        changed=int(changed.sum()),
        before={name: score.value for name, score in scores(before, resamples=0).items()},
        after={name: score.value for name, score in scores(after, resamples=0).items()},
        output=None if settings.output is None else save_scaled(settings.model, factors, settings.output),
    )


def _read(
    settings: InspectSettings, model: FoldedTextCNN, labels_needed: bool
) -> tuple[Sequence[str], str, Labelled | None]:
    """The texts, the rows that were left out in words, and the labelled rows where the data has labels."""
    columns = (settings.split, settings.text_column, settings.label_column)
    try:
        rows = read_labelled(settings.data, model, *columns)
        return rows.texts, rows.dropped, rows
    except DataError:
        if labels_needed or settings.label_column:
            raise
        # N-grams need no labels.
        column = texts_of(open_rows(settings.data), settings.text_column, None, str(settings.data))
        texts = [text for text in column.to_pylist() if text is not None]
        return texts, dropped_rows(column.null_count), None


def _factor(item: str) -> tuple[int, float]:
    number, _, factor = item.partition("=")
    try:
        return int(number), float(factor)
    except ValueError:
        raise ValueError(f"scale: got {item!r}; expected N=S, such as 12=0.5") from None
