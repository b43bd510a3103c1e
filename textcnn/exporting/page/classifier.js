// A folded model with its tokenizer: labels, probabilities and reasons of texts.

import { Core } from "./core.js";
import { confidence, countFired, decide, probabilitiesOf } from "./decisions.js";
import { characterWeights, explain } from "./explanation.js";

// Texts of one call of the core.
const BATCH = 512;

export class Classifier {
  // module: a WebAssembly.Module. files: config, tokenizer and tables, the contents (Uint8Array) of an artifact's files.
  constructor(module, files) {
    const config = JSON.parse(new TextDecoder().decode(files.config));
    this.name = config.name ?? "";
    this.core = new Core(module, files);
    this.labels = Object.keys(config.id2label).map((id) => config.id2label[id]);
    this.multiLabel = config.problem_type === "multi_label_classification";
    this.temperature = config.temperature ?? 1;
    this.thresholds = new Map();
    for (const [label, value] of Object.entries(config.thresholds ?? {}))
      if (this.labels.includes(label)) this.thresholds.set(this.labels.indexOf(label), value);
    this.abstention = this.multiLabel ? null : config.abstention || null;
    // Why the n-grams here would not add up to a logit; null where they do.
    this.obstacle = config.pooled_norm ? "normalises its pooled features" : null;
    this.explains = this.obstacle === null;
    this.config = config;
    const { header, tensor } = tensorsOf(files.tables);
    this.approximate = "vectors" in header || (header.table ?? header.bag_table).dtype === "I8";
    const [C, F] = header.head_weight.shape;
    this.shape = {
      C, F, widest: Math.max(0, ...config.kernel_sizes), dilation: config.dilation ?? 1,
      bag: (config.bag ?? "none") !== "none", ngrams: config.bag_ngrams ?? 1,
    };
    const divided = (values) => values.map((value) => Math.fround(value / Math.fround(this.temperature)));
    this.tensors = { headWeight: divided(tensor("head_weight")), headBias: divided(tensor("head_bias")) };
  }

  // Logits of texts, divided by the temperature, and pooled features where `features` is true: an array for each text.
  logits(texts, features = false) {
    const { C, F } = this.shape;
    const rows = [], pooled = [];
    for (let begin = 0; begin < texts.length; begin += BATCH) {
      const batch = texts.slice(begin, begin + BATCH);
      batch.forEach((text, n) => checkText(text, begin + n));
      const { data, ends } = this.core.texts(batch);
      const wide = features ? this.core.room("pooled", "f32", batch.length * F) : 0;
      const out = this.core.room("logits", "f32", batch.length * C);
      this.core.call(
        "logits_of_texts", this.core.tables, this.core.tokenizer, data, ends, BigInt(batch.length), 1, wide, out,
      );
      const values = this.core.view(out, "f32", batch.length * C).slice();
      for (let n = 0; n < batch.length; ++n) rows.push(values.subarray(n * C, (n + 1) * C));
      if (!features) continue;
      const all = this.core.view(wide, "f32", batch.length * F).slice();
      for (let n = 0; n < batch.length; ++n) pooled.push(all.subarray(n * F, (n + 1) * F));
    }
    return features ? [rows, pooled] : rows;
  }

  // Probabilities of texts, classes in the order of `labels`: a Float32Array for each text.
  predictProba(texts) {
    return this.logits(texts).map((logits) => probabilitiesOf(logits, this.multiLabel));
  }

  // The label of each text, or the labels of each where a text may have several; null for a text that the model abstains
  // from.
  predict(texts) {
    return this.answer(texts).map((answer) => (this.multiLabel ? answer.labels : answer.label));
  }

  // Label, probability and the rest of the answer to each text.
  answer(texts) {
    const byFired = this.abstention?.score === "fired";
    const [rows, pooled] = byFired ? this.logits(texts, true) : [this.logits(texts)];
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
  // probable one where it is given none.
  explain(text, label) {
    checkText(text, 0);
    if (!this.explains)
      throw new Error(`got a model that ${this.obstacle}; expected one whose logits are explained in JavaScript`);
    const logits = this.logits([text])[0];
    const [{ label: given }] = this.answer([text]);
    label ??= given ?? this.labels[largestOf(logits)];
    const index = this.labels.indexOf(label);
    if (index < 0) throw new Error(`label: got ${JSON.stringify(label)}; expected one of ${this.labels.join(", ")}`);
    const explanation = explain(this, text, index);
    return {
      label: this.labels[index], probability: probabilitiesOf(logits, this.multiLabel)[index],
      approximate: this.approximate, abstained: given === null, ...explanation, characters: characterWeights(explanation),
    };
  }
}

function largestOf(values) {
  let best = 0;
  for (let c = 1; c < values.length; ++c) if (values[c] > values[best]) best = c;
  return best;
}

function checkText(text, position) {
  if (typeof text !== "string")
    throw new TypeError(`texts: got ${typeof text} at position ${position}; expected a string`);
  if (HALF_OF_A_PAIR.test(text))
    throw new Error(`texts: got half of a surrogate pair in the text at position ${position}; expected Unicode text`);
}

const HALF_OF_A_PAIR = /\p{Surrogate}/u;

// The header of folded.safetensors, and its tensors of float32 by name.
function tensorsOf(bytes) {
  const size = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  const tensor = (name) => {
    const [begin, end] = header[name].data_offsets;
    return new Float32Array(bytes.slice(8 + size + begin, 8 + size + end).buffer);
  };
  return { header, tensor };
}
