// Tensors of folded.safetensors, the few that JavaScript reads itself.

// The header, and functions that return a tensor of float32 or of int32 by its name.
export function tensorsOf(bytes) {
  const size = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  const content = (name) => {
    const [begin, end] = header[name].data_offsets;
    return bytes.slice(8 + size + begin, 8 + size + end).buffer;
  };
  return {
    header,
    floats: (name) => new Float32Array(content(name)),
    integers: (name) => new Int32Array(content(name)),
  };
}
