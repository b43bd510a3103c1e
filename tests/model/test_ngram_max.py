"""The n-gram maximum against a loop over windows, against nn.Conv1d followed by a maximum, and against gradcheck."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck

from textcnn.core import library
from textcnn.core.training import NgramMax
from textcnn.model import ngram_max as operator
from textcnn.model import ngram_max_cpu, ngram_max_gpu
from textcnn.model.ngram_max import PADDINGS, ngram_max

FAST = ["cpu", "gpu"]
ALL = ["reference", *FAST]
WIDTHS = [[1], [3, 4, 5], [2, 6, 9]]
GEOMETRIES = [(p, s, d) for p in PADDINGS for s in (1, 2, 3) for d in (1, 2, 3)]


class Batch:
    """Random arguments of the operator: a text per entry of `texts`, and weights of the given widths."""

    def __init__(self, texts, widths, dim=3, filters=2, dtype=torch.float64, seed=0, tokens=None, integers=False):
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            if integers:  # sums are exact, so that equal windows tie in every implementation
                return torch.randint(-2, 3, shape, generator=generator).to(dtype)
            return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

        flat = [token for text in texts for token in text]
        self.texts = texts
        self.index = torch.tensor(flat, dtype=torch.long)
        self.offsets = torch.tensor([0, *(len(text) for text in texts)]).cumsum(0)
        self.vectors = draw(max([-1, *flat]) + 1 if tokens is None else tokens, dim)
        # One filter more for each width, so that a mix-up of columns cannot go unseen.
        self.weights = [draw(filters + i, dim, width) for i, width in enumerate(widths)]
        self.biases = [draw(filters + i) for i in range(len(widths))]

    def leaves(self) -> list[Tensor]:
        return [tensor.detach().clone().requires_grad_() for tensor in (self.vectors, *self.weights, *self.biases)]

    def apply(self, leaves: list[Tensor], **options) -> tuple[Tensor, Tensor]:
        n = len(self.weights)
        return ngram_max(leaves[0], self.index, self.offsets, leaves[1 : n + 1], leaves[n + 1 :], **options)

    def run(self, upstream: Tensor | None = None, **options) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        """pooled, winners and the gradients of vectors, weights and biases."""
        leaves = self.leaves()
        pooled, winners = self.apply(leaves, **options)
        pooled.backward(upstream_gradient(pooled) if upstream is None else upstream)
        return pooled.detach(), winners, [leaf.grad for leaf in leaves]


def upstream_gradient(pooled: Tensor) -> Tensor:
    """A gradient with zeros in it, as after a ReLU or a dropout, and whole numbers."""
    return (torch.arange(pooled.numel()).view(pooled.shape) % 4 - 1).to(pooled.dtype)


def loop(batch: Batch, padding: str, stride: int, dilation: int) -> tuple[Tensor, Tensor]:
    """One window after the other, as the definition says."""
    pooled, winners = [], []
    for text in batch.texts:
        values, numbers = [], []
        for weight, bias in zip(batch.weights, batch.biases, strict=True):
            filters, dim, width = weight.shape
            span = (width - 1) * dilation
            left, right = {"wide": (span, span), "same": (span // 2, span - span // 2), "valid": (0, 0)}[padding]
            best, number = torch.zeros(filters, dtype=weight.dtype), torch.full((filters,), -1)
            k, start = 0, -left
            while start + span <= len(text) - 1 + right:
                reads = [start + j * dilation for j in range(width)]
                tokens = [text[t] if 0 <= t < len(text) else -1 for t in reads]
                if max(tokens) >= 0:
                    rows = [batch.vectors[u] if u >= 0 else torch.zeros(dim, dtype=weight.dtype) for u in tokens]
                    value = bias + torch.stack([weight[:, :, j] @ row for j, row in enumerate(rows)]).sum(0)
                    wins = (number < 0) | (value > best)
                    best, number = torch.where(wins, value, best), torch.where(wins, k, number)
                k, start = k + 1, start + stride
            values.append(best)
            numbers.append(number)
        pooled.append(torch.cat(values))
        winners.append(torch.cat(numbers))
    return torch.stack(pooled), torch.stack(winners)


def conv1d(batch: Batch, stride: int, dilation: int) -> tuple[Tensor, list[Tensor | None]]:
    """nn.Conv1d, a maximum over time and autograd, a text at a time; wide padding, no holes, no empty text."""
    leaves = batch.leaves()
    n = len(batch.weights)
    pooled = []
    for text in batch.texts:
        inputs = leaves[0][torch.tensor(text)].t()
        maxima = []
        for weight, bias in zip(leaves[1 : n + 1], leaves[n + 1 :], strict=True):
            filters, dim, width = weight.shape
            span = (width - 1) * dilation
            layer = nn.Conv1d(dim, filters, width, stride=stride, dilation=dilation, padding=span)
            maps = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, inputs)
            maxima.append(maps.max(dim=1).values)
        pooled.append(torch.cat(maxima))
    result = torch.stack(pooled)
    result.backward(upstream_gradient(result))
    return result.detach(), [leaf.grad for leaf in leaves]


def assert_same(actual, expected, exactly: bool = False) -> None:
    tolerance = {"rtol": 0, "atol": 0} if exactly else {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(actual, expected, **tolerance)


# Holes at the ends and inside, an empty text, one of holes alone, one of one token, a token twice in a window.
TEXTS = [[0, 1, 2, 3, 4, 0, 0, 5, 1], [6], [], [-1, 2, -1, -1, -1, -1, -1, 3], [-1, -1], [4, 4], [5, 3, 1, 0]]


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize(("padding", "stride", "dilation"), GEOMETRIES)
def test_values_and_winners_are_those_of_a_loop_over_windows(padding, stride, dilation, implementation):
    for widths in WIDTHS:
        batch = Batch(TEXTS, widths)
        pooled, winners, _ = batch.run(padding=padding, stride=stride, dilation=dilation, implementation=implementation)
        expected, numbers = loop(batch, padding, stride, dilation)
        assert_same(pooled, expected)
        assert torch.equal(winners, numbers)
        assert winners.dtype == torch.int64


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_values_and_gradients_are_those_of_conv1d_and_a_maximum(stride, dilation, implementation):
    # With a longer stride no window but those of one real token at least may exist, so the texts are not short.
    texts = [[0, 1, 2, 3, 4, 0, 0, 5, 1], [6, 5, 4, 3], [2, 2, 2, 2, 2, 1]]
    for widths in [[1], [2, 3], [4, 7]]:
        batch = Batch(texts, widths)
        expected, gradients = conv1d(batch, stride, dilation)
        pooled, _, actual = batch.run(stride=stride, dilation=dilation, implementation=implementation)
        assert_same(pooled, expected)
        assert_same(actual, gradients)


@pytest.mark.parametrize("implementation", FAST)
@pytest.mark.parametrize(("padding", "stride", "dilation"), GEOMETRIES)
def test_gradcheck(padding, stride, dilation, implementation):
    options = {"padding": padding, "stride": stride, "dilation": dilation, "implementation": implementation}
    batch = Batch([[0, 1, 2, 0, 0, 3, 1], [], [-1, 2, -1, -1, 1], [3]], [1, 2, 4], dim=2, filters=1)
    # Fast mode compares along random directions; the operations of `gpu` are slow on tensors this small.
    assert gradcheck(
        lambda *leaves: batch.apply(leaves, **options)[0], batch.leaves(), fast_mode=implementation == "gpu"
    )


@pytest.mark.parametrize("implementation", ALL)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_lengths_holes_and_ties(implementation, data):
    texts = data.draw(st.lists(st.lists(st.integers(-1, 4), max_size=12), max_size=6))
    widths = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=3))
    padding, stride, dilation = data.draw(st.sampled_from(GEOMETRIES))
    batch = Batch(texts, widths, seed=data.draw(st.integers(0, 99)), tokens=5, integers=True)
    options = {"padding": padding, "stride": stride, "dilation": dilation}
    pooled, winners, gradients = batch.run(**options, implementation=implementation)
    if texts:
        expected = loop(batch, padding, stride, dilation)
        assert_same((pooled, winners), expected, exactly=True)
    assert_same(gradients, batch.run(**options, implementation="reference")[2], exactly=True)


def zipf(texts: int, widths: list[int], dtype: torch.dtype, filters: int = 20, dim: int = 100) -> Batch:
    """Texts as a newspaper has them: about 50 tokens, most of them frequent ones."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(5, 100, (texts,), generator=generator)
    ranks = (torch.rand(int(lengths.sum()), generator=generator) * 7.5).exp().long()
    index = ranks.unique(return_inverse=True)[1]
    return Batch([part.tolist() for part in index.split(lengths.tolist())], widths, dim, filters, dtype)


