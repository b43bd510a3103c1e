// A converted fastText model: its dictionary and its table in the core.

import { Core } from "./core.js";
import { tensorsOf } from "./tensors.js";
import { LabelTree, softplus } from "./tree.js";

const END_OF_TEXT = "</s>";

export class Words {
  // module: a WebAssembly.Module. files: config and tables, the contents (Uint8Array) that textcnn/exporting/dictionary.py
  // has made of an artifact. config: the first of them as an object.
  constructor(module, files, config) {
    this.core = new Core(module);
    const model = this.core.open("fasttext_open_memory", [files.config, files.tables]);
    this.words = this.core.call("fasttext_words", model);
    this.bag = this.core.call("fasttext_bag", model);
    this.obstacle = null;
    const { header, integers } = tensorsOf(files.tables);
    this.approximate = header.table.dtype === "I8";
    this.tree = config.fasttext.loss === "hs" ? new LabelTree(integers("tree")) : null;
    this.temperature = Math.fround(config.temperature ?? 1);
    const C = Object.keys(config.id2label).length;
    this.shape = { C, columns: this.tree ? Math.max(1, C - 1) : C };
  }

  // Logits [N * C] of texts, divided by the temperature.
  logits(texts) {
    const { core, tree } = this, { C, columns } = this.shape;
    const logits = new Float32Array(texts.length * C);
    for (const { begin, count, data, ends } of core.batches(texts)) {
      const out = core.room("logits", "f32", count * columns);
      core.call("words_logits", this.words, this.bag, data, ends, BigInt(count), 1, out, 0);
      const scores = core.view(out, "f32", count * columns);
      if (!tree) logits.set(scores, begin * C);
      else
        for (let n = 0; n < count; ++n) {
          const own = tree.logProbabilities(scores.subarray(n * columns, (n + 1) * columns));
          logits.set(own.map((value) => value / this.temperature), (begin + n) * C);
        }
    }
    return { logits, pooled: null };
  }

  // The words, n-grams and subwords that make the logit of one class for one text: each row that the text adds has a part.
  explain(text, index) {
    const { words, features } = this.#read(text), count = features.length;
    const { logit, bias, weights, without } = this.#parts(features, index);
    const places = unitsOfBytes(text);
    const token = (begin, end, weight) => {
      const start = places[begin], stop = places[end];
      return { start, end: stop, text: begin < end ? text.slice(start, stop) : END_OF_TEXT, weight };
    };
    const order = Array.from({ length: count }, (_, g) => g).sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));
    const contributions = order.map((g) => {
      const { first, length, begin, end } = features[g];
      const pieces = length === 0 ? [{ begin, end }] : words.slice(first, first + length), last = pieces.at(-1);
      const shown = text.slice(places[begin], places[end]);
      return {
        start: places[begin], end: places[end], weight: weights[g], without: without[g], filters: [],
        text: last.begin === last.end ? `${shown} ${END_OF_TEXT}`.trim() : shown,
        tokens: pieces.map((piece) => token(piece.begin, piece.end, weights[g] / pieces.length)),
      };
    });
    return { text, logit, bias, contributions };
  }

  // The words of a text, {begin, end}, and what adds a row: {row, first, length, begin, end}, in bytes; length 0 is a subword.
  #read(text) {
    const { core } = this, { data, bytes } = core.texts([text], 0, 1);
    const pointers = core.room("pointers", "i32", 2), counted = core.room("counted", "i64", 1);
    const count = core.call("words_features", this.words, this.bag, data, bytes, pointers, counted, pointers + 4);
    const [found] = core.integers(counted, 1);
    const words = core.taken(pointers, "i64", 3 * found), features = core.taken(pointers + 4, "i64", 5 * Number(count));
    const parted = (all, size, make) => Array.from({ length: all.length / size }, (_, k) => make(...all.slice(k * size, (k + 1) * size)));
    return {
      words: parted(words, 3, (begin, end) => ({ begin, end })),
      features: parted(features, 5, (row, first, length, begin, end) => ({ row, first, length, begin, end })),
    };
  }

  // The logit of a class, its bias, the part of each row in it, and the logit without each row.
  #parts(features, index) {
    const count = Math.max(1, features.length), sum = (values) => values.reduce((total, value) => total + value, 0);
    const rest = Math.max(1, count - 1), others = (total, value) => (features.length > 1 ? (total - value) / rest : 0);
    if (!this.tree) {
      const values = this.#values(features, index), total = sum(values);
      const parts = { weights: values.map((value) => value / count), without: values.map((value) => others(total, value)) };
      return { logit: total / count, bias: 0, ...parts };
    }
    // A logit of the tree is a sum over the decisions on the path; each is shared among the rows as its score is.
    const steps = this.tree.path(index).map(({ node, sign }) => {
      const values = this.#values(features, node), total = sum(values), score = (sign * total) / count;
      const gain = Math.abs(score) > 1e-9 ? (Math.LN2 - softplus(-score)) / score : 0.5;
      return { values, total, sign, share: (sign * gain) / count };
    });
    const logitOf = (score) => {
      const decisions = steps.map((step) => softplus(-step.sign * Math.fround(score(step))));
      return Math.fround(-sum(decisions)) / this.temperature;
    };
    return {
      logit: logitOf(({ total }) => total / count), bias: logitOf(() => 0),
      weights: features.map((_, g) => sum(steps.map(({ values, share }) => values[g] * share)) / this.temperature),
      without: features.map((_, g) => logitOf(({ values, total }) => others(total, values[g]))),
    };
  }

  // What each row adds to the score of a column.
  #values(features, column) {
    const { core } = this, count = features.length;
    const rows = core.room("rows", "i64", count), out = core.room("values", "f64", count);
    const halves = core.view(rows, "i32", 2 * count);
    features.forEach(({ row }, g) => {
      halves[2 * g] = row;
      halves[2 * g + 1] = 0;
    });
    core.call("bag_values", this.bag, rows, BigInt(count), BigInt(column), out);
    return Array.from(core.view(out, "f64", count));
  }
}

// The UTF-16 unit that begins at or after each byte of a text in UTF-8, and at its end.
function unitsOfBytes(text) {
  const places = [];
  let unit = 0;
  for (const character of text) {
    const code = character.codePointAt(0), bytes = 1 + (code > 0x7f) + (code > 0x7ff) + (code > 0xffff);
    for (let byte = 0; byte < bytes; ++byte) places.push(byte ? unit + character.length : unit);
    unit += character.length;
  }
  places.push(unit);
  return places;
}
