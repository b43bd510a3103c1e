// A folded model: its tables and its tokenizer in the core.

import { Core } from "./core.js";
import { explain } from "./explanation.js";
import { tensorsOf } from "./tensors.js";

export class Tables {
  // module: a WebAssembly.Module. files: config, tokenizer and tables, the contents (Uint8Array) of an artifact's files.
  // config: the first of them as an object.
  constructor(module, files, config) {
    this.core = new Core(module);
    const model = this.core.open("open_memory", [files.config, files.tokenizer, files.tables]);
    this.tables = this.core.call("model_tables", model);
    this.tokenizer = this.core.call("model_tokenizer", model);
    // Why the n-grams here would not add up to a logit; null where they do.
    this.obstacle = config.pooled_norm ? "normalises its pooled features" : null;
    const { header, floats } = tensorsOf(files.tables);
    this.approximate = "vectors" in header || (header.table ?? header.bag_table).dtype === "I8";
    const [C, F] = header.head_weight.shape;
    this.shape = {
      C, F, widest: Math.max(0, ...config.kernel_sizes), dilation: config.dilation ?? 1,
      bag: (config.bag ?? "none") !== "none", ngrams: config.bag_ngrams ?? 1,
    };
    const temperature = Math.fround(config.temperature ?? 1);
    const divided = (values) => values.map((value) => Math.fround(value / temperature));
    this.tensors = { headWeight: divided(floats("head_weight")), headBias: divided(floats("head_bias")) };
  }

  // Logits [N * C] of texts, divided by the temperature, and pooled features [N * F] where `features` is true, else null.
  logits(texts, features = false) {
    const { core } = this, { C, F } = this.shape;
    const logits = new Float32Array(texts.length * C), pooled = features ? new Float32Array(texts.length * F) : null;
    for (const { begin, count, data, ends } of core.batches(texts)) {
      const wide = features ? core.room("pooled", "f32", count * F) : 0;
      const out = core.room("logits", "f32", count * C);
      core.call("logits_of_texts", this.tables, this.tokenizer, data, ends, BigInt(count), 1, wide, out);
      logits.set(core.view(out, "f32", count * C), begin * C);
      if (features) pooled.set(core.view(wide, "f32", count * F), begin * F);
    }
    return { logits, pooled };
  }

  // The n-grams that make the logit of one class for one text.
  explain(text, index) {
    return explain(this, text, index);
  }
}
