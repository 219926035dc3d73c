/**
 * @file Counter-based randomness: every draw is a pure function of a key, so that resuming,
 * sharding or reordering work never changes a number.
 */

/** A stream of numbers that belongs to one key, e.g. `rng(seed, "mixture", stage, epoch, clipId)`. */
export interface Rng {
  /** Uniform in [0, 1). */
  readonly uniform: () => number;
  /** Uniform integer in [0, bound). */
  readonly integer: (bound: number) => number;
  /** Standard normal. */
  readonly normal: () => number;
  /** One element; the list must not be empty. */
  readonly pick: <T>(items: readonly T[]) => T;
  /** A new array in random order. */
  readonly shuffle: <T>(items: readonly T[]) => T[];
}

/** The stream of a key; equal keys give equal streams on every machine. */
export function rng(...key: readonly (string | number)[]): Rng {
  let counter = 0;
  const [low, high] = counterKey(...key);
  const uniform = (): number => {
    counter += 1;
    const a = mix(low ^ Math.imul(counter, 0x9e3779b9));
    const b = mix(high ^ Math.imul(counter, 0x85ebca6b) ^ a);
    return ((a >>> 5) * 67108864 + (b >>> 6)) / 9007199254740992;
  };
  const integer = (bound: number): number => Math.floor(uniform() * bound);
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    pick: (items) => {
      const item = items[integer(items.length)];
      if (item === undefined) throw new RangeError("pick from an empty list");
      return item;
    },
    shuffle: (items) => {
      const shuffled = [...items];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        const swap = shuffled[i]!;
        shuffled[i] = shuffled[j]!;
        shuffled[j] = swap;
      }
      return shuffled;
    },
  };
}

/** Two 32-bit words that stand for a key, for generators that count by themselves. */
export function counterKey(...key: readonly (string | number)[]): readonly [low: number, high: number] {
  return hashKey(key.map((part) => `${typeof part}:${part}`).join("\u0000"));
}

/** Two 32-bit FNV-1a hashes with different offsets. */
function hashKey(text: string): [number, number] {
  let low = 0x811c9dc5;
  let high = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x01000193) ^ (low >>> 15);
  }
  return [mix(low), mix(high)];
}

/** The 32-bit finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
