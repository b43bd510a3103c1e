// Hierarchical softmax: a binary tree whose leaves are the labels and whose inner nodes each decide for one side. The rules
// are those of textcnn/runtime/hierarchy.py.

export class LabelTree {
  // children: left and right child of each inner node. Labels are 0 .. C - 1, inner nodes C .. 2C - 2, the last the root.
  constructor(children) {
    this.children = children;
    this.labels = children.length / 2 + 1;
  }

  // Logarithms of the probabilities of the labels, for the scores of the inner nodes: a positive one decides for the right.
  logProbabilities(scores) {
    const { labels, children } = this;
    const values = new Float64Array(2 * labels - 1);
    // A node stands after its children.
    for (let node = labels - 2; node >= 0; --node) {
      values[children[2 * node]] = values[labels + node] - softplus(scores[node]);
      values[children[2 * node + 1]] = values[labels + node] - softplus(-scores[node]);
    }
    return Float32Array.from(values.subarray(0, labels));
  }

  // Inner nodes above a label, from the root to the leaf: {node, sign}, with sign 1 where the label lies to the right.
  path(label) {
    const steps = [];
    for (let node = 0, below = label; node < this.labels - 1; ++node)
      for (const side of [0, 1])
        if (this.children[2 * node + side] === below) {
          steps.unshift({ node, sign: side ? 1 : -1 });
          below = this.labels + node;
          break;
        }
    return steps;
  }
}

// log(1 + exp(x)), where neither overflows.
export function softplus(x) {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}
