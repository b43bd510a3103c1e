// The answer of one model: its label, a bar for each class, and the n-grams behind a logit; or the numbers of a regression.

import { element } from "./elements.js";
import { Marks } from "./marks.js";

// Bars and n-grams that are shown at first; a few more bars are shown all the same.
const BARS = 8;
const FEW = 10;
const REASONS = 8;

export class Card {
  // classifier: a Classifier or a RemoteClassifier. chosen: called when a person chooses a label to explain.
  constructor(classifier, chosen) {
    this.classifier = classifier;
    this.label = null; // to explain; null for the one that the text is given
    this.every = classifier.labels.length <= FEW;
    this.chosen = chosen;
    this.bars = [];
    this.root = element("article", { className: "card" });
    this.title = element("h3", { textContent: classifier.name, className: "quiet" });
    this.verdict = element("p", { className: "verdict" });
    this.copy = element("p", { className: "copy", hidden: true, dir: "auto" });
    this.copied = new Marks(this.copy);
    this.list = element("ul", { className: "bars" });
    this.more = element("button", { type: "button", className: "plain", hidden: this.every });
    this.more.addEventListener("click", () => {
      this.every = !this.every;
      this.showBars();
    });
    this.reasons = element("table", { className: "reasons" });
    this.sum = element("p", { className: "quiet sum" });
    this.root.append(this.title, this.verdict, this.copy, this.list, this.more, this.reasons, this.sum);
  }

  // Shows an answer and, unless it is null, its explanation. A regression with one number has no bars.
  show(text, answer, explanation) {
    this.answer = text === "" ? null : answer;
    this.explained = explanation?.label ?? null;
    this.showVerdict();
    this.list.hidden = this.classifier.regression && this.classifier.labels.length === 1;
    this.showBars();
    this.showReasons(text === "" ? null : explanation);
  }

  // What a screen reader says of the answer.
  spoken() {
    if (!this.answer) return "";
    if (this.classifier.regression) {
      const numbers = Array.from(this.answer.predictions, (value, n) => `${this.classifier.labels[n]} ${figure(value)}`);
      return `${this.classifier.name}: ${numbers.join(", ")}`;
    }
    const { label, labels, probability } = this.answer;
    const answer = label === null ? "no label" : labels.join(", ");
    return `${this.classifier.name}: ${answer}, ${percent(probability)}`;
  }

  showVerdict() {
    const { answer } = this;
    if (!answer) {
      const { labels, multiLabel, regression } = this.classifier, noun = regression ? "number" : "label";
      const words = regression ? "A text has" : multiLabel ? "A text may have several of" : "A text has one of";
      const line = `${words} ${labels.length} ${noun}${labels.length === 1 ? "" : "s"}.`;
      return this.verdict.replaceChildren(element("span", { className: "quiet", textContent: line }));
    }
    if (this.classifier.regression) {
      const n = Math.max(0, this.classifier.labels.indexOf(this.explained));
      return this.verdict.replaceChildren(
        element("b", { textContent: figure(answer.predictions[n]) }),
        element("span", { className: "value", textContent: this.classifier.labels[n] }),
      );
    }
    const why = answer.abstained ? "the model is not sure enough" : "no label reaches its threshold";
    const value = answer.label === null ? why : percent(answer.probability);
    this.verdict.replaceChildren(
      element("b", { textContent: answer.label === null ? "no label" : answer.labels.join(", ") }),
      element("span", { className: "value", textContent: value }),
    );
  }

