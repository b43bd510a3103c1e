"""The weights of network and bag against scipy's optimizer, and in the files of a run."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from folded_models import make_model
from safetensors.torch import load_file
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import f1_score

import textcnn
from textcnn.data import TextDataModule
from textcnn.evaluation.calibration import negative_log_likelihood
from textcnn.training import ClassificationModule
from textcnn.training.part_weights import NOISE, PartWeights, fit_part_weights
from textcnn.training.validation_fit import FITTED, fit_on_validation, part_logits

PROBLEMS = ("single_label_classification", "multi_label_classification", "regression")
SMALL = {"num_filters": 4, "embedding_dim": 4, "vectors": None, "progress": False, "min_frequency": 1, "max_epochs": 3}


def two_parts(problem: str, count: int):
    """Logits of two parts of which the second counts 0.3 as much as it should, and labels drawn from their sum."""
    rng = np.random.default_rng(0)
    network, bag = (rng.normal(size=(count, 1 if problem == "regression" else 3)) for _ in range(2))
    true = network + bag
    if problem == "regression":
        labels = true[:, 0] + rng.normal(size=count)
    elif problem == "multi_label_classification":
        labels = (rng.random(true.shape) < expit(true)).astype(np.float64)
    else:
        labels = (true + rng.gumbel(size=true.shape)).argmax(axis=1)
    return network * 4, bag * 0.3, labels


def weights_of_scipy(network, bag, labels, problem):
    if problem != "single_label_classification":
        return np.exp(minimize(posterior, np.zeros(2), args=(network, bag, labels, problem), options={"gtol": 1e-8}).x)
    ratio = np.exp(minimize(noisy_posterior, np.zeros(2), args=(network, bag, labels), options={"gtol": 1e-8}).x)
    total = ratio[0] * network + ratio[1] * bag
    scale = minimize(posterior, np.zeros(1), args=(total, None, labels, problem), options={"gtol": 1e-8}).x
    return ratio * np.exp(scale)


def noisy_posterior(logarithms, network, bag, labels):
    logits = np.exp(logarithms[0]) * network + np.exp(logarithms[1]) * bag
    probabilities = softmax(logits, axis=1)[np.arange(len(labels)), labels]
    return -np.log((1 - NOISE) * probabilities + NOISE / network.shape[1]).sum() + (logarithms**2).sum() / 2


def posterior(logarithms, network, bag, labels, problem):
    logits = np.exp(logarithms[0]) * network + (0 if bag is None else np.exp(logarithms[1]) * bag)
    if problem == "regression":
        noise = (network[:, 0] + bag[:, 0] - labels).var(ddof=1)
        loss = ((logits[:, 0] - labels) ** 2).sum() / (2 * noise)
    elif problem == "multi_label_classification":
        loss = (np.logaddexp(0, logits) - logits * labels).sum()
    else:
        loss = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].sum()
    return loss + (logarithms**2).sum() / 2


@pytest.mark.parametrize("count", [5, 2000])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_weights_are_those_of_scipy(problem, count) -> None:
    network, bag, labels = two_parts(problem, count)
    found = fit_part_weights(*map(torch.from_numpy, (network, bag, labels)), problem)
    expected = weights_of_scipy(network, bag, labels, problem)
    assert found is not None
    assert found.texts == count
    np.testing.assert_allclose([found.network, found.bag], expected, rtol=1e-3)
    if count == 2000:
        np.testing.assert_allclose([found.network * 4, found.bag * 0.3], [1, 1], atol=0.15)


def test_a_few_texts_that_the_bag_is_sure_and_wrong_about_do_not_decide() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 1000)
    network = rng.normal(size=(1000, 3)) + 0.5 * np.eye(3)[labels]
    bag = rng.normal(size=(1000, 3)) + 3 * np.eye(3)[labels]
    bag[:20] *= 100
    labels[:20] = (bag[:20].argmax(axis=1) + 1) % 3
    found = fit_part_weights(*map(torch.from_numpy, (network, bag, labels)), PROBLEMS[0])
    plain = np.exp(minimize(posterior, np.zeros(2), args=(network, bag, labels, PROBLEMS[0])).x)

    def accuracy(weights):
        return ((weights[0] * network + weights[1] * bag).argmax(axis=1) == labels).mean()

    assert accuracy([found.network, found.bag]) > accuracy(plain) + 0.02


@pytest.mark.parametrize("changes", [{}, {"bag_dim": 4}, {"num_members": 2}])
def test_factors_are_multiplied_into_some_logits_only(changes) -> None:
    model = make_model(bag="sqrtn", bag_buckets=30, **changes)
    batch = {"input_ids": torch.tensor([[2, 3, 4], [5, 6, 7]]), "attention_mask": torch.ones(2, 3, dtype=torch.long)}
    batches = [{**batch, "labels": torch.tensor([0, 1])}]
    network, bag, _ = part_logits(model, batches)
    PartWeights(2.0, 3.0, 1).multiply_into(model, slice(1, 2))
    factors = torch.ones(network.shape[1])
    after = part_logits(model, batches)
    torch.testing.assert_close(after[0], network * factors.index_fill(0, torch.tensor([1]), 2.0))
    torch.testing.assert_close(after[1], bag * factors.index_fill(0, torch.tensor([1]), 3.0))


def test_labels_that_no_train_text_has_are_left_out() -> None:
    network, bag, labels = two_parts(PROBLEMS[0], 50)
    more = [np.concatenate([part, part[:5]]) for part in (network, bag)]
    found = fit_part_weights(*map(torch.from_numpy, (*more, np.concatenate([labels, [3] * 5]))), PROBLEMS[0])
    assert found == fit_part_weights(*map(torch.from_numpy, (network, bag, labels)), PROBLEMS[0])
    nothing = torch.zeros(2, 3)
    assert fit_part_weights(nothing, nothing, torch.tensor([3, 3]), PROBLEMS[0]) is None


@pytest.fixture
def noisy(tmp_path):
    """Texts of which a quarter has another label than their words say, so that every fitted model is too sure."""
    rng = np.random.default_rng(0)
    rows = ["text,label"]
    for _ in range(600):
        label = int(rng.integers(2))
        words = [f"{'ab'[label]}{rng.integers(40)}" for _ in range(4)] + [f"c{rng.integers(200)}" for _ in range(4)]
        rows.append(f"{' '.join(words)},{'yn'[label if rng.random() < 0.75 else 1 - label]}")
    (tmp_path / "noisy.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "noisy.csv"


def test_a_run_ends_with_weights_that_suit_its_validation_texts(noisy, tmp_path) -> None:
    fixed = textcnn.train(noisy, tmp_path / "fixed", bag_weight=1.0, **SMALL)
    fitted = textcnn.train(noisy, tmp_path / "fitted", **SMALL)
    data = TextDataModule(noisy, tokenizer=str(tmp_path / "fixed"))
    texts, labels = data.texts_and_targets("validation")
    losses = [negative_log_likelihood(run.logits(texts), labels) for run in (fixed, fitted)]
    assert losses[1] < losses[0]
    card = (tmp_path / "fitted" / "README.md").read_text()
    assert '"factor_of_bag": 0.' in card
    assert "factor_of_bag" not in (tmp_path / "fixed" / "README.md").read_text()
    # The checkpoint that `textcnn test` scores has the weights of the artifact, and is not weighed a second time.
    path = tmp_path / "fitted" / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint[FITTED]
    saved = load_file(tmp_path / "fitted" / "model.safetensors")
    for name, values in saved.items():
        assert torch.equal(values, checkpoint["state_dict"][f"model.{name}"]), name
    module = ClassificationModule.load_from_checkpoint(path)
    trainer = textcnn.training.run.make_trainer(tmp_path / "again", textcnn.settings.RunSettings(progress=False), False)
    assert fit_on_validation(trainer, module, data, str(path)) == {}
    assert torch.load(path, weights_only=True)["state_dict"].keys() == checkpoint["state_dict"].keys()


def test_a_regression_is_weighed_in_its_standardised_numbers(noisy, tmp_path) -> None:
    lines = noisy.read_text().replace(",y", ",170").replace(",n", ",130")
    (tmp_path / "numbers.csv").write_text(lines)
    losses = {}
    for name, settings in {"fixed": {"bag_weight": 1.0}, "fitted": {}}.items():
        run = textcnn.train(
            tmp_path / "numbers.csv", tmp_path / name, problem_type="regression", label_column="label", **settings,
            **SMALL,
        )  # fmt: skip
        data = TextDataModule(tmp_path / "numbers.csv", problem_type="regression", label_column="label")
        texts, numbers = data.texts_and_targets("validation")
        losses[name] = np.square(run.predict(texts) - numbers).mean()
    assert losses["fitted"] < losses["fixed"]


@pytest.fixture
def rare(tmp_path):
    """Texts of which a fifth has a label that its words make likely, but never likelier than 0.5."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(1500):
        likely, common = rng.random(2) < 0.5
        labels = ["common"] * int(common) + ["rare"] * int(likely and rng.random() < 0.45)
        words = [f"{kind}{rng.integers(5)}" for kind in ("xy"[int(likely)], "uv"[int(common)]) for _ in range(4)]
        rows.append({"text": " ".join(words), "labels": labels})
    return rows


