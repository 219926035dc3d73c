/** @file The content of a cache file: a line of JSON with the key, the bytes of every part and a checksum, then the parts. */
import { sha256 } from "./hash.ts";
import { jsonOrUndefined } from "./json.ts";

/** The header is filled up with spaces to a multiple of this, so that numbers behind it are aligned. */
const ALIGNMENT = 8;

/** The file's bytes, in pieces; an absent part is told from an empty one. */
export function renderEntry(key: string, parts: Readonly<Record<string, Uint8Array | undefined>>): Uint8Array[] {
  const payload = Object.values(parts).filter((part) => part !== undefined);
  const sizes = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part?.byteLength ?? null]));
  const header = JSON.stringify({ key, ...sizes, sha256: sha256(...payload) });
  const missing = (ALIGNMENT - ((Buffer.byteLength(header) + 1) % ALIGNMENT)) % ALIGNMENT;
  return [Buffer.from(`${header}${" ".repeat(missing)}\n`), ...payload];
}

/** The parts, as views of the content; undefined when it is not, to the byte, what was written under this key with these names. */
export function parseEntry<N extends string>(content: Uint8Array, key: string, names: readonly N[]): Partial<Record<N, Uint8Array>> | undefined {
  const headerEnd = content.indexOf(0x0a);
  const header = parseHeader(Buffer.from(content.buffer, content.byteOffset, Math.max(0, headerEnd)).toString("utf8"));
  const payload = new Uint8Array(content.buffer, content.byteOffset + headerEnd + 1, content.byteLength - headerEnd - 1);
  if (header?.["key"] !== key || header["sha256"] !== sha256(payload)) return undefined;
  const parts: Partial<Record<N, Uint8Array>> = {};
  let start = 0;
  for (const name of names) {
    const size = header[name];
    if (size === null) continue;
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
    parts[name] = payload.subarray(start, (start += size));
  }
  return start === payload.length && Object.keys(header).length === names.length + 2 ? parts : undefined;
}

function parseHeader(text: string): Readonly<Record<string, unknown>> | undefined {
  const parsed = jsonOrUndefined(text); // undefined: the entry counts as damaged and is made again
  return typeof parsed === "object" && parsed !== null ? { ...parsed } : undefined;
}
