"""The winning windows of many texts are those that explaining one after the other finds."""

from __future__ import annotations

import numpy as np
import pytest
from folded_models import CONFIGS, make_model, word_tokenizer

from textcnn.fold import fold
from textcnn.runtime.winning import winners, winners_in_chunks

TEXTS = ["", "w3", "w3 w4", "w5 w5 w5 w5", " ".join(f"w{i * 7 % 45 + 2}" for i in range(60)), "[PAD] w3 [PAD] w4"]


@pytest.mark.parametrize("name", [name for name in CONFIGS if "pooled-norm" not in name])
@pytest.mark.parametrize("int8", [False, True])
def test_winners_are_those_of_explanations(name: str, int8: bool) -> None:
    folded = fold(make_model(**CONFIGS[name]), word_tokenizer(), int8=int8)
    found = winners(folded, TEXTS)
    np.testing.assert_allclose(found.features, folded.features(TEXTS), rtol=1e-5, atol=1e-5)
    weight = folded._operands[-2]
    for n, text in enumerate(TEXTS):
        encoding = folded._tokenizer.reference.encode(text)
        # What a text begins with is left out of the count of tokens where it is padding.
        padding = [i == 0 for i in encoding.ids]
        offsets = encoding.offsets[padding.index(False) if False in padding else 0 :]
        why = folded.explain(text, "b")
        own = {f: ngram for ngram in why.contributions for f in ngram.filters}
        for f, ngram in own.items():
            assert (ngram.start, ngram.end) == (offsets[found.first[n, f]][0], offsets[found.last[n, f]][1])
        drops = {ngram.filters: why.logit - ngram.without for ngram in why.contributions}
        for filters, drop in drops.items():
            at = list(filters)
            wanted = float((weight[1, at] * (found.features[n, at] - found.without[n, at])).sum())
            assert wanted == pytest.approx(drop, rel=1e-4, abs=1e-3)
        for f in np.flatnonzero(found.first[n] < 0):
            assert f not in own
            assert found.features[n, f] == 0


def test_chunks_are_the_whole() -> None:
    folded = fold(make_model(), word_tokenizer())
    texts = TEXTS[:5] * 300
    parts = list(winners_in_chunks(folded, texts))
    assert [begin for begin, _ in parts] == [0, 1024]
    np.testing.assert_array_equal(np.concatenate([part.first for _, part in parts]), winners(folded, texts).first)


def test_norms_hide_windows() -> None:
    with pytest.raises(ValueError, match="pooled_norm False"):
        winners(fold(make_model(pooled_norm=True), word_tokenizer()), ["w3"])
