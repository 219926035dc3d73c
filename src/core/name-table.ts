/** @file A number for each of very many names, in some 30 bytes a name: 64 bits of a hash stand for it. */

export interface NameTable {
  /** The number that the name was given before; otherwise undefined, and the name has `number` from now on. */
  claim(name: string, number: number): number | undefined;
  has(name: string): boolean;
}

const FIRST_SLOTS = 1 << 10;
/** Share of the slots that may be taken; beyond it runs of taken slots grow long. */
const MOST_FILLED = 0.6;

/** Two names are taken for one when all 64 bits agree: for ten million names a chance of about three in a million. */
export function createNameTable(): NameTable {
  let slots = emptySlots(FIRST_SLOTS);
  let taken = 0;
  return {
    has: (name) => slots.isTaken[findSlot(slots, ...hash64(name))] === 1,
    claim: (name, number) => {
      if (taken >= MOST_FILLED * slots.low.length) slots = enlarged(slots);
      const [low, high] = hash64(name);
      const slot = findSlot(slots, low, high);
      if (slots.isTaken[slot] === 1) return slots.numbers[slot];
      put(slots, slot, { low, high, number });
      taken += 1;
      return undefined;
    },
  };
}

/** Open addressing: a name stands in the first free slot from that of its hash on. */
interface Slots {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
  readonly numbers: Float64Array;
  readonly isTaken: Uint8Array;
}

function emptySlots(count: number): Slots {
  return { low: new Uint32Array(count), high: new Uint32Array(count), numbers: new Float64Array(count), isTaken: new Uint8Array(count) };
}

/** The slot of the hash, or the free one where it belongs. */
function findSlot({ low: lows, high: highs, isTaken }: Slots, low: number, high: number): number {
  const last = lows.length - 1;
  let slot = low & last;
  while (isTaken[slot] === 1 && (lows[slot] !== low || highs[slot] !== high)) slot = (slot + 1) & last;
  return slot;
}

function put(slots: Slots, slot: number, { low, high, number }: { readonly low: number; readonly high: number; readonly number: number }): void {
  slots.low[slot] = low;
  slots.high[slot] = high;
  slots.numbers[slot] = number;
  slots.isTaken[slot] = 1;
}

function enlarged(old: Slots): Slots {
  const slots = emptySlots(2 * old.low.length);
  for (let i = 0; i < old.low.length; i++) {
    if (old.isTaken[i] !== 1) continue;
    const [low, high] = [old.low[i] ?? 0, old.high[i] ?? 0];
    put(slots, findSlot(slots, low, high), { low, high, number: old.numbers[i] ?? 0 });
  }
  return slots;
}

/** Two lanes of multiply-and-xor over the code units, each finished with MurmurHash3's mixer (Appleby). */
function hash64(text: string): readonly [low: number, high: number] {
  let [a, b] = [0x9e3779b9, 0x85ebca6b];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul((b << 13) | (b >>> 19), 0x1b873593) ^ Math.imul(unit, 0xcc9e2d51);
  }
  return [mixed(a ^ text.length), mixed(b ^ a)];
}

function mixed(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
