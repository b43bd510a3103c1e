// The n-grams that make a logit: each with its weight. The bias and the weights of all n-grams add up to the logit.

// Explains the logit of one class for one text. Places in the text are UTF-16 units, as JavaScript counts.
export function explain(classifier, text, index) {
  const { core, tensors, shape } = classifier;
  const { F, C, widest } = shape;
  const tokens = tokensOf(core, text);
  const rooms = {};
  for (const [name, type, count] of [
    ["ids", "i32", tokens.ids.length], ["offsets", "i64", 2], ["features", "f32", F], ["without", "f32", F],
    ["sums", "f32", F], ["start", "i32", F], ["begins", "i64", 1], ["finish", "i64", 1], ["sharp", "f64", C],
    ["weight", "f64", F], ["limits", "i64", 2 * F], ["weights", "f64", F], ["losses", "f64", F], ["filters", "i64", F],
    ["filterBegins", "i64", F + 1], ["shares", "f64", F * widest], ["shareBegins", "i64", F + 1],
  ])
    rooms[name] = core.room(name, type, count);
  core.view(rooms.ids, "i32", tokens.ids.length).set(tokens.ids);
  core.view(rooms.offsets, "i64", 2).set([0n, BigInt(tokens.ids.length)]);
  core.view(rooms.weight, "f64", F).set(tensors.headWeight.subarray(index * F, (index + 1) * F));
  core.call(
    "winners", core.tables, rooms.ids, rooms.offsets, 1n, 1, rooms.features, rooms.without, rooms.sums, rooms.start,
    rooms.begins, rooms.finish, rooms.sharp,
  );
  const [begin] = core.integers(rooms.begins, 1), [end] = core.integers(rooms.finish, 1);
  const logits = core.view(rooms.sharp, "f64", C).slice();
  const count = Number(
    core.call(
      "ngrams", core.tables, rooms.ids + 4 * begin, BigInt(end - begin), rooms.features, rooms.without, rooms.sums,
      rooms.start, rooms.weight, rooms.limits, rooms.weights, rooms.losses, rooms.filters, rooms.filterBegins,
      rooms.shares, rooms.shareBegins,
    ),
  );
  const limits = core.integers(rooms.limits, 2 * count), weights = core.view(rooms.weights, "f64", count);
  const losses = core.view(rooms.losses, "f64", count);
  const filterBegins = core.integers(rooms.filterBegins, count + 1);
  const shareBegins = core.integers(rooms.shareBegins, count + 1);
  const filters = core.integers(rooms.filters, filterBegins[count]);
  const shares = core.view(rooms.shares, "f64", shareBegins[count]);
  const contributions = [];
  for (let g = 0; g < count; ++g) {
    const first = begin + limits[2 * g], last = begin + limits[2 * g + 1];
    const parts = [];
    for (let k = shareBegins[g], token = first; k < shareBegins[g + 1]; ++k, token += shape.dilation) {
      if (Number.isNaN(shares[k])) continue; // padding
      const [start, stop] = [tokens.begins[token], tokens.ends[token]];
      parts.push({ start, end: stop, text: text.slice(start, stop), weight: shares[k] });
    }
    const start = tokens.begins[first], stop = tokens.ends[last];
    contributions.push({
      start, end: stop, text: text.slice(start, stop), weight: weights[g], without: logits[index] - losses[g],
      tokens: parts, filters: filters.slice(filterBegins[g], filterBegins[g + 1]),
    });
  }
  contributions.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  return { text, logit: logits[index], bias: tensors.headBias[index], contributions };
}

// The weight of each UTF-16 unit of a text: that of its tokens, spread evenly over their characters.
export function characterWeights(explanation) {
  const weights = new Float64Array(explanation.text.length);
  for (const { tokens } of explanation.contributions)
    for (const { start, end, weight } of tokens)
      for (let at = start; at < end; ++at) weights[at] += weight / Math.max(1, end - start);
  return weights;
}

// Ids of the tokens of a text and where each lies in it.
function tokensOf(core, text) {
  const { data, bytes } = core.texts([text]);
  const pointers = core.room("pointers", "i32", 2);
  const count = Number(core.call("spans", core.tokenizer, data, bytes, pointers, pointers + 4));
  const ids = core.taken(pointers, "i32", count), spans = core.taken(pointers + 4, "i64", 2 * count);
  const places = unitsOf(text);
  const unit = places ? (character) => places[character] : (character) => character;
  const begins = [], ends = [];
  for (let k = 0; k < count; ++k) {
    begins.push(unit(spans[2 * k]));
    ends.push(unit(spans[2 * k + 1]));
  }
  return { ids, begins, ends };
}

// Where each character of a text begins, in UTF-16 units; null where both are the same.
function unitsOf(text) {
  if (!/[\ud800-\udbff]/.test(text)) return null;
  const places = [0];
  for (const character of text) places.push(places.at(-1) + character.length);
  return places;
}
