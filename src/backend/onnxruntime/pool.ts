/**
 * @file Buffers that are used again. A fresh array costs a page fault per 4 KiB, which is more than the arithmetic of an
 * addition; a training step asks for the same sizes over and over.
 */

export interface BufferPool {
  /** An array of exactly `length` numbers with arbitrary content. */
  take(length: number): Float32Array;
  /** Gives an array back that nobody reads any more. */
  give(buffer: Float32Array): void;
  /** The array will not come back: somebody else keeps it. */
  forget(buffer: Float32Array): void;
  readonly idleBytes: () => number;
}

export interface PoolLimits {
  /** Idle bytes beyond the most that were ever in use at once, as a share of these. Batches of changing size would pile up buffers otherwise. */
  readonly spareShare: number;
  /** Up to here nothing is freed. */
  readonly leastBytes: number;
}

/** A pool by exact length. What would exceed its limits is freed, lengths first that have not been asked for or given back for longest. */
export function createPool({ spareShare, leastBytes }: PoolLimits): BufferPool {
  // In the order of last use.
  const shelves = new Map<number, Float32Array[]>();
  let [idleBytes, usedBytes, mostUsedBytes] = [0, 0, 0];

  /** The buffers of a length, which counts as used last. */
  const shelfOf = (length: number): Float32Array[] => {
    const shelf = shelves.get(length) ?? [];
    shelves.delete(length);
    shelves.set(length, shelf);
    return shelf;
  };
  const freeOldest = (): void => {
    const [[length, shelf] = [0, []]] = shelves;
    idleBytes -= shelf.pop()?.byteLength ?? 0;
    if (shelf.length === 0) shelves.delete(length);
  };
  return {
    take: (length) => {
      const idle = shelfOf(length).pop();
      const buffer = idle ?? new Float32Array(length);
      if (idle !== undefined) idleBytes -= buffer.byteLength;
      usedBytes += buffer.byteLength;
      mostUsedBytes = Math.max(mostUsedBytes, usedBytes);
      return buffer;
    },
    give: (buffer) => {
      shelfOf(buffer.length).push(buffer);
      usedBytes -= buffer.byteLength;
      idleBytes += buffer.byteLength;
      const limit = Math.max(leastBytes, (1 + spareShare) * mostUsedBytes);
      while (idleBytes > 0 && idleBytes + usedBytes > limit) freeOldest();
    },
    forget: (buffer) => {
      usedBytes -= buffer.byteLength;
    },
    idleBytes: () => idleBytes,
  };
}
