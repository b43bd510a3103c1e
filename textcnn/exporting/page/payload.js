// What an exported file holds: the module and models, each compressed and written in base64.

import { Classifier } from "./classifier.js";
import { Tables } from "./tables.js";
import { Words } from "./words.js";

// payload: {module, models: [{name, config, tokenizer, tables}]}, every part but the name in base64 of gzip.
export async function openPayload(payload) {
  const module = await WebAssembly.compile(await unpacked(payload.module));
  return Promise.all(payload.models.map((model) => openModel(module, model)));
}

// One model of a payload, by a module that is compiled already. A converted fastText model has no tokenizer.
export async function openModel(module, { name, ...packed }) {
  const parts = Object.entries(packed).map(async ([part, text]) => [part, await unpacked(text)]);
  const files = Object.fromEntries(await Promise.all(parts));
  const config = JSON.parse(new TextDecoder().decode(files.config));
  const engine = new (config.fasttext ? Words : Tables)(module, files, config);
  return new Classifier({ ...config, name }, engine);
}

export async function unpacked(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; ++at) bytes[at] = characters.charCodeAt(at);
  return bytes;
}