@pytest.mark.parametrize("implementation", FAST)
def test_float32_is_right_to_one_in_a_million(implementation):
    batch = zipf(96, [3, 4, 5], torch.float32)
    upstream = torch.randn(96, 63, generator=torch.Generator().manual_seed(2))
    pooled, winners, gradients = batch.run(upstream, implementation=implementation)
    exact = zipf(96, [3, 4, 5], torch.float64)
    for target, source in zip((exact.vectors, *exact.weights, *exact.biases), batch.leaves(), strict=True):
        target.copy_(source.detach())
    expected, numbers, exact_gradients = exact.run(upstream.double(), implementation="reference")
    assert torch.equal(winners, numbers)
    for actual, right in zip([pooled, *gradients], [expected, *exact_gradients], strict=True):
        assert actual.dtype == torch.float32
        assert (actual.double() - right).abs().max() <= 1e-6 * right.abs().max()


@pytest.mark.parametrize("implementation", ALL)
@pytest.mark.parametrize("texts", [[], [[]], [[], []], [[-1, -1]]])
@pytest.mark.parametrize("padding", PADDINGS)
def test_nothing_to_pool(texts, padding, implementation):
    batch = Batch(texts, [1, 3], tokens=4)
    pooled, winners, gradients = batch.run(padding=padding, implementation=implementation)
    assert pooled.shape == winners.shape == (len(texts), 5)
    assert not pooled.any()
    assert (winners == -1).all()
    assert not any(gradient.any() for gradient in gradients)
    assert Batch(texts, [3], tokens=0).apply(Batch(texts, [3], tokens=0).leaves(), implementation=implementation)


