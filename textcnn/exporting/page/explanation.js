// The n-grams that make a logit: each with its weight. The bias and the weights of all n-grams add up to the logit.
// Those of the convolutions are the windows that win filters; a bag adds one row for each of its tokens and n-grams.

// Explains the logit of one class for one text. Places in the text are UTF-16 units, as JavaScript counts.
export function explain(engine, text, index) {
  const { core, tensors, shape } = engine;
  const tokens = tokensOf(engine, text);
  const ids = core.room("ids", "i32", tokens.ids.length);
  core.view(ids, "i32", tokens.ids.length).set(tokens.ids);
  const { ngrams, begin, end, logits } = ngramsOfFilters(engine, tokens, ids, index);
  const shares = shape.bag ? sharesOfBag(engine, ids, begin, end, index) : [];
  const logit = shares.reduce((sum, share) => sum + share.weight, logits[index]);
  const made = (first, last, weight, without, parts, filters) => {
    const start = tokens.begins[first], end = tokens.ends[last];
    return { start, end, text: text.slice(start, end), weight, without, tokens: parts, filters };
  };
  // Each token stands in several n-grams.
  const words = tokens.begins.map((start, k) => text.slice(start, tokens.ends[k]));
  const part = (k, weight) => ({ start: tokens.begins[k], end: tokens.ends[k], text: words[k], weight });
  const contributions = ngrams.map(({ first, last, weight, loss, parts, filters }) =>
    made(first, last, weight, logit - loss, parts.map(([token, share]) => part(token, share)), filters),
  );
  // A dilated window leaves tokens out, which an n-gram of the bag does not.
  const places = new Map(), placeOf = (first, last) => first * tokens.ids.length + last;
  ngrams.forEach(({ first, last }, g) => {
    if (shape.dilation === 1 || first === last) places.set(placeOf(first, last), contributions[g]);
  });
  for (const { first, length, weight } of shares) {
    if (weight === 0) continue;
    const last = first + length - 1, before = places.get(placeOf(first, last));
    if (before) {
      before.weight += weight;
      before.without -= weight;
      for (const token of before.tokens) token.weight += weight / length;
      continue;
    }
    const parts = [];
    for (let k = first; k <= last; ++k) parts.push(part(k, weight / length));
    const added = made(first, last, weight, logit - weight, parts, []);
    contributions.push(added);
    places.set(placeOf(first, last), added);
  }
  contributions.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  return { text, logit, bias: tensors.headBias[index], contributions };
}

// The n-grams of the convolutions, the largest weight first: {first, last, weight, loss, parts, filters}. Also the logits
// without the bag's part, and which tokens lie between the padding at both ends.
function ngramsOfFilters({ core, tables, tensors, shape }, tokens, ids, index) {
  const { F, C, widest } = shape;
  const rooms = {};
  for (const [name, type, count] of [
    ["offsets", "i64", 2], ["features", "f32", F], ["without", "f32", F],
    ["sums", "f32", F], ["start", "i32", F], ["begins", "i64", 1], ["finish", "i64", 1], ["sharp", "f64", C],
    ["weight", "f64", F], ["limits", "i64", 2 * F], ["weights", "f64", F], ["losses", "f64", F], ["filters", "i64", F],
    ["filterBegins", "i64", F + 1], ["shares", "f64", F * widest], ["shareBegins", "i64", F + 1],
  ])
    rooms[name] = core.room(name, type, count);
  core.view(rooms.offsets, "i64", 2).set([0n, BigInt(tokens.ids.length)]);
  core.view(rooms.weight, "f64", F).set(tensors.headWeight.subarray(index * F, (index + 1) * F));
  core.call(
    "winners", tables, ids, rooms.offsets, 1n, 1, rooms.features, rooms.without, rooms.sums, rooms.start,
    rooms.begins, rooms.finish, rooms.sharp,
  );
  const [begin] = core.integers(rooms.begins, 1), [end] = core.integers(rooms.finish, 1);
  const logits = core.view(rooms.sharp, "f64", C).slice();
  const count = Number(
    core.call(
      "ngrams", tables, ids + 4 * begin, BigInt(end - begin), rooms.features, rooms.without, rooms.sums,
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
  const ngrams = [];
  for (let g = 0; g < count; ++g) {
    const first = begin + limits[2 * g], last = begin + limits[2 * g + 1];
    const parts = [];
    for (let k = shareBegins[g], token = first; k < shareBegins[g + 1]; ++k, token += shape.dilation)
      if (!Number.isNaN(shares[k])) parts.push([token, shares[k]]); // else padding
    ngrams.push({
      first, last, weight: weights[g], loss: losses[g], parts, filters: filters.slice(filterBegins[g], filterBegins[g + 1]),
    });
  }
  ngrams.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  return { ngrams, begin, end, logits };
}

// What each token and n-gram of the bag adds to a logit: {first, length, weight}.
function sharesOfBag({ core, tables, shape }, ids, begin, end, index) {
  const most = (end - begin) * shape.ngrams;
  const firsts = core.room("bagFirsts", "i64", most), lengths = core.room("bagLengths", "i32", most);
  const weights = core.room("bagWeights", "f64", most);
  const count = Number(
    core.call(
      "bag_shares", tables, ids + 4 * begin, BigInt(end - begin), BigInt(index), firsts, lengths, weights,
    ),
  );
  const first = core.integers(firsts, count), length = core.view(lengths, "i32", count);
  const weight = core.view(weights, "f64", count);
  return first.map((token, g) => ({ first: begin + token, length: length[g], weight: weight[g] }));
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
function tokensOf({ core, tokenizer }, text) {
  const { data, bytes } = core.texts([text], 0, 1);
  const pointers = core.room("pointers", "i32", 2);
  const count = Number(core.call("spans", tokenizer, data, bytes, pointers, pointers + 4));
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
