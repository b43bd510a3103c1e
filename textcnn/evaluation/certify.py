"""`certify`: the answers that no replacement of a few tokens can change, and the accuracy that is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..loading import load_folded
from ..progress import in_batches
from ..runtime.folded import FoldedTextCNN
from ..settings import CertifySettings, takes
from .labelled import read_labelled, spread


@dataclass(frozen=True)
class TextCertificate:
    """Certificate of one text.

    Args:
        replaced: Number of replaced tokens.
        labels: Labels of the text; one, unless the model is multi-label.
        certified: True where no replacement changes them.
        margin: Distance of the logit to the next, or multi-label to its threshold.
        least: Lower bound of the margin after any replacement.
    """

    replaced: int
    labels: list[str]
    certified: bool
    margin: float
    least: float


@dataclass(frozen=True)
class Certificates:
    """Certified accuracy over a sample of labelled data, or the certificates of one text.

    Args:
        data: Description of the data; "" for one text.
        texts: Texts of the sample.
        of: Texts of the data.
        dropped: Rows that were left out, in words.
        accuracy: Accuracy without any replacement.
        median_margin: Median distance of the largest logit to the next.
        accuracies: Certified accuracy for each number of replaced tokens.
        certified: Fraction of certified texts for each number of replaced tokens.
        of_text: Certificates of one text.
    """

    data: str = ""
    texts: int = 1
    of: int = 1
    dropped: str = ""
    accuracy: float | None = None
    median_margin: float | None = None
    accuracies: dict[int, float] = field(default_factory=dict)
    certified: dict[int, float] = field(default_factory=dict)
    of_text: list[TextCertificate] = field(default_factory=list)


@takes(CertifySettings)
def certify(settings: CertifySettings) -> Certificates:
    """Bound the effect of replacing k tokens of a text by any others of the vocabulary on its label.

    The certificate is sound but not complete. Inserted and deleted tokens are not covered, nor are thresholds of
    single-label models. `textcnn.CertifySettings` documents the settings.

    Example:
        >>> textcnn.certify("runs/reviews", "test.csv", replaced=[1]).accuracies
        {1: 0.61}

    Raises:
        ValueError: The tables are int8, or there is no such split or column.
    """
    model = load_folded(settings.model, "certify", settings.head)
    if settings.text is not None:
        return Certificates(of_text=[_certify_text(model, settings.text, k) for k in settings.replaced])
    rows = read_labelled(settings.data, model, settings.split, settings.text_column, settings.label_column)
    chosen = spread(len(rows), settings.limit)
    texts, targets = [rows.texts[i] for i in chosen], rows.targets[chosen]
    standing = np.arange(len(texts))
    right = np.zeros(len(texts), dtype=bool)
    accuracies, certified = {}, {}
    accuracy = median_margin = None
    for k in sorted(settings.replaced):
        # What fewer tokens can change, more can: only texts that stand so far are looked at.
        found = in_batches(partial(model.certify, replaced=k), [texts[i] for i in standing])
        if accuracy is None:
            same = found.labels == targets
            right = same.all(axis=1) if model.multi_label else same
            accuracy, median_margin = float(right.mean()), float(np.median(found.margins))
        standing = standing[found.certified]
        accuracies[k] = float(right[standing].sum() / len(texts))
        certified[k] = len(standing) / len(texts)
    return Certificates(rows.where, len(texts), len(rows), rows.dropped, accuracy, median_margin, accuracies, certified)


def _certify_text(model: FoldedTextCNN, text: str, k: int) -> TextCertificate:
    found = model.certify([text], k)
    label: Any = found.labels[0]
    names = [model.labels[c] for c in np.flatnonzero(label)] if model.multi_label else [model.labels[label]]
    return TextCertificate(k, names, bool(found.certified[0]), float(found.margins[0]), float(found.least[0]))
