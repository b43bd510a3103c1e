// A model behind a server, with the same functions as a Classifier; they return promises.
//
//   GET  models                        {"models": [{"name", "labels", "multi_label", "regression", "explains", "approximate", "thresholds"}]}
//   POST predict {"model", "texts"}    {"answers": [{"label", "labels", "probability", "probabilities", "confidence", "abstained"}]}
//                                      of a regression: {"answers": [{"prediction", "predictions"}]}
//   POST explain {"model", "text", "label"}   the explanation, as Explanation.to_dict() of Python has it

import { characterWeights } from "./explanation.js";

export async function openRemote() {
  const { models } = await ask("models");
  return models.map((model) => new RemoteClassifier(model));
}

class RemoteClassifier {
  constructor({ name, labels, multi_label, regression, explains, approximate, thresholds }) {
    this.name = name;
    this.labels = labels;
    this.multiLabel = Boolean(multi_label);
    this.regression = Boolean(regression);
    this.explains = explains !== false;
    this.approximate = Boolean(approximate);
    this.thresholds = new Map(Object.entries(thresholds ?? {}).map(([label, value]) => [labels.indexOf(label), value]));
  }

  async answer(texts) {
    return (await ask("predict", { model: this.name, texts })).answers;
  }

  async explain(text, label) {
    const explanation = await ask("explain", { model: this.name, text, label });
    // Python counts characters, JavaScript UTF-16 units.
    const places = [0];
    for (const character of text) places.push(places.at(-1) + character.length);
    const moved = (part) => ({ ...part, start: places[part.start], end: places[part.end] });
    const contributions = explanation.contributions.map((c) => ({ ...moved(c), tokens: c.tokens.map(moved) }));
    return { ...explanation, contributions, characters: characterWeights({ text, contributions }) };
  }
}

async function ask(path, body) {
  const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, body ? request : undefined);
  if (!response.ok) throw new Error(`the server answers ${response.status}: ${(await response.text()).slice(0, 300)}`);
  return response.json();
}
