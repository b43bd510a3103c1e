// The entry of an exported ES module: `load()` opens the model that stands in the file.

import { openPayload } from "./payload.js";

let opened;

export function load() {
  opened ??= openPayload(PAYLOAD).then(([classifier]) => classifier);
  return opened;
}
