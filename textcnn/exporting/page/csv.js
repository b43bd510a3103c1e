// Tables as text: the rules of `textcnn score` for delimiters, columns and rows without a text.

const TEXT_NAMES = [
  "text", "sentence", "content", "review", "question", "document", "title", "body", "comment", "tweet", "message",
  "utterance", "query", "review_body", "description", "headline", "article", "post", "abstract", "summary", "input",
  "prompt",
];

// The names and rows of a table, and its delimiter. A text whose only column has no usual name is a list of texts.
export function parseTable(content, fileName = "") {
  content = content.replace(/^\ufeff/, "");
  const header = content.slice(0, content.search(/[\r\n]|$/));
  const isTable = /\.(csv|tsv)$/i.test(fileName);
  const delimiter = delimiterOf(header, /\.tsv$/i.test(fileName));
  const known = header.split(delimiter).some((name) => TEXT_NAMES.includes(unquoted(name).trim().toLowerCase()));
  if (!isTable && !known && (/\.txt$/i.test(fileName) || !header.includes(delimiter))) {
    const lines = content.split(/\r\n|\r|\n/);
    if (lines.at(-1) === "") lines.pop();
    return { delimiter: ",", names: ["text"], rows: lines.map((line) => [line]) };
  }
  const [names = [], ...rows] = cellsOf(content, delimiter);
  rows.forEach((row, n) => {
    if (row.length !== names.length)
      throw new Error(`row ${n + 1}: got ${row.length} cells; expected ${names.length}, as the first line has`);
  });
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw new Error(`got two columns "${twice}"; expected distinct names`);
  return { delimiter, names, rows };
}

// Number of the column of the texts: one with a usual name, or the one with the longest texts.
export function textColumn({ names, rows }) {
  const lower = names.map((name) => name.trim().toLowerCase());
  for (const name of TEXT_NAMES) if (lower.includes(name)) return lower.indexOf(name);
  const head = rows.slice(0, 1000);
  const length = (column) => head.reduce((sum, row) => sum + row[column].length, 0);
  return names.reduce((best, _, column) => (length(column) > length(best) ? column : best), 0);
}

// The columns of a model's answers: their names, and the cells of one answer.
function columnsOf({ labels, regression }) {
  if (!regression)
    return {
      added: ["predicted_label", "probability", ...labels.map((label) => `probability_${label}`)],
      cells: (answer) => [answer.labels.join(";"), String(answer.probability), ...Array.from(answer.probabilities, String)],
    };
  const added = labels.length === 1 ? ["prediction"] : labels.map((name) => `prediction_${name}`);
  return { added, cells: (answer) => Array.from(answer.predictions, String) };
}

// The table with columns of answers; answers: null for a row without a text. Columns of their names are replaced.
export function withAnswers({ delimiter, names, rows }, classifier, answers) {
  const { added, cells: cellsOfAnswer } = columnsOf(classifier);
  const kept = names.map((name, column) => [name, column]).filter(([name]) => !added.includes(name));
  const filled = rows.map((row, n) => {
    const cells = kept.map(([, column]) => row[column]);
    const answer = answers[n];
    if (!answer) return [...cells, ...added.map(() => "")];
    return [...cells, ...cellsOfAnswer(answer)];
  });
  return { delimiter, names: [...kept.map(([name]) => name), ...added], rows: filled };
}

export function formatTable({ delimiter, names, rows }) {
  const special = new RegExp(`["\r\n${delimiter === "|" ? "\\|" : delimiter}]`);
  const quoted = (cell) => (special.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return [names, ...rows].map((row) => row.map(quoted).join(delimiter) + "\n").join("");
}

function delimiterOf(header, tabs) {
  if (tabs || header.includes(",")) return tabs ? "\t" : ",";
  const count = (mark) => header.split(mark).length;
  return [",", ";", "\t", "|"].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

function unquoted(cell) {
  return cell.replace(/^"|"$/g, "");
}

// Rows of cells. A cell in quotes may hold delimiters, lines and doubled quotes.
function cellsOf(content, delimiter) {
  const rows = [];
  let row = [], at = 0;
  while (at < content.length) {
    let cell = "";
    if (content[at] === '"') {
      for (let from = at + 1; ; ) {
        const close = content.indexOf('"', from);
        if (close < 0) throw new Error(`row ${rows.length}: got a quote that is never closed`);
        cell += content.slice(from, close);
        at = close + 1;
        if (content[at] !== '"') break;
        cell += '"';
        from = at + 1;
      }
    }
    const begin = at;
    while (at < content.length && content[at] !== delimiter && content[at] !== "\n" && content[at] !== "\r") ++at;
    row.push(cell + content.slice(begin, at));
    if (content[at] === delimiter) {
      ++at;
      if (at < content.length) continue;
      row.push("");
    }
    if (content[at] === "\r" && content[at + 1] === "\n") ++at;
    ++at;
    if (row.length > 1 || row[0] !== "") rows.push(row); // an empty line is no row
    row = [];
  }
  return rows;
}
