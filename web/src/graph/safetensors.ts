/** Reads a safetensors container: named little-endian arrays behind a JSON header. */

export interface Container {
  arrays: Map<string, Tensor>;
  metadata: Record<string, string>;
}

export interface Tensor {
  dtype: string;
  shape: number[];
  /** A view of the file's own bytes where they are aligned, otherwise a copy. */
  data: TensorData;
}

export type TensorData =
  Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

const READERS: Record<
  string,
  { bytes: number; view: (buffer: ArrayBuffer, at: number, n: number) => TensorData }
> = {
  U8: { bytes: 1, view: (buffer, at, n) => new Uint8Array(buffer, at, n) },
  I8: { bytes: 1, view: (buffer, at, n) => new Int8Array(buffer, at, n) },
  I16: { bytes: 2, view: (buffer, at, n) => new Int16Array(buffer, at, n) },
  I32: { bytes: 4, view: (buffer, at, n) => new Int32Array(buffer, at, n) },
  I64: { bytes: 8, view: (buffer, at, n) => new BigInt64Array(buffer, at, n) },
  F32: { bytes: 4, view: (buffer, at, n) => new Float32Array(buffer, at, n) },
  F64: { bytes: 8, view: (buffer, at, n) => new Float64Array(buffer, at, n) },
};

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Throws a sentence for bytes that are cut off or not such a container. */
export function readSafetensors(file: ArrayBuffer): Container {
  if (file.byteLength < 8) throw new Error("The file is empty or was cut off at its start.");
  const headerBytes = Number(new DataView(file).getBigUint64(0, true));
  if (headerBytes > file.byteLength - 8) throw new Error("The file was cut off, or is not a .clew file.");
  const header = parseHeader(new Uint8Array(file, 8, headerBytes));
  const { __metadata__: metadata = {}, ...entries } = header;
  const arrays = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(entries)) {
    const tensor = readTensor(file, 8 + headerBytes, name, entry as Entry);
    if (tensor) arrays.set(name, tensor);
  }
  return { arrays, metadata: metadata as Record<string, string> };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (header && typeof header === "object") return header as Record<string, unknown>;
  } catch {
    // The error below says so.
  }
  throw new Error("The file is damaged: its header cannot be read.");
}

function readTensor(file: ArrayBuffer, begin: number, name: string, entry: Entry): Tensor | null {
  const reader = READERS[entry.dtype];
  if (!reader) return null;
  const [from, to] = entry.data_offsets;
  const count = entry.shape.reduce((product, size) => product * size, 1);
  if (to - from !== count * reader.bytes || begin + to > file.byteLength || from < 0)
    throw new Error(`The file is damaged: the array ${name} does not fit its shape.`);
  const at = begin + from;
  const buffer = at % reader.bytes === 0 ? file : file.slice(at, begin + to);
  return {
    dtype: entry.dtype,
    shape: entry.shape,
    data: reader.view(buffer, buffer === file ? at : 0, count),
  };
}
