// A model in the core with labels, thresholds and abstention: labels, probabilities and reasons of texts, or the numbers of a
// regression.

import { confidence, countFired, decide, probabilitiesOf } from "./decisions.js";
import { characterWeights } from "./explanation.js";

export class Classifier {
  // config: config.json as an object. engine: Tables or Words, which compute logits and their n-grams.
  constructor(config, engine) {
    this.name = config.name ?? "";
    this.engine = engine;
    this.labels = Object.keys(config.id2label).map((id) => config.id2label[id]);
    this.multiLabel = config.problem_type === "multi_label_classification";
    this.regression = config.problem_type === "regression";
    this.temperature = config.temperature ?? 1;
    this.thresholds = new Map();
    for (const [label, value] of Object.entries(config.thresholds ?? {}))
      if (this.labels.includes(label)) this.thresholds.set(this.labels.indexOf(label), value);
    this.abstention = this.multiLabel || this.regression ? null : config.abstention || null;
    this.obstacle = engine.obstacle;
    this.explains = this.obstacle === null;
    this.config = config;
    this.approximate = engine.approximate;
  }

  // Logits of texts, divided by the temperature: a Float32Array for each text.
  logits(texts) {
    return this.#rows(texts)[0];
  }

  // Probabilities of texts, classes in the order of `labels`: a Float32Array for each text.
  predictProba(texts) {
    if (this.regression)
      throw new Error("predictProba: got a regression, which has no probabilities; expected a classifier; call predict");
    return this.logits(texts).map((logits) => probabilitiesOf(logits, this.multiLabel));
  }

  // The label of each text, or the labels of each where a text may have several; null for a text that the model abstains
  // from. A regression has its number, or an array of its numbers.
  predict(texts) {
    if (this.regression) return this.answer(texts).map((answer) => answer.prediction ?? Array.from(answer.predictions));
    if (this.multiLabel || this.thresholds.size || this.abstention)
      return this.answer(texts).map((answer) => (this.multiLabel ? answer.labels : answer.label));
    return this.logits(texts).map((logits) => this.labels[largestOf(logits)]);
  }

  // Label, probability and the rest of the answer to each text. Of a regression: its number, null where it has several, and
  // all of its numbers.
  answer(texts) {
    const byFired = this.abstention?.score === "fired";
    const [rows, pooled] = this.#rows(texts, byFired);
    if (this.regression)
      return rows.map((numbers) => ({ prediction: numbers.length === 1 ? numbers[0] : null, predictions: numbers }));
    return rows.map((logits, n) => {
      const probabilities = probabilitiesOf(logits, this.multiLabel);
      const plain = !this.multiLabel && !this.thresholds.size;
      const chosen = plain ? [largestOf(logits)] : decide(probabilities, this.thresholds, this.multiLabel);
      const score = this.abstention
        ? confidence(this.abstention.score, logits, byFired ? countFired(pooled[n], this.config.activation) : 0)
        : null;
      const abstained = score !== null && !(score >= this.abstention.threshold);
      return {
        label: abstained || !chosen.length ? null : this.labels[chosen[0]],
        labels: abstained ? [] : chosen.map((c) => this.labels[c]),
        probability: this.multiLabel ? Math.max(...probabilities) : probabilities[chosen[0]],
        probabilities, confidence: score, abstained,
      };
    });
  }

  // The n-grams of a text that make the logit of a label; without one, of the label that the text is given, or of the most
  // probable one where it is given none. Of a regression: those that make one of its numbers.
  explain(text, label) {
    checkTexts([text]);
    if (!this.explains)
      throw new Error(`got a model that ${this.obstacle}; expected one whose logits are explained in JavaScript`);
    const logits = this.logits([text])[0];
    const given = this.regression ? this.labels[largestOf(logits)] : this.answer([text])[0].label;
    label ??= given ?? this.labels[largestOf(logits)];
    const index = this.labels.indexOf(label);
    if (index < 0) throw new Error(`label: got ${JSON.stringify(label)}; expected one of ${this.labels.join(", ")}`);
    const explanation = this.engine.explain(text, index);
    return {
      label: this.labels[index],
      probability: this.regression ? null : probabilitiesOf(logits, this.multiLabel)[index],
      approximate: this.approximate, abstained: given === null, ...explanation, characters: characterWeights(explanation),
    };
  }

  // Logits, and pooled features where `features` is true: an array for each text.
  #rows(texts, features = false) {
    checkTexts(texts);
    const { logits, pooled } = this.engine.logits(texts, features), { C, F } = this.engine.shape;
    const cut = (all, size) => Array.from(texts, (_, n) => all.subarray(n * size, (n + 1) * size));
    return [cut(logits, C), features ? cut(pooled, F) : null];
  }
}

function largestOf(values) {
  let best = 0;
  for (let c = 1; c < values.length; ++c) if (values[c] > values[best]) best = c;
  return best;
}

function checkTexts(texts) {
  if (!Array.isArray(texts)) throw new TypeError(`texts: got ${typeof texts}; expected an array of strings`);
  texts.forEach((text, position) => {
    if (typeof text !== "string")
      throw new TypeError(`texts: got ${typeof text} at position ${position}; expected a string`);
    if (!(text.isWellFormed?.() ?? !HALF_OF_A_PAIR.test(text)))
      throw new Error(`texts: got half of a surrogate pair in the text at position ${position}; expected Unicode text`);
  });
}

const HALF_OF_A_PAIR = /\p{Surrogate}/u;
