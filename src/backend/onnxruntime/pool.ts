/**
 * @file Buffers that are used again. A fresh array costs a page fault per 4 KiB, which is more than the arithmetic of an
 * addition; a training step asks for the same sizes over and over.
 */

export interface BufferPool {
  /** An array of exactly `length` numbers with arbitrary content. */
  take(length: number): Float32Array;
  /** Gives an array back that nobody reads any more. */
  give(buffer: Float32Array): void;
  readonly idleBytes: () => number;
}

/** A pool by exact length that keeps at most `limitBytes` of idle buffers. */
export function createPool(limitBytes: number): BufferPool {
  const idle = new Map<number, Float32Array[]>();
  let idleBytes = 0;
  return {
    take: (length) => {
      const buffer = idle.get(length)?.pop();
      if (buffer === undefined) return new Float32Array(length);
      idleBytes -= buffer.byteLength;
      return buffer;
    },
    give: (buffer) => {
      if (idleBytes + buffer.byteLength > limitBytes) return;
      idleBytes += buffer.byteLength;
      const shelf = idle.get(buffer.length);
      if (shelf === undefined) idle.set(buffer.length, [buffer]);
      else shelf.push(buffer);
    },
    idleBytes: () => idleBytes,
  };
}