@pytest.mark.parametrize("bag", ["auto", "none"])
def test_labels_are_given_from_the_threshold_with_the_largest_f1(rare, bag, tmp_path, monkeypatch) -> None:
    run = textcnn.train(rare, tmp_path / "run", label_column="labels", bag=bag, **SMALL)
    threshold = run.thresholds["rare"]
    assert run.thresholds["common"] == threshold < 0.5
    data = TextDataModule(rare, label_column="labels", tokenizer=str(tmp_path / "run"))
    texts, targets = data.texts_and_targets("validation")
    probabilities = run.predict_proba(texts)

    def micro_f1(at: float) -> float:
        return f1_score(targets, probabilities >= at, average="micro")

    assert micro_f1(threshold) == max(map(micro_f1, np.unique(probabilities)))
    assert micro_f1(threshold) > micro_f1(0.5)
    # The scores in the model card are of the labels that the model gives, and so are those of `textcnn validate`.
    expected = f"{micro_f1(threshold):.4f}"
    assert f"val_micro_f1 | {expected}" in (tmp_path / "run" / "README.md").read_text()


def test_each_head_has_weights_and_a_threshold_of_its_own(rare, tmp_path) -> None:
    rows = [{**row, "kind": "long" if "x1" in row["text"] else "short"} for row in rare]
    run = textcnn.train(rows, tmp_path / "run", label_columns=["kind", "labels"], text_column="text", **SMALL)
    card = (tmp_path / "run" / "README.md").read_text()
    factors = dict(re.findall(r'"(\w+_factor_of_\w+)": ([\d.]+)', card))
    assert sorted(factors) == [f"{head}_factor_of_{part}" for head in ("kind", "labels") for part in ("bag", "network")]
    assert len(set(factors.values())) == 4
    threshold = run.heads["labels"].thresholds["rare"]
    assert run.heads["labels"].thresholds == {"common": threshold, "rare": threshold}
    assert 0 < threshold < 1
    assert threshold != 0.5
    assert not run.heads["kind"].thresholds
