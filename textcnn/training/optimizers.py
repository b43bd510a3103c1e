"""AdamW whose cost for an embedding is that of the rows a batch touches, with the steps of the dense one.

Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980; decoupled decay: https://arxiv.org/abs/1711.05101) keeps
moving a row for a while after its last gradient, by its momentum. Lazy variants skip those steps, and rare words learn
less. Here they are summed up in closed form when the row is next read: with a gradient of zero for `k` steps, `m` and
`v` shrink by `beta1^k` and `beta2^k`, and the weight moves by `m / sqrt(v)` times a number that depends on `k` alone.

On a CPU the compiled core does it; elsewhere torch does, in about ten times as many passes over the rows.

Shapes: `V` rows (vocabulary), `D` columns, `R` rows that a batch touches.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

from ..core.training import EmbeddingRows

# Rows are brought up to date at least this often, so that a table of this length knows every gap. By then the
# momentum has shrunk to 1e-12 of what it was.
LONGEST_GAP = 256


class RowAdamW(AdamW):
    """AdamW for dense gradients as torch has it, and by rows for sparse ones.

    Call `touch(parameter, rows)` before rows are read, and `settle()` before the whole of an embedding is (to
    evaluate or to save). The result is that of torch.optim.AdamW up to rounding, as long as gradients are far
    larger than eps.

    Example:
        >>> embedding = nn.Embedding(30_000, 300, sparse=True)
        >>> optimizer = RowAdamW([{"params": embedding.parameters(), "weight_decay": 0.0}], lr=1e-3)
        >>> optimizer.touch(embedding.weight, torch.tensor([5, 7]))
        >>> embedding(torch.tensor([5, 7])).sum().backward()
        >>> optimizer.step()
        >>> optimizer.settle()

    Raises:
        ValueError: a sparse gradient meets a weight decay, which moves every row at every step.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; if a closure is given, it computes the gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        sparse = [
            (group, parameter)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        for group, parameter in sparse:
            self._step_rows(group, parameter)
            parameter.grad = None  # the dense step below leaves it alone
        super().step()
        return loss

    @torch.no_grad()
    def touch(self, parameter: nn.Parameter, rows: Tensor) -> None:
        """Take the steps that the given rows [R] have skipped; a row may be named twice."""
        state = self.state.get(parameter, {})
        if "last" not in state:
            return
        step = int(state["step"])
        group = next(group for group in self.param_groups if any(parameter is p for p in group["params"]))
        beta1, beta2 = group["betas"]
        eps = group["eps"] * (1 - beta2**step) ** 0.5
        mean, square, last = state["exp_avg"], state["exp_avg_sq"], state["last"]
        if _fits_core(parameter):
            moves = np.array(state["moves"])
            _in_core(parameter, state).catch_up(
                rows.contiguous().numpy(), step, moves, _powers(beta1), _powers(beta2), eps
            )
            return
        rows = rows[last[rows] < step].unique()
        if not len(rows):
            return
        gaps = step - last[rows].long()
        mean, square = mean[rows], square[rows]
        moved = mean / square.sqrt().add_(eps)
        parameter.index_add_(0, rows, moved.mul_(moved.new_tensor(state["moves"])[gaps, None]), alpha=-1)
        powers = gaps[:, None].to(mean)
        state["exp_avg"].index_copy_(0, rows, mean.mul_(beta1**powers))
        state["exp_avg_sq"].index_copy_(0, rows, square.mul_(beta2**powers))
        state["last"][rows] = step

    def settle(self) -> None:
        """Take every skipped step of every row."""
        for group in self.param_groups:
            for parameter in group["params"]:
                self.touch(parameter, torch.arange(len(parameter), device=parameter.device))

    def _step_rows(self, group: dict[str, Any], parameter: nn.Parameter) -> None:
        if group["weight_decay"] != 0:
            raise ValueError("weight_decay: got a sparse gradient; expected 0 for parameters that are moved by rows")
        gradient = _coalesced(parameter.grad)
        rows, values = gradient.indices()[0], gradient.values()
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            # The step that each row is at; in the parameter's type, because that is what load_state_dict makes of it.
            state["last"] = parameter.new_zeros(len(parameter))
            # moves[k]: how far m / sqrt(v) carries a row whose last gradient was k steps ago.
            state["moves"] = [0.0] * (LONGEST_GAP + 1)
        self.touch(parameter, rows)
        state["step"] += 1
        step = int(state["step"])
        beta1, beta2 = group["betas"]
        root = (1 - beta2**step) ** 0.5
        rate, eps = float(group["lr"]) * root / (1 - beta1**step), group["eps"] * root

        mean, square, last = state["exp_avg"], state["exp_avg_sq"], state["last"]
        if _fits_core(parameter):
            _in_core(parameter, state).step(
                rows.contiguous().numpy(), values.contiguous().numpy(), step, (beta1, beta2), rate, eps
            )
        else:
            mean = mean[rows].lerp_(values, 1 - beta1)
            square = square[rows].mul_(beta2).addcmul_(values, values, value=1 - beta2)
            parameter.index_add_(0, rows, mean / square.sqrt().add_(eps), alpha=-rate)
            state["exp_avg"].index_copy_(0, rows, mean)
            state["exp_avg_sq"].index_copy_(0, rows, square)
            last[rows] = step

        # A row that was k - 1 steps behind is now k behind; this step moves it by rate * (beta1 / sqrt(beta2))^k.
        moves = np.zeros(LONGEST_GAP + 1)
        moves[1:] = np.array(state["moves"][:-1]) + rate * _powers(beta1 / beta2**0.5)[1:]
        state["moves"] = moves.tolist()
        if step % LONGEST_GAP == 0:
            self.touch(parameter, torch.arange(len(parameter), device=parameter.device))


def _fits_core(parameter: nn.Parameter) -> bool:
    """Return True if the core supports a parameter."""
    fits = parameter.device.type == "cpu" and parameter.dtype in (torch.float32, torch.float64)
    return fits and parameter.ndim == 2 and parameter.is_contiguous()


def _in_core(parameter: nn.Parameter, state: dict[str, Any]) -> EmbeddingRows:
    """Return the memory of a parameter and its state, as the core takes it."""
    tensors = (parameter.detach(), state["exp_avg"], state["exp_avg_sq"], state["last"])
    return EmbeddingRows(*(tensor.numpy() for tensor in tensors))


@functools.cache
def _powers(base: float) -> np.ndarray:
    """base^k for every gap k."""
    return base ** np.arange(LONGEST_GAP + 1)


def _coalesced(gradient: Tensor) -> Tensor:
    """A sparse gradient whose rows rise; where they do already, as those of distinct tokens do, nothing is copied."""
    if gradient.is_coalesced():
        return gradient
    indices = gradient._indices()
    if bool((indices[0, 1:] > indices[0, :-1]).all()):
        values, shape = gradient._values(), gradient.shape
        return torch.sparse_coo_tensor(indices, values, shape, is_coalesced=True, check_invariants=False)
    return gradient.coalesce()


def clip_gradient_norm(parameters: list[nn.Parameter], max_norm: float) -> Tensor:
    """Clip gradients as torch.nn.utils.clip_grad_norm_ does, sparse ones too; return the norm before clipping."""
    values = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = _coalesced(parameter.grad)
            values.append(parameter.grad.values())
        elif parameter.grad is not None:
            values.append(parameter.grad)
    norm = torch.nn.utils.get_total_norm(values)
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for value in values:
        value.mul_(factor)
    return norm