@pytest.mark.parametrize("implementation", ALL)
def test_nan_is_not_lost(implementation, monkeypatch):
    monkeypatch.setattr(ngram_max_gpu, "_BUDGET", 1)
    batch = Batch([[0, 1, 2, 3], [0, 1]], [2, 6])
    batch.vectors[2, 0] = torch.nan
    pooled, _, _ = batch.run(implementation=implementation)
    assert pooled[0].isnan().all()
    assert pooled[1].isfinite().all()


@pytest.mark.parametrize("implementation", FAST)
@pytest.mark.parametrize("frozen", [[0], [1, 2], [3, 4], [0, 1, 2], [0, 3, 4], [1, 2, 3, 4]])
def test_what_is_frozen_gets_no_gradient_and_changes_no_other(frozen, implementation):
    batch = Batch(TEXTS, [2, 3])
    expected = batch.run(implementation=implementation)[2]
    leaves = batch.leaves()
    for i in frozen:
        leaves[i].requires_grad_(False)
    pooled, winners = batch.apply(leaves, implementation=implementation)
    pooled.backward(upstream_gradient(pooled))
    assert not winners.requires_grad
    for i, leaf in enumerate(leaves):
        if i in frozen:
            assert leaf.grad is None
        else:
            assert_same(leaf.grad, expected[i])


@pytest.mark.parametrize("implementation", FAST)
def test_arguments_that_are_not_contiguous(implementation):
    batch = Batch(TEXTS, [2, 3])
    expected = batch.run(torch.ones(7, 5, dtype=torch.float64), implementation="reference")
    batch.index = torch.stack([batch.index, batch.index], dim=1)[:, 0]
    leaves = [leaf.detach().transpose(0, -1).contiguous().transpose(0, -1).requires_grad_() for leaf in batch.leaves()]
    pooled, _ = batch.apply(leaves, implementation=implementation)
    pooled.sum().backward()
    assert_same(pooled.detach(), expected[0])
    assert_same([leaf.grad for leaf in leaves], expected[2])


