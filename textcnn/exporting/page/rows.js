// The part of the page that labels a table: paste or choose it, and get it back with answers beside its rows.

import { formatTable, parseTable, textColumn, withAnswers } from "./csv.js";
import { figure, percent } from "./card.js";
import { element } from "./elements.js";

// Rows between two looks at the page.
const CHUNK = 1000;
const PREVIEW = 8;

export class Rows {
  // find: returns an element of the page by its id. classifiers: returns those of the page.
  constructor(find, classifiers) {
    this.find = find;
    this.classifiers = classifiers;
    this.table = null;
    const box = find("pasted"), file = find("file"), section = box.closest("section");
    box.addEventListener("input", () => this.read(box.value, ""));
    file.addEventListener("change", () => this.open(file.files[0]));
    section.addEventListener("dragover", (event) => {
      event.preventDefault();
      section.classList.add("over");
    });
    section.addEventListener("dragleave", () => section.classList.remove("over"));
    section.addEventListener("drop", (event) => {
      event.preventDefault();
      section.classList.remove("over");
      this.open(event.dataTransfer.files[0]);
    });
    find("run").addEventListener("click", () => this.run());
  }

  async open(file) {
    if (file) this.read(await file.text(), file.name);
  }

  read(content, name) {
    const { find } = this;
    this.table = null;
    this.name = name || "rows.csv";
    find("preview").hidden = find("download").hidden = find("run").hidden = find("column-field").hidden = true;
    find("model-field").hidden = true;
    if (!content.trim()) return this.note("");
    try {
      this.table = parseTable(content, name);
    } catch (error) {
      return this.note(`${name || "The table"}: ${error.message}.`);
    }
    const { names, rows } = this.table;
    if (!rows.length) {
      this.table = null;
      return this.note("The first line names the columns; rows follow it.");
    }
    find("column").replaceChildren(...names.map((column, n) => new Option(column, n)));
    find("column").value = textColumn(this.table);
    find("column-field").hidden = names.length === 1;
    find("model").replaceChildren(...this.classifiers().map((classifier, n) => new Option(classifier.name, n)));
    find("model-field").hidden = this.classifiers().length === 1;
    const numbers = this.classifiers().every((classifier) => classifier.regression);
    find("run").textContent = `${numbers ? "Predict" : "Label"} ${counted(rows.length)}`;
    find("run").hidden = false;
    this.note(name);
  }

  async run() {
    const { find, table } = this;
    const classifier = this.classifiers()[find("model").value], column = Number(find("column").value);
    const texts = table.rows.map((row) => row[column]), answers = Array(texts.length).fill(null);
    find("run").disabled = true;
    find("progress").hidden = false;
    let seconds = 0;
    try {
      for (let begin = 0; begin < texts.length; begin += CHUNK) {
        const places = [];
        for (let n = begin; n < Math.min(begin + CHUNK, texts.length); ++n) if (texts[n] !== "") places.push(n);
        const started = performance.now();
        const got = await classifier.answer(places.map((n) => texts[n].toWellFormed?.() ?? texts[n]));
        seconds += (performance.now() - started) / 1000;
        places.forEach((n, k) => (answers[n] = got[k]));
        find("progress").value = Math.min(1, (begin + CHUNK) / texts.length);
        await new Promise((resolve) => setTimeout(resolve));
      }
      this.finish(classifier, column, answers, seconds);
    } catch (error) {
      this.note(error.message);
    } finally {
      find("run").disabled = false;
      find("progress").hidden = true;
    }
  }

  finish(classifier, column, answers, seconds) {
    const { find, table } = this;
    const labelled = withAnswers(table, classifier, answers);
    const type = table.delimiter === "\t" ? "text/tab-separated-values" : "text/csv";
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(new Blob([formatTable(labelled)], { type }));
    const [, stem, ending] = /^(.*?)(\.\w+)?$/.exec(this.name);
    Object.assign(find("download"), {
      href: this.address, hidden: false, download: `${stem}.labelled${table.delimiter === "\t" ? ".tsv" : ".csv"}`,
      textContent: `Download ${stem}.labelled${table.delimiter === "\t" ? ".tsv" : ".csv"}`,
    });
    const { regression } = classifier;
    const summary = regression ? summaryOfNumbers(classifier, answers) : summaryOfLabels(answers);
    this.note(`${counted(answers.length)} in ${seconds.toFixed(2)} s: ${summary}.`);
    const cells = (answer) => {
      if (regression) return Array.from(classifier.labels, (_, c) => (answer ? figure(answer.predictions[c]) : "\u2013"));
      return [answer?.labels.join(", ") || "\u2013", answer ? percent(answer.probability) : ""];
    };
    const rows = table.rows.slice(0, PREVIEW).map((row, n) => [...cells(answers[n]), row[column]]);
    const head = element("tr");
    for (const name of [...(regression ? classifier.labels : ["label", "probability"]), table.names[column]])
      head.append(element("th", { textContent: name, scope: "col" }));
    const body = rows.map((row) => {
      const line = element("tr");
      for (const cell of row) line.appendChild(element("td")).append(element("div", { className: "cell", textContent: cell }));
      return line;
    });
    const shown = element("table");
    shown.append(head, ...body);
    find("preview").replaceChildren(shown);
    find("preview").hidden = false;
    find("download").focus();
  }

  note(text) {
    this.find("rows-note").textContent = text;
  }
}

function summaryOfLabels(answers) {
  const counts = new Map();
  for (const answer of answers)
    for (const label of answer?.labels ?? []) counts.set(label, (counts.get(label) ?? 0) + 1);
  const list = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([label, count]) => `${label} ${count}`);
  const without = answers.filter((answer) => !answer?.labels.length).length;
  return (
    list.join(", ") + (counts.size > 6 ? `, ${counts.size - 6} more labels` : "") +
    (without ? `; ${without} without a label` : "")
  );
}

function summaryOfNumbers({ labels }, answers) {
  const given = answers.filter(Boolean), without = answers.length - given.length;
  const mean = (c) => given.reduce((sum, answer) => sum + answer.predictions[c], 0) / given.length;
  const means = given.length ? labels.map((name, c) => `${name} ${figure(mean(c))} on average`).join(", ") : "no text";
  return means + (without ? `; ${without} without a text` : "");
}

function counted(rows) {
  return rows === 1 ? "1 row" : `${rows.toLocaleString("en")} rows`;
}
