// The compiled core as WebAssembly: memory, calls and errors of one opened model.
//
// An int64_t of the C interface is a BigInt here. Arrays are written to memory as pairs of 32 bits where they are int64.

const BYTES = { i32: 4, f32: 4, f64: 8, i64: 8 };
const VIEWS = { i32: Int32Array, f32: Float32Array, f64: Float64Array, i64: BigInt64Array };
// Texts of one call of the core.
const BATCH = 512;
// Functions that the C library of a module imports, for files that a browser does not have: all of them fail.
const NO_SYSTEM = 52;

export class Core {
  // module: a WebAssembly.Module.
  constructor(module) {
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module))
      (imports[from] ??= {})[name] = () => NO_SYSTEM;
    this.wasm = new WebAssembly.Instance(module, imports).exports;
    this.wasm._initialize();
    this.scratch = new Map();
  }

  // The model that a function opens from the contents of its files (Uint8Array each).
  open(name, files) {
    const places = files.map((bytes) => [this.#store(bytes), bytes.length]);
    const model = this.call(name, ...places.flat());
    for (const [place] of places.slice(0, -1)) this.wasm.textcnn_free(place); // the last, the tables, are read where they lie
    return model;
  }

  // Calls a function of the C interface; an error that it stops with is thrown with its message.
  call(name, ...values) {
    try {
      return this.wasm["textcnn_" + name](...values);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      throw new Error(this.#text(this.wasm.textcnn_error()) || "out of memory", { cause: error });
    }
  }

  // An array in memory that is kept for later calls: where it lies. Its contents are those of the last call.
  room(name, type, count) {
    const bytes = BYTES[type] * Math.max(1, count);
    const known = this.scratch.get(name);
    if (known && known.bytes >= bytes) return known.place;
    if (known) this.wasm.textcnn_free(known.place);
    const place = this.#allocate(bytes);
    this.scratch.set(name, { place, bytes });
    return place;
  }

  // A view of memory, valid until the next call.
  view(place, type, count) {
    return new VIEWS[type](this.wasm.memory.buffer, place, count);
  }

  // Numbers of an int64 array that are small enough to be exact.
  integers(place, count) {
    return Array.from(this.view(place, "i64", count), Number);
  }

  // Texts in batches of one call each, written to memory: {begin, count, data, ends}.
  *batches(texts) {
    for (let begin = 0; begin < texts.length; begin += BATCH) {
      const count = Math.min(BATCH, texts.length - begin);
      yield { begin, count, ...this.texts(texts, begin, count) };
    }
  }

  // Writes `count` texts from the one at `first` on, one after the other in UTF-8, and where each ends; returns the two
  // places.
  texts(texts, first, count) {
    let most = 0;
    for (let n = 0; n < count; ++n) most += 3 * texts[first + n].length;
    const data = this.room("data", "i32", (most >> 2) + 1);
    const ends = this.room("ends", "i64", count);
    const bytes = new Uint8Array(this.wasm.memory.buffer, data, most);
    const halves = this.view(ends, "i32", 2 * count);
    let at = 0;
    for (let n = 0; n < count; ++n) {
      at += encoder.encodeInto(texts[first + n], at ? bytes.subarray(at) : bytes).written;
      halves[2 * n] = at;
      halves[2 * n + 1] = 0;
    }
    return { data, ends, bytes: at };
  }

  // Reads a pointer that a function has written, and frees what it points to once it is copied.
  taken(pointer, type, count) {
    const place = this.view(pointer, "i32", 1)[0] >>> 0;
    const values = type === "i64" ? this.integers(place, count) : this.view(place, type, count).slice();
    this.wasm.textcnn_free(place);
    return values;
  }

  #allocate(bytes) {
    const place = this.call("allocate", bytes);
    if (!place) throw new Error("out of memory");
    return place >>> 0;
  }

  #store(bytes) {
    const place = this.#allocate(bytes.length + 1);
    new Uint8Array(this.wasm.memory.buffer, place, bytes.length).set(bytes);
    return place;
  }

  #text(place) {
    const bytes = new Uint8Array(this.wasm.memory.buffer, place);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }
}

const encoder = new TextEncoder();