@pytest.mark.parametrize("share", [0.0, 2.0])
def test_cpu_sums_of_rows_and_matrix_products_agree(share, monkeypatch):
    monkeypatch.setattr(ngram_max_cpu, "_DENSE", share)
    batch = Batch(TEXTS, [1, 3, 7])
    assert_same(batch.run(implementation="cpu")[2], batch.run(implementation="reference")[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("share", [0.0, 2.0])
def test_cpu_agrees_with_every_set_of_instructions(share, dtype, monkeypatch):
    monkeypatch.setattr(ngram_max_cpu, "_DENSE", share)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    # Filters and dimensions that are fewer than a vector of any machine has, that fill some, and that leave a rest.
    for filters, dim in ((2, 3), (16, 32), (53, 401)):
        batch = zipf(12, [1, 3, 9], dtype, filters, dim)
        upstream = torch.randn(12, 3 * filters + 3, generator=torch.Generator().manual_seed(2)).to(dtype)
        expected, numbers, expected_gradients = batch.run(upstream, implementation="reference")
        assert "plain" in library.available_instructions()
        for name in library.available_instructions():
            with library.instructions_of(name):
                pooled, winners, gradients = batch.run(upstream, implementation="cpu")
            assert torch.equal(winners, numbers)
            for actual, right in zip([pooled, *gradients], [expected, *expected_gradients], strict=True):
                assert (actual - right).abs().max() <= tolerance * right.abs().max(), name


@pytest.mark.parametrize("budget", [1, 30, 300])
def test_gpu_a_few_windows_at_a_time(budget, monkeypatch):
    batch = Batch(TEXTS, [1, 3, 7])
    monkeypatch.setattr(ngram_max_gpu, "_BUDGET", budget)
    assert_same(batch.run(implementation="gpu"), batch.run(implementation="reference"))


@pytest.mark.parametrize("share", [0.0, 2.0])
def test_cpu_gives_the_same_bits_whatever_the_threads(share, monkeypatch):
    monkeypatch.setattr(ngram_max_cpu, "_WORTH_THREADS", 0)
    monkeypatch.setattr(ngram_max_cpu, "_DENSE", share)
    batch = zipf(40, [2, 3, 6], torch.float32, dim=16)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 2, 3):
            torch.set_num_threads(count)
            results.append(batch.run(implementation="cpu"))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert_same(result, results[0], exactly=True)


def test_cpu_works_in_a_forked_process():
    script = (
        "import os, torch\n"
        "from textcnn.model import ngram_max_cpu as cpu\n"
        "from textcnn.model.ngram_max import ngram_max\n"
        "cpu._WORTH_THREADS = 0\n"
        "torch.set_num_threads(2)\n"
        "arguments = (torch.eye(2), torch.tensor([0, 1, 1] * 20), torch.arange(0, 61, 3), [torch.ones(1, 2, 2)],"
        " [torch.zeros(1)])\n"
        "run = lambda: ngram_max(*arguments, implementation='cpu')[1].tolist()\n"
        "assert run() == [[1]] * 20\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if run() == [[1]] * 20 else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=120)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": [0, 2, 1]}, "index: got row 2; expected -1 to 1"),
        ({"index": [0, -2, 1]}, "index: got row -2; expected -1 to 1"),
        ({"offsets": [0, 2, 1, 3]}, "length of a text, from offsets: got -1; expected 0 to"),
        ({"offsets": [1, 3]}, "offsets: got a first offset of 1; expected 0"),
        ({"offsets": [0, 4]}, r"index: got int64 \(3,\); expected contiguous int64 \(4,\)"),
        ({"stride": 0}, "stride: got 0; expected 1 to"),
        ({"dilation": 1 << 40}, "dilation: got 1099511627776; expected 1 to"),
        ({"paddings": [(-1, 0)]}, "left: got -1; expected 0 to"),
        ({"winners": [[4]]}, "winners: got window 4 of text 0; expected -1 to 3"),
        ({"winners": [[-2]]}, "winners: got window -2 of text 0; expected -1 to 3"),
        ({"weights": np.ones((1, 3, 2))}, r"weights: got float64 \(1, 3, 2\); expected contiguous float64 \(1, 2, 2\)"),
        ({"vectors": np.ones(2)}, "expected a contiguous matrix of float32 or float64"),
    ],
)
def test_core_checks_what_it_is_given(changes, message):
    arguments = {
        "vectors": np.eye(2), "index": [0, 1, 1], "offsets": [0, 3], "weights": np.ones((1, 2, 2)),
        "stride": 1, "dilation": 1, "paddings": [(1, 1)], **changes,
    }  # fmt: skip
    winners = np.array(arguments.pop("winners", [[0]] * (len(arguments["offsets"]) - 1)))
    arguments["weights"] = [arguments["weights"]]
    arrays = {key: np.array(arguments.pop(key)) for key in ("index", "offsets")}
    with pytest.raises(ValueError, match=message):
        NgramMax(**arguments, **arrays, threads=1).gradients(winners, np.ones(winners.shape), 1.0, np.ones((2, 2)))


