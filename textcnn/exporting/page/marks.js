// A text whose characters are coloured by their weight.

import { element } from "./elements.js";

// Strengths below this are not seen, and neither are smaller differences than a step: fewer pieces change with a keystroke.
const WEAKEST = 0.02;
const STEP = 0.025;

export class Marks {
  // root: the element that shows the text. tail: text after it.
  constructor(root, tail = "") {
    this.root = root;
    this.keys = [];
    root.replaceChildren(tail);
  }

  // Shows a text with its weights. The nodes of pieces that are as they were stay: finding the styles and lines of all pieces
  // anew takes half of a keystroke in a long text.
  show(text, characters) {
    const pieces = piecesOf(text, characters);
    const keys = pieces.map(({ name, strength, content }) => `${name} ${strength} ${content}`);
    const before = this.keys, most = Math.min(keys.length, before.length);
    let first = 0, last = 0;
    while (first < most && keys[first] === before[first]) ++first;
    while (last < most - first && keys.at(-1 - last) === before.at(-1 - last)) ++last;
    const nodes = this.root.childNodes;
    for (let n = before.length - last; n-- > first; ) nodes[n].remove();
    const fragment = document.createDocumentFragment();
    for (const piece of pieces.slice(first, pieces.length - last)) fragment.append(nodeOf(piece));
    this.root.insertBefore(fragment, nodes[first] ?? null);
    this.keys = keys;
  }
}

// Neighbouring characters of one look: {name, strength, content}, with no name where there is no colour.
function piecesOf(text, characters) {
  const largest = characters.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) || 1;
  const pieces = [];
  for (let begin = 0, end = 1; begin < text.length; begin = end++) {
    while (end < text.length && characters[end] === characters[begin]) ++end;
    const share = Math.abs(characters[begin]) / largest, content = text.slice(begin, end);
    const name = share < WEAKEST ? "" : characters[begin] > 0 ? "pro" : "con", last = pieces.at(-1);
    const strength = name && (Math.round((0.08 + 0.5 * share) / STEP) * STEP).toFixed(3);
    if (name === last?.name && strength === last.strength) last.content += content;
    else pieces.push({ name, strength, content });
  }
  return pieces;
}

function nodeOf({ name, strength, content }) {
  if (name === "") return document.createTextNode(content);
  const span = element("span", { className: name, textContent: content });
  span.style.setProperty("--strength", strength);
  return span;
}
