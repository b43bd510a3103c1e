"""Hierarchical softmax: a binary tree whose leaves are the labels and whose inner nodes each decide for one side.

The probability of a label is the product of the decisions on its path (Morin & Bengio 2005,
https://proceedings.mlr.press/r5/morin05a.html). Labels are 0 .. C - 1, inner nodes C .. 2C - 2, the last of them the
root.

Shapes: `N` texts, `C` labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


class LabelTree:
    """The tree of a hierarchical softmax.

    Args:
        children: [C - 1, 2] left and right child of each inner node.

    Raises:
        ValueError: The nodes make no tree.
    """

    def __init__(self, children: NDArray[Any]) -> None:
        self.children = np.asarray(children, dtype=np.int64).reshape(-1, 2)
        self.labels = len(self.children) + 1
        inner = np.arange(self.labels, 2 * self.labels - 1)
        # Each node has one parent, made after it: so all of them hang on the last.
        if sorted(self.children.ravel().tolist()) != list(range(2 * self.labels - 2)) or (
            len(inner) and (self.children >= inner[:, None]).any()
        ):
            raise ValueError("tree: got nodes that make no binary tree; expected one; convert the model again")

    @cached_property
    def _levels(self) -> list[NDArray[np.int64]]:
        """Inner nodes of each level, from the root on, counted from 0."""
        levels, nodes = [], np.array([self.labels - 2], dtype=np.int64)
        while len(nodes) and nodes[0] >= 0:
            levels.append(nodes)
            below = self.children[nodes].ravel()
            nodes = below[below >= self.labels] - self.labels
        return levels

    def log_probabilities(self, scores: NDArray[np.float32], offset: float = 0.0) -> NDArray[np.float32]:
        """Return the logarithms of the probabilities [N, C] for the scores [N, C - 1] of the inner nodes.

        Args:
            scores: A positive score decides for the right child.
            offset: Added to the probability of each decision, as fastText does with 1e-5.
        """
        values = np.zeros((len(scores), 2 * self.labels - 1), dtype=np.float64)
        for nodes in self._levels:
            own = scores[:, nodes].astype(np.float64)
            before = values[:, self.labels + nodes]
            for side, sign in ((0, 1.0), (1, -1.0)):
                decision = -np.logaddexp(0, sign * own)
                if offset:
                    decision = np.log(np.exp(decision) + offset)
                values[:, self.children[nodes, side]] = before + decision
        return values[:, : self.labels].astype(np.float32)

    def path(self, label: int) -> list[tuple[int, float]]:
        """Return the inner nodes above a label, from the leaf to the root, and +1 for those it lies to the right of."""
        steps, node = [], label
        while node != 2 * self.labels - 2:
            parent, side = (int(at[0]) for at in np.nonzero(self.children == node))
            steps.append((parent, 1.0 if side else -1.0))
            node = self.labels + parent
        return steps


def huffman_children(counts: Sequence[int]) -> NDArray[np.int32]:
    """Return the children [C - 1, 2] of fastText's Huffman tree for counts of labels that fall.

    Its two rarest nodes are joined first; of equally rare ones, an inner node comes before a label.
    """
    labels = len(counts)
    # What is not made yet counts more than any label.
    totals = [int(count) for count in counts] + [10**15] * (labels - 1)
    children = np.zeros((labels - 1, 2), dtype=np.int32)
    leaf, node = labels - 1, labels
    for made in range(labels, 2 * labels - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and totals[leaf] < totals[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        children[made - labels] = pair
        totals[made] = totals[pair[0]] + totals[pair[1]]
    return children