@pytest.mark.parametrize("implementation", FAST)
def test_half_precision(implementation):
    batch = zipf(20, [2, 3], torch.bfloat16, filters=4, dim=8)
    pooled, _, gradients = batch.run(implementation=implementation)
    expected = batch.run(implementation="reference")[0]
    assert pooled.dtype == gradients[0].dtype == gradients[1].dtype == torch.bfloat16
    torch.testing.assert_close(pooled, expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("share", [0.0, 2.0])
def test_cpu_computes_in_float32_under_autocast(share, monkeypatch):
    monkeypatch.setattr(ngram_max_cpu, "_DENSE", share)
    batch = zipf(20, [2, 3], torch.float32, filters=4, dim=8)
    expected = batch.run(implementation="cpu")
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(batch.run(implementation="cpu"), expected, exactly=True)
        assert batch.run(implementation="gpu")[0].dtype == torch.bfloat16


def test_choice_of_the_implementation(monkeypatch):
    assert operator._fastest("cpu") == "cpu"
    assert operator._fastest("cuda") == "gpu"
    assert operator._fastest("meta") == "reference"
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert operator._fastest("cpu") == "reference"


def test_works_without_the_core_as_a_copy_of_the_flat_folder(tmp_path):
    source = Path(operator.__file__).parent
    copy = tmp_path / "copied"
    copy.mkdir()
    (copy / "__init__.py").touch()
    for path in source.glob("ngram_max*.py"):
        shutil.copy(path, copy)
    script = (
        "import sys, torch\n"
        "from copied.ngram_max import ngram_max\n"
        "assert 'textcnn' not in sys.modules, 'imported before it is used'\n"
        "sys.modules['textcnn'] = None\n"
        "arguments = (torch.eye(2), torch.tensor([0, 1, 1]), torch.tensor([0, 3]), [torch.ones(1, 2, 2)],"
        " [torch.zeros(1)])\n"
        "assert ngram_max(*arguments)[1].tolist() == [[1]]\n"
        "try:\n"
        "    ngram_max(*arguments, implementation='cpu')\n"
        "except ImportError as error:\n"
        "    assert 'pip install textcnn' in str(error)\n"
        "else:\n"
        "    raise SystemExit('the cpu implementation needs the core')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=120, cwd=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding": "full"}, "padding: got 'full'; expected one of wide, same, valid"),
        ({"implementation": "fast"}, "implementation: got 'fast'; expected reference, cpu, triton, gpu or None"),
        ({"stride": 0}, "got stride 0 and dilation 1; expected whole numbers of at least 1"),
        ({"weights": []}, "got 0 weights and 1 biases; expected one of each per width"),
        ({"weights": [torch.ones(1, 3, 2)]}, r"got vectors \(2, 2\) with a weight \(1, 3, 2\)"),
        ({"biases": [torch.ones(2)]}, r"a bias \(2,\); expected \[U, D\], \[F, D, W\] and \[F\]"),
        ({"offsets": torch.tensor([0, 2])}, "expected to rise from 0 to 3, the length of index"),
        ({"offsets": torch.tensor([0, 2, 1, 3])}, "expected to rise from 0 to 3, the length of index"),
        ({"index": torch.tensor([0, 2, 1])}, "index: got rows from 0 to 2; expected -1 to 1, as vectors has 2 rows"),
        ({"index": torch.tensor([0, -2, 1])}, "index: got rows from -2 to 1; expected -1 to 1"),
    ],
)
def test_errors(changes, message):
    arguments = {
        "vectors": torch.eye(2),
        "index": torch.tensor([0, 1, 1]),
        "offsets": torch.tensor([0, 3]),
        "weights": [torch.ones(1, 2, 2)],
        "biases": [torch.zeros(1)],
        **changes,
    }
    with pytest.raises(ValueError, match=message):
        ngram_max(**arguments)
