"""Scores, intervals and breakdowns against scikit-learn and scipy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from folded_models import make_model, word_tokenizer
from sklearn.metrics import (
    accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from textcnn import progress
from textcnn.evaluation import breakdown, scores
from textcnn.evaluation.labelled import UNKNOWN, Labelled
from textcnn.folding.fold import fold

SINGLE, MULTI = ({"problem_type": f"{kind}_label_classification"} for kind in ("single", "multi"))


def outcome_of(count: int = 300, outside: int = 0, absent: int | None = None, **changes: Any) -> scores.Outcome:
    """What a small model says of texts whose labels are mostly its own."""
    rng = np.random.default_rng(0)
    texts = ["", *(" ".join(f"w{i}" for i in rng.integers(2, 50, rng.integers(1, 12))) for _ in range(count - 1))]
    model = fold(make_model(num_filters=20, **changes), word_tokenizer())
    if model.multi_label:
        targets = (model.predict_proba(texts) > 0.5).astype(int)
        targets = np.where(rng.random(targets.shape) < 0.2, 1 - targets, targets)
    else:
        targets = model.logits(texts).argmax(axis=1)
        targets = np.where(rng.random(count) < 0.3, rng.integers(0, 3, count), targets)
        if absent is not None:
            targets[targets == absent] = (absent + 1) % 3
    out = np.zeros(count, dtype=bool)
    out[count - outside :] = outside > 0
    targets = np.where(out, -1, targets) if targets.ndim == 1 else targets
    return scores.ask(model, Labelled(texts, targets, "the data", out, {"length": [len(text) for text in texts]}))


@pytest.mark.parametrize("absent", [None, 2])
def test_scores_are_scikit_learns(absent: int | None) -> None:
    outcome = outcome_of(absent=absent, **SINGLE)
    found = scores.scores(outcome, resamples=0)
    targets, predicted = outcome.rows.targets, outcome.predicted
    assert found["accuracy"].value == accuracy_score(targets, predicted)
    assert found["macro F1"].value == pytest.approx(f1_score(targets, predicted, average="macro"))
    wanted = precision_recall_fscore_support(targets, predicted, labels=[0, 1, 2], zero_division=0)
    for one in breakdown.by_class(outcome):
        c = outcome.labels.index(one.label)
        assert (one.precision, one.recall, one.f1, one.wanted) == pytest.approx(tuple(row[c] for row in wanted))
    np.testing.assert_array_equal(
        breakdown.confusion_matrix(outcome)[:, :3], confusion_matrix(targets, predicted, labels=[0, 1, 2])
    )
    top = breakdown.confusions(outcome)[0]
    matrix = confusion_matrix(targets, predicted, labels=[0, 1, 2])
    np.fill_diagonal(matrix, 0)
    assert top.texts == matrix.max()


def test_scores_of_several_labels_are_scikit_learns() -> None:
    outcome = outcome_of(**MULTI)
    found = scores.scores(outcome, resamples=0)
    targets, predicted = outcome.rows.targets, outcome.predicted
    assert found["exact match"].value == accuracy_score(targets, predicted)
    for average in ("macro", "micro"):
        assert found[f"{average} F1"].value == pytest.approx(f1_score(targets, predicted, average=average))
    for one in breakdown.confusions(outcome):
        if one.given == "(missed)":
            c = outcome.labels.index(one.label)
            assert one.texts == ((targets[:, c] == 1) & (predicted[:, c] == 0)).sum()


def test_intervals_hold_the_score_and_shrink_with_the_texts() -> None:
    small = scores.scores(outcome_of(100, **SINGLE), resamples=300)["accuracy"]
    large = scores.scores(outcome_of(900, **SINGLE), resamples=300)["accuracy"]
    for one in (small, large):
        assert one.low < one.value < one.high
    assert large.high - large.low < 0.6 * (small.high - small.low)
    # The normal approximation of a share.
    width = 2 * 1.96 * (large.value * (1 - large.value) / 900) ** 0.5
    assert large.high - large.low == pytest.approx(width, rel=0.2)


def test_texts_of_no_class() -> None:
    sure = outcome_of(**SINGLE).model.confidence(outcome_of(**SINGLE).rows.texts, "energy")
    abstention = {"score": "energy", "threshold": float(np.median(sure))}
    outcome = outcome_of(outside=60, abstention=abstention, **SINGLE)
    found = {one.score: one for one in scores.out_of_scope(outcome)}
    outside = outcome.rows.outside
    for score, one in found.items():
        sure = outcome.model.confidence(outcome.rows.texts, score)
        assert one.auroc == pytest.approx(roc_auc_score(~outside, sure))
        assert (one.recall is None) == (score != "energy")
    assert found["energy"].recall == (outcome.predicted[outside] == scores.NOTHING).mean()
    own = scores.scores(outcome, resamples=0)
    inside = outcome.inside
    assert own["coverage"].value == (outcome.predicted[inside] >= 0).mean()
    assert own["accuracy"].value == (outcome.predicted[inside] == outcome.rows.targets[inside]).mean()
    assert not outcome.correct[outside].any()


def test_risk_falls_on_the_share_of_mistakes() -> None:
    outcome = outcome_of(**SINGLE)
    coverage, risk = scores.risk_coverage(outcome.confidence, outcome.correct)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx((~outcome.correct).mean())
    order = np.argsort(-outcome.confidence, kind="stable")
    assert risk[99] == pytest.approx((~outcome.correct[order[:100]]).mean())


def test_groups_hold_every_text_once() -> None:
    outcome = outcome_of(**SINGLE)
    lengths = np.array([len(text.split()) for text in outcome.rows.texts])
    groups = breakdown.by_length(outcome, lengths)
    assert sum(group.texts for group in groups) == 300
    assert groups[0].name == "no token"
    assert groups[0].texts == 1
    values = [i % 4 for i in range(300)]
    for group in breakdown.by_column(outcome, values):
        at = np.array(values) == int(group.name)
        assert group.accuracy == outcome.correct[at].mean()
        assert group.low < group.accuracy < group.high
    many = breakdown.by_column(outcome, [i / 10 for i in range(300)])
    assert [group.texts for group in many] == [75, 75, 75, 75]
    with pytest.raises(ValueError, match="at most 30"):
        breakdown.by_column(outcome, [f"name {i}" for i in range(300)])


def test_mistakes_are_wrong_and_the_surest_first() -> None:
    outcome = outcome_of(**SINGLE)
    at = breakdown.confident_mistakes(outcome, 20)
    assert not outcome.correct[at].any()
    sure = outcome.confidence[at]
    assert sure.tolist() == sorted(sure, reverse=True)
    left = np.setdiff1d(np.flatnonzero(~outcome.correct), at)
    assert outcome.confidence[left].max() <= sure.min()


def test_labels_that_the_model_lacks_count_as_wrong() -> None:
    known = outcome_of(**SINGLE)
    rows = known.rows
    targets = rows.targets.copy()
    targets[::10], targets[5::10] = UNKNOWN, UNKNOWN - 1
    outcome = scores.ask(known.model, Labelled(rows.texts, targets, "the data", rows.outside, unknown=("x", "y")))
    found = scores.scores(outcome, resamples=0)
    named = [outcome.rows.label_of(i, outcome.labels) for i in range(len(targets))]
    assert set(named) == {*outcome.labels, "x", "y"}
    predicted = [outcome.labels[c] for c in outcome.predicted]
    assert found["accuracy"].value == accuracy_score(named, predicted)
    assert found["macro F1"].value == pytest.approx(f1_score(named, predicted, average="macro"))
    assert outcome.rows.dropped == "60 rows counted as wrong, with labels that the model lacks: x, y"
    assert breakdown.confusion_matrix(outcome).sum() == 240
    lexicon_order = [one.label for one in breakdown.by_class(outcome)]
    assert sorted(lexicon_order) == outcome.labels


@pytest.mark.parametrize("kind", [SINGLE, MULTI])
def test_the_table_of_classes_is_scikit_learns(kind: dict[str, Any]) -> None:
    outcome = outcome_of(**kind)
    wanted = classification_report(
        outcome.rows.targets, outcome.predicted, target_names=outcome.labels, output_dict=True, zero_division=0
    )
    lines = breakdown.class_table(outcome).splitlines()
    assert lines[0].split() == ["precision", "recall", "F1", "texts"]
    found = {line[:12].strip(): [float(cell) for cell in line[12:].split()] for line in lines[1:]}
    assert list(found) == [*outcome.labels, "macro avg", "weighted avg"]
    for name, cells in found.items():
        assert cells == pytest.approx(list(wanted[name].values()), abs=1e-4)


def test_answers_in_batches_are_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = outcome_of(**SINGLE)
    monkeypatch.setattr(scores, "batches_with_progress", partial(progress.batches_with_progress, batch=7))
    again = scores.ask(outcome.model, outcome.rows)
    np.testing.assert_array_equal(again.logits, outcome.logits)
    np.testing.assert_array_equal(again.fired, outcome.fired)


def test_guarantees_in_batches_are_guarantees_at_once() -> None:
    outcome = outcome_of(40, **SINGLE)
    certify = partial(outcome.model.certify, replaced=1)
    at_once, batches = certify(outcome.rows.texts), progress.in_batches(certify, outcome.rows.texts, batch=7)
    for name in ("labels", "margins", "least"):
        np.testing.assert_array_equal(getattr(batches, name), getattr(at_once, name))
    assert len(progress.in_batches(certify, []).labels) == 0
