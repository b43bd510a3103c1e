// From logits to answers: probabilities, labels by threshold, and texts that are better left without a label.
// The rules are those of textcnn/runtime/decisions.py.

// Probabilities of the logits of one text.
export function probabilitiesOf(logits, multiLabel) {
  if (multiLabel)
    return Float32Array.from(logits, (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z))));
  const largest = Math.max(...logits);
  const exponentials = Float64Array.from(logits, (z) => Math.exp(z - largest));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return Float32Array.from(exponentials, (value) => value / total);
}

// Classes of one text. Several labels: those that reach their threshold, the most probable first. One label: a class with
// a threshold is given where it is reached, and not where it is missed; among the others the most probable is given.
export function decide(probabilities, thresholds, multiLabel) {
  const classes = [...probabilities.keys()];
  if (multiLabel)
    return classes
      .filter((c) => probabilities[c] >= Math.fround(thresholds.get(c) ?? 0.5))
      .sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const rank = (c) => {
    if (!thresholds.has(c)) return probabilities[c];
    return probabilities[c] + (probabilities[c] >= Math.fround(thresholds.get(c)) ? 2 : -2);
  };
  return [classes.reduce((best, c) => (rank(c) > rank(best) ? c : best), 0)];
}

// How sure a model is of one text, by the score that its config.json names: larger is surer.
export function confidence(score, logits, fired) {
  if (score === "fired") return fired;
  if (score === "probability") return Math.max(...probabilitiesOf(logits, false));
  const largest = Math.max(...logits);
  return largest + Math.log(Array.from(logits).reduce((sum, z) => sum + Math.exp(z - largest), 0));
}

// Filters whose best window has a sum, with the bias, above 0.
export function countFired(features, activation) {
  const atZero = Math.fround({ sigmoid: 0.5, softplus: Math.LN2 }[activation] ?? 0);
  return features.reduce((count, value) => count + (value > atZero), 0);
}
