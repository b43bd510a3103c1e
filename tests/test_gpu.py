"""What runs on a GPU gives what runs on a CPU; all of it is skipped where there is none."""

from __future__ import annotations

import pytest
import torch

import textcnn
from textcnn.distillation.teachers import open_teacher
from textcnn.finetuning.teach import teach
from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.model.ngram_max import PADDINGS, _fastest, ngram_max
from textcnn.training.optimizers import LONGEST_GAP, RowAdamW, clip_gradient_norm

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def arguments(dtype, device, widths=(1, 3, 4), dim=24, filters=10):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(0, 40, (50,), generator=generator)
    index = torch.randint(-1, 200, (int(lengths.sum()),), generator=generator)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    leaves = [torch.randn(200, dim, generator=generator, dtype=torch.float64)]
    leaves += [torch.randn(filters, dim, width, generator=generator, dtype=torch.float64) for width in widths]
    leaves += [torch.randn(filters, generator=generator, dtype=torch.float64) for _ in widths]
    return index.to(device), offsets.to(device), [leaf.to(device, dtype).requires_grad_() for leaf in leaves]


def run(device, dtype=torch.float64, implementation=None, filters=10, **geometry):
    index, offsets, leaves = arguments(dtype, device, filters=filters)
    pooled, winners = ngram_max(
        leaves[0], index, offsets, leaves[1:4], leaves[4:], implementation=implementation, **geometry
    )
    upstream = torch.arange(pooled.numel(), device=device).view(pooled.shape) % 4 - 1
    pooled.backward(upstream.to(dtype))
    return [tensor.detach().cpu() for tensor in (pooled, winners, *(leaf.grad for leaf in leaves))]


@pytest.mark.parametrize("implementation", ["triton", "gpu"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("stride", "dilation", "filters"), [(1, 1, 10), (2, 1, 10), (1, 3, 10), (1, 1, 300)])
def test_the_operator_is_the_reference(implementation, padding, stride, dilation, filters):
    geometry = {"padding": padding, "stride": stride, "dilation": dilation, "filters": filters}
    expected = run("cpu", implementation="reference", **geometry)
    for ours, theirs in zip(run("cuda", implementation=implementation, **geometry), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("implementation", ["triton", "gpu"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_operator_in_half_precision(implementation, dtype):
    pooled = run("cuda", dtype, implementation)[0]
    torch.testing.assert_close(pooled.double(), run("cpu")[0], rtol=0.05, atol=0.2)


@pytest.mark.parametrize("implementation", ["triton", "gpu"])
def test_nan_is_above_all_and_nothing_is_no_error(implementation):
    vectors = torch.tensor([[1.0], [torch.nan], [3.0]], device="cuda")
    index = torch.tensor([0, 1, 2, 2, 2, -1], device="cuda")
    weight, bias = torch.ones(1, 1, 1, device="cuda"), torch.zeros(1, device="cuda")

    def winners(offsets):
        offsets = torch.tensor(offsets, device="cuda")
        return ngram_max(vectors, index[: offsets[-1]], offsets, [weight], [bias], implementation=implementation)

    pooled, winning = winners([0, 3, 3, 5, 6])
    assert pooled[0].isnan().all()
    assert pooled[1:].flatten().tolist() == [0, 3, 0]
    assert winning.flatten().tolist() == [1, -1, 0, -1]
    assert winners([0])[0].shape == (0, 1)


def test_what_must_be_repeatable_takes_torch_operations(monkeypatch):
    assert _fastest("cuda") == "triton"
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert _fastest("cuda") == "gpu"


# torch 2.11 says so although the check is left out by name.
@pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled")
@pytest.mark.parametrize("fused", [True, False])
def test_rows_take_the_steps_of_dense_adamw(fused):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(60, 7, generator=generator)
    weights = [torch.nn.Parameter(start.clone().cuda()) for _ in range(2)]
    others = [torch.nn.Parameter(start[0].clone().cuda()) for _ in range(2)]
    ours, theirs = (
        kind([{"params": [other]}, {"params": [weight], "weight_decay": 0.0}], lr=0.01, fused=fused)
        for kind, weight, other in zip((RowAdamW, torch.optim.AdamW), weights, others, strict=True)
    )
    for step in range(LONGEST_GAP + 40):
        rows = torch.randint(0, 60 if step % 50 == 0 else 9, (5,), generator=generator).cuda()
        values = torch.randn(5, 7, generator=generator).cuda()
        ours.touch(weights[0], rows)
        for weight, other, sparse in zip(weights, others, (True, False), strict=True):
            # Neither gradient depends on the weights, so that rounding is not magnified from step to step.
            weight.grad = other.grad = None
            vectors = torch.nn.functional.embedding(rows, weight, sparse=sparse)
            ((vectors * values).sum() + (other * values[0]).sum()).backward()
        norms = [clip_gradient_norm([w, o], 1.0) for w, o in zip(weights, others, strict=True)]
        torch.testing.assert_close(*norms)
        ours.step()
        theirs.step()
    ours.settle()
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(others[0], others[1], rtol=1e-5, atol=1e-5)


def test_the_network_gives_the_same_logits_and_gradients():
    torch.manual_seed(0)
    config = TextCNNConfig(vocab_size=50, embedding_dim=12, num_filters=8, num_labels=3, dropout=0.0)
    networks = [TextCNNForSequenceClassification(config) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    networks[1].cuda()
    ids = torch.randint(1, 50, (9, 15))
    mask = (torch.arange(15) < torch.randint(1, 16, (9, 1))).long()
    for network in networks:
        device = network.device
        output = network(ids.to(device), mask.to(device), labels=torch.arange(9).to(device) % 3)
        output.loss.backward()
    for ours, theirs in zip(networks[1].parameters(), networks[0].parameters(), strict=True):
        gradients = [(p.grad.to_dense() if p.grad.is_sparse else p.grad).cpu() for p in (ours, theirs)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_trains_and_predicts(precision, reviews, tmp_path):
    classifier = textcnn.train(
        str(reviews), tmp_path / "run", max_epochs=3, batch_size=8, precision=precision, progress=False,
        embedding_dim=16, num_filters=8,
    )  # fmt: skip
    assert classifier.predict(["a lovely film", "awful acting"]).tolist() == ["positive", "negative"]
    # The artifact is that of the network, whatever trained it.
    network = TextCNNForSequenceClassification.from_pretrained(tmp_path / "run")
    assert network.dtype == torch.float32


def test_a_teacher_is_taught_and_labels(transformer, reviews, tmp_path):
    scores = teach(transformer, str(reviews), tmp_path / "teacher", max_epochs=1, batch_size=16, progress=False)
    assert 0 <= scores["val_accuracy"] <= 1
    teacher = open_teacher(str(tmp_path / "teacher"), ["negative", "positive"], precision="32-true")
    here = teacher.logits(["a lovely film", "awful"])
    teacher._device = "cpu"
    teacher._model.to("cpu")
    torch.testing.assert_close(torch.tensor(here), torch.tensor(teacher.logits(["a lovely film", "awful"])))


def test_a_student_is_distilled(transformer, reviews, tmp_path):
    teach(transformer, str(reviews), tmp_path / "teacher", max_epochs=1, batch_size=16, progress=False)
    student = textcnn.distill(
        str(tmp_path / "teacher"), str(reviews), output=tmp_path / "student", vectors="teacher", neighbours=1,
        max_epochs=2, batch_size=16, num_filters=8, progress=False,
    )  # fmt: skip
    assert student.predict_proba(["a lovely film"]).shape == (1, 2)
