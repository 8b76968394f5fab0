// What an ONNX file says of itself, read from its bytes: the fields of onnx.proto that the laboratory asks for.

// The fields of a message of protocol buffers: [number, a whole number or bytes].
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      if (at >= bytes.length) throw new TypeError("cut off");
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, kind] = [Math.floor(key / 8), key % 8];
    if (kind === 0) yield [number, varint()];
    else if (kind === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new TypeError("cut off");
      yield [number, bytes.subarray(at, at + length)];
      at += length;
    } else if (kind === 1 || kind === 5) at += kind === 1 ? 8 : 4;
    else throw new TypeError("no message");
  }
}

const all = (bytes, number) => [...fields(bytes)].filter(([k]) => k === number).map(([, value]) => value);
const last = (bytes, number) => (bytes ? all(bytes, number).at(-1) : undefined);
const text = (bytes) => new TextDecoder().decode(bytes ?? new Uint8Array());

// A ValueInfoProto: name, kind of numbers (1: float32), and axes, a number of each or null where it is free.
function value(bytes) {
  const tensor = last(last(bytes, 2), 1);
  const shape = last(tensor, 2);
  return {
    name: text(last(bytes, 1)),
    kind: last(tensor, 1),
    axes: shape && all(shape, 1).map((axis) => last(axis, 1) || null),
  };
}

// Inputs, outputs, whether weights lie in another file, and notes by key; null for what is no ONNX file.
export function described(bytes) {
  try {
    const [model] = all(bytes, 7);
    if (!model || !all(bytes, 1).length) return null;
    const weights = all(model, 5); // initializers, which older files list among the inputs, too
    const held = new Set(weights.map((one) => text(last(one, 8))));
    return {
      inputs: all(model, 11).map(value).filter(({ name }) => !held.has(name)),
      outputs: all(model, 12).map(value),
      elsewhere: weights.some((one) => last(one, 14) === 1),
      notes: Object.fromEntries(all(bytes, 14).map((note) => [text(last(note, 1)), text(last(note, 2))])),
    };
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
