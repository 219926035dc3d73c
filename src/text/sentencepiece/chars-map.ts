/**
 * @file Compiled normalisation rules: the length of a trie, the trie (a double array of 32-bit units, as darts-clone
 * writes it), then the replacements, each ended by a zero byte.
 * @see sentencepiece, src/normalizer.cc; darts-clone, DoubleArrayUnit
 */

/** Longest rule that applies at byte `at`: what it writes and how many bytes it replaces. */
export type FindRule = (text: Uint8Array, at: number) => { readonly replacement: Uint8Array; readonly length: number } | undefined;

/** @throws Error - when the trie does not fit into the bytes. */
export function compileCharsMap(bytes: Uint8Array): FindRule {
  if (bytes.length === 0) return () => undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const trieBytes = bytes.length < 4 ? Infinity : view.getUint32(0, true);
  if (trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length) throw new Error(`its normalisation rules say ${trieBytes} bytes of ${bytes.length}`);
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const replacements = bytes.subarray(4 + trieBytes);
  return (text, at) => {
    const found = longestMatch(units, text, at);
    if (found === undefined) return undefined;
    const end = replacements.indexOf(0, found.value);
    return { replacement: replacements.subarray(found.value, end < 0 ? undefined : end), length: found.length };
  };
}

function longestMatch(units: Uint32Array, text: Uint8Array, at: number): { value: number; length: number } | undefined {
  let node = offsetOf(units[0] ?? 0);
  let longest: { value: number; length: number } | undefined;
  for (let i = at; i < text.length; i++) {
    const byte = text[i] ?? 0;
    node ^= byte;
    const unit = units[node];
    if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) break;
    node ^= offsetOf(unit);
    if (((unit >>> 8) & 1) === 1) longest = { value: (units[node] ?? 0) & 0x7fffffff, length: i - at + 1 };
  }
  return longest;
}

function offsetOf(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}
