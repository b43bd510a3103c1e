"""Answers of several classifiers in one pass are those of each alone."""

from __future__ import annotations

import numpy as np
import pytest
from fasttext_models import LABELS, TEXTS, WORDS, make_file

from textcnn.folding.convert import fold_fasttext, round_fasttext
from textcnn.runtime.fasttext import FoldedFastText
from textcnn.runtime.fasttext_columns import dictionary_of
from textcnn.runtime.together import Together


def models(*seeds, int8=False, **options):
    folded = [fold_fasttext(make_file(ngrams=2, seed=seed, **options)) for seed in seeds]
    return [round_fasttext(model) for model in folded] if int8 else folded


@pytest.mark.parametrize("options", [{}, {"int8": True}, {"minn": 2, "maxn": 3}, {"kind": "pruned"}], ids=str)
def test_models_of_one_dictionary_stand_side_by_side(options) -> None:
    # fastText leaves the order of words that are equally frequent to chance.
    group = [*models(1, 2, **options), *models(3, **options, words=[WORDS[0], *WORDS[:0:-1]])]
    group[1] = FoldedFastText({**group[1].config, "temperature": 2.5}, group[1].tensors)
    together = Together(group)
    # Models whose buckets differ read rows of their own.
    assert (len(together._groups) == 1) == (options.get("kind") != "pruned")
    for model, answers in zip(group, together.answers(TEXTS * 3), strict=True):
        expected = model.answer(TEXTS * 3)
        np.testing.assert_allclose(answers.probabilities, expected.probabilities, atol=1e-6)
        assert list(model.decide(answers)) == list(model.predict(TEXTS * 3))


def test_what_decides_the_rows_is_the_dictionary() -> None:
    first, other_words, other_labels, tree = (
        models(1)[0], models(1, words=[*WORDS[:-1], "z"])[0], models(1, labels=[*LABELS[:-1], "__label__q"])[0],
        models(1, loss="hs")[0],
    )  # fmt: skip
    assert dictionary_of(first) == dictionary_of(models(2)[0])
    assert len({dictionary_of(first), dictionary_of(other_words), dictionary_of(other_labels)}) == 3
    assert dictionary_of(tree) is None
    together = Together([tree, first, other_words])
    for model, answers in zip(together.classifiers, together.answers(iter(TEXTS)), strict=True):
        np.testing.assert_array_equal(answers.probabilities, model.answer(TEXTS).probabilities)
