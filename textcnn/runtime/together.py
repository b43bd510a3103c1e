"""Answers of several classifiers to the same texts; equal tokenizers read each text once.

Shapes: `N` texts, `C` classes of one classifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .classifier import TextClassifier
from .decisions import Answers, Array
from .text_batches import text_batches


def answers_together(classifiers: Sequence[TextClassifier], texts: Iterable[str]) -> list[Answers]:
    """Return the answers of each classifier to the same texts.

    Classifiers that answer from token ids and whose tokenizers are equal share the ids: a text is tokenized once for
    all of them. The texts are taken in batches whose ids stay in cache.

    Args:
        classifiers: The classifiers, in the order of the result.
        texts: Any iterable of strings.

    Raises:
        TypeError: `texts` is one string or a table, or holds something that is no string.
    """
    if len(classifiers) == 1:
        return [classifiers[0].answer(texts)]
    texts = texts if isinstance(texts, list) else list(texts)
    groups: dict[str, list[int]] = {}
    answers: dict[int, Answers] = {}
    for position, classifier in enumerate(classifiers):
        if classifier.tokens_of is None:
            answers[position] = classifier.answer(texts)
        else:
            groups.setdefault(classifier.tokens_of, []).append(position)
    for positions in groups.values():
        group = [classifiers[position] for position in positions]
        if len(group) == 1:
            answers[positions[0]] = group[0].answer(texts)
            continue
        logits = _logits_together(group, texts)
        answers.update(
            (position, classifier.answer_of(own))
            for position, classifier, own in zip(positions, group, logits, strict=True)
        )
    return [answers[position] for position in range(len(classifiers))]


def _logits_together(classifiers: Sequence[TextClassifier], texts: list[str]) -> list[Array]:
    """Return the logits [N, C] of each of some classifiers whose tokenizers are equal."""
    parts: list[list[Array]] = [[np.zeros((0, len(one.labels)), dtype=np.float32)] for one in classifiers]
    for batch in text_batches(texts):
        ids, offsets = classifiers[0].encode(batch)
        for own, classifier in zip(parts, classifiers, strict=True):
            own.append(classifier.logits_of_ids(ids, offsets))
    return [np.concatenate(own) for own in parts]