  showBars() {
    const { labels, thresholds, regression } = this.classifier;
    const probabilities = this.answer?.probabilities ?? labels.map(() => 0);
    let order = [...labels.keys()];
    if (labels.length > FEW && !regression) order.sort((a, b) => probabilities[b] - probabilities[a] || a - b);
    if (!this.every) order = order.slice(0, BARS);
    while (this.bars.length < order.length) this.bars.push(this.#bar());
    if (this.list.childElementCount !== order.length)
      this.list.replaceChildren(...this.bars.slice(0, order.length).map((bar) => bar.item));
    order.forEach((index, n) => {
      const bar = this.bars[n];
      bar.index = index;
      bar.name.textContent = bar.button.title = labels[index];
      const value = () => (regression ? figure(this.answer.predictions[index]) : percent(probabilities[index]));
      bar.value.textContent = this.answer ? value() : "";
      bar.button.classList.toggle("numbers", regression); // which have no length between 0 and 1
      bar.fill.style.width = `${100 * probabilities[index]}%`;
      bar.tick.hidden = !this.answer || !thresholds.has(index);
      bar.tick.style.insetInlineStart = `${100 * (thresholds.get(index) ?? 0)}%`;
      bar.button.classList.toggle("given", Boolean(this.answer?.labels?.includes(labels[index])));
      bar.button.setAttribute("aria-pressed", String(this.explained === labels[index]));
      bar.button.disabled = !this.classifier.explains;
    });
    this.more.hidden = labels.length <= FEW;
    this.more.textContent = this.every ? "Show fewer labels" : `Show all ${labels.length} labels`;
  }

  showReasons(explanation) {
    this.reasons.replaceChildren();
    this.sum.textContent = "";
    if (!explanation) {
      if (!this.classifier.explains)
        this.sum.textContent = `This model ${this.classifier.obstacle ?? "gives no explanations"}: no weights are shown.`;
      return;
    }
    const shown = explanation.contributions.slice(0, REASONS);
    const largest = Math.max(...shown.map((c) => Math.abs(c.weight)), 1e-9);
    // Logits are of one size; the unit of a regression may be anything.
    const { regression } = this.classifier, digits = regression ? digitsOf(largest) : 2;
    const signed = (weight, space) => withSign(weight, digits, space);
    const axis = shown.some((c) => c.weight < 0) ? 50 : 0;
    const body = element("tbody");
    for (const { text, weight } of shown) {
      const length = ((100 - axis) * Math.abs(weight)) / largest;
      const bar = element("span", { className: weight > 0 ? "pro" : "con" });
      bar.style.width = `${length}%`;
      bar.style.marginInlineStart = `${weight > 0 ? axis : axis - length}%`;
      const row = body.appendChild(element("tr"));
      row.append(element("td", { textContent: text.trim().replace(/\s+/g, " "), dir: "auto" }));
      row.appendChild(element("td", { className: "length", ariaHidden: "true" })).append(bar);
      row.append(element("td", { className: "number", textContent: signed(weight) }));
    }
    this.reasons.append(element("caption", { textContent: `Reasons for ${explanation.label}` }), body);
    const rest = explanation.contributions.slice(REASONS);
    const total = (list) => list.reduce((sum, c) => sum + c.weight, 0);
    const others = rest.length ? ` ${signed(total(rest), " ")} of ${rest.length} other${rest.length > 1 ? "s" : ""}` : "";
    const kind = explanation.approximate ? " (8-bit tables)" : "";
    this.sum.textContent =
      `bias ${withMinus(explanation.bias.toFixed(digits))} ${signed(total(shown), " ")} of these${others} = ` +
      `${regression ? explanation.label : "logit"} ${withMinus(explanation.logit.toFixed(digits))}${kind}`;
  }

  #bar() {
    const bar = { item: element("li"), button: element("button", { type: "button", className: "bar" }) };
    for (const name of ["name", "track", "fill", "tick", "value"]) bar[name] = element("span", { className: name });
    bar.track.append(bar.fill, bar.tick);
    bar.button.append(bar.name, bar.track, bar.value);
    bar.item.append(bar.button);
    bar.button.addEventListener("click", () => {
      const label = this.classifier.labels[bar.index];
      this.label = this.label === label ? null : label;
      this.chosen();
    });
    return bar;
  }
}

// A probability in percent, with as many digits as tell it from 0 and 100.
export function percent(probability) {
  const value = 100 * probability;
  if (value > 0 && value < 0.1) return "< 0.1%";
  if (value < 100 && value > 99.9) return "> 99.9%";
  return `${value.toFixed(1)}%`;
}

// A number of a regression with five figures.
export function figure(value) {
  return withMinus(value.toLocaleString("en", { maximumSignificantDigits: 5 }));
}

function withMinus(number) {
  return number.replace("-", "\u2212");
}

function withSign(weight, digits, space = "") {
  return `${weight < 0 ? "\u2212" : "+"}${space}${Math.abs(weight).toFixed(digits)}`;
}

// Digits behind the point that show three figures of a number.
function digitsOf(value) {
  return Math.min(10, Math.max(0, 2 - Math.floor(Math.log10(value))));
}
