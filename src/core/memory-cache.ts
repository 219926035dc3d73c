/** @file Values kept in memory up to a number of bytes, over all shelves of a budget together: what was not asked for longest leaves first. */

interface Held {
  readonly bytes: number;
  readonly drop: () => void;
}

/** The bytes that the shelves share. */
export class MemoryBudget {
  readonly #mostBytes: number;
  /** The least recently used first. */
  readonly #held = new Set<Held>();
  #bytes = 0;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  add(held: Held): void {
    this.#held.add(held);
    this.#bytes += held.bytes;
    for (const oldest of this.#held) {
      if (this.#bytes <= this.#mostBytes) break;
      this.remove(oldest);
      oldest.drop();
    }
  }

  touch(held: Held): void {
    this.#held.delete(held);
    this.#held.add(held);
  }

  remove(held: Held): void {
    if (this.#held.delete(held)) this.#bytes -= held.bytes;
  }
}

/** Values of one kind by key. */
export class MemoryShelf<V> {
  readonly #budget: MemoryBudget;
  readonly #entries = new Map<string, Held & { readonly value: V }>();

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#budget.touch(entry);
    return entry?.value;
  }

  /** Keeps the value as long as there is room; one larger than the budget leaves at once. */
  set(key: string, value: V, bytes: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#budget.remove(before);
    const entry = { value, bytes, drop: () => this.#entries.delete(key) };
    this.#entries.set(key, entry);
    this.#budget.add(entry);
  }
}
