// The page: a text and the answer of each model while it is typed.

import { Card } from "./card.js";
import { Marks } from "./marks.js";
import { openModel, openPayload, unpacked } from "./payload.js";
import { openRemote } from "./remote.js";
import { Rows } from "./rows.js";

// Milliseconds without a keystroke before a screen reader is told the answer.
const PAUSE = 700;

const find = (id) => document.getElementById(id);
const text = find("text"), payload = find("payload");
// A line more at the end, because a line break there has no height of its own.
const marks = new Marks(find("marks"), "\n");
const classifiers = [], cards = [];
let turn = 0, pause;

// For the console: textcnn.classifiers[0].predict(["a text"]).
window.textcnn = { classifiers };

function add(classifier) {
  const card = new Card(classifier, update);
  classifiers.push(classifier);
  cards.push(card);
  find("cards").append(card.root);
  find("main").classList.toggle("several", cards.length > 1);
  for (const one of cards) {
    one.title.hidden = cards.length === 1;
    one.copy.hidden = cards.length === 1;
  }
  if (classifiers.every((one) => one.regression)) find("rows-title").textContent = "Predict for a table";
  else find("rows-title").textContent = "Label a table";
}

// Answers for the text as it is. A remote answer that comes after a later text is left out.
async function update() {
  const mine = ++turn, value = text.value.toWellFormed?.() ?? text.value;
  find("clear").hidden = value === "";
  for (const card of cards) {
    const { classifier } = card;
    const [answer] = await classifier.answer([value]);
    const asked = classifier.explains && value !== "";
    const explanation = asked ? await classifier.explain(value, card.label ?? answer.label) : null;
    if (mine !== turn) return;
    show(card, value, answer, explanation);
  }
  clearTimeout(pause);
  pause = setTimeout(() => mine === turn && speak(), PAUSE);
}

function show(card, value, answer, explanation) {
  card.show(value, answer, explanation);
  const characters = explanation?.characters ?? new Float64Array(value.length);
  if (cards.length > 1) card.copied.show(value, characters);
  if (card !== cards[0]) return;
  marks.show(value, cards.length > 1 ? new Float64Array(value.length) : characters);
  legend(explanation);
}

function legend(explanation) {
  const place = find("legend");
  if (!explanation || cards.length > 1) {
    const numbers = classifiers.length && classifiers.every((classifier) => classifier.regression);
    place.textContent = `Each text gets its ${numbers ? "number" : "label"} while you type.`;
    return;
  }
  const words = cards[0].classifier.regression ? { pro: "raises", con: "lowers" } : { pro: "for", con: "against" };
  const keys = ["pro", "con"].map((kind) => {
    const key = document.createElement("span");
    key.className = `key ${kind}`;
    key.textContent = `${words[kind]} ${explanation.label}`;
    return key;
  });
  place.replaceChildren(keys[0], " ", keys[1]);
}

function speak() {
  find("status").textContent = cards.map((card) => card.spoken()).filter(Boolean).join(". ");
}

// Opens the first model of another exported file beside those of the page.
async function openOther(file) {
  const note = find("other-note");
  try {
    const content = await file.text();
    const found = /<script type="application\/json" id="payload">([^<]*)<\/script>|^const PAYLOAD = (.*);$/m.exec(content);
    if (!found) throw new Error(`${file.name}: got no exported model; expected a file that textcnn export wrote`);
    const other = JSON.parse(found[1] ?? found[2]);
    const module = await WebAssembly.compile(await unpacked(other.module));
    for (const model of other.models) add(await openModel(module, model));
    note.textContent = "";
    await update();
  } catch (error) {
    note.textContent = error.message;
  }
}

try {
  const opened = payload ? await openPayload(JSON.parse(payload.textContent)) : await openRemote();
  opened.forEach(add);
  text.addEventListener("input", update);
  find("clear").addEventListener("click", () => {
    text.value = "";
    text.focus();
    update();
  });
  find("other").addEventListener("change", (event) => event.target.files[0] && openOther(event.target.files[0]));
  find("compare-field").hidden = !payload;
  new Rows(find, () => classifiers);
  await update();
  document.documentElement.dataset.ready = "true";
} catch (error) {
  find("place").textContent = `This page could not open its model: ${error.message}`;
  document.documentElement.dataset.ready = "false";
}
