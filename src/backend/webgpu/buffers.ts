/**
 * @file The buffers of a device, in place of tfjs's pool. A free buffer is given out in the order of their making, so that a
 * step that repeats meets the same buffers in the same places, and what was set up for them serves again. What lies idle
 * longest is freed once the pool holds half as much again as was ever in use, for batches of changing size would pile up, and
 * before the pool takes more than the card has.
 */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";

type BufferManager = WebGPUBackend["bufferManager"];

const SPARE_SHARE = 0.5;
/** Up to here nothing is freed. */
const LEAST_BYTES = 1 << 28;

interface Shelf {
  /** By falling number; the last is the next to be given out. */
  readonly idle: GPUBuffer[];
}

interface Known {
  /** By the order of making. */
  readonly number: number;
  /** Asking Dawn costs more than remembering. */
  readonly size: number;
  readonly usage: number;
}

const known = new WeakMap<GPUBuffer, Known>();
let made = 0;

/** Tells buffers apart. */
export function bufferNumber(buffer: GPUBuffer): number {
  return factsOf(buffer).number;
}

function factsOf(buffer: GPUBuffer): Known {
  const before = known.get(buffer);
  if (before !== undefined) return before;
  const facts = { number: (made += 1), size: buffer.size, usage: buffer.usage };
  known.set(buffer, facts);
  return facts;
}

interface PoolOptions {
  /** Is told of buffers that are no more. */
  readonly onFreed: () => void;
  /** Bytes beyond which nothing lies idle; what is in use may take more. */
  readonly most?: number;
}

/** A pool that tfjs's backend can work with. */
export function createBuffers(device: GPUDevice, { onFreed, most = Infinity }: PoolOptions): Pick<BufferManager, "acquireBuffer" | "releaseBuffer" | "dispose"> & { readonly numBytesUsed: number; readonly numBytesAllocated: number } {
  // In the order of last use.
  const shelves = new Map<string, Shelf>();
  const live = new Set<GPUBuffer>();
  let [used, allocated, mostUsed] = [0, 0, 0];

  const shelfOf = (size: number, usage: number): Shelf => {
    const key = `${size}/${usage}`;
    const shelf = shelves.get(key) ?? { idle: [] };
    shelves.delete(key);
    shelves.set(key, shelf);
    return shelf;
  };
  const free = (buffer: GPUBuffer): void => {
    allocated -= factsOf(buffer).size;
    live.delete(buffer);
    buffer.destroy();
  };
  const trim = (limit: number): void => {
    if (allocated <= limit) return;
    for (const [key, { idle }] of shelves) {
      while (idle.length > 0 && allocated > limit) free(idle.shift()!);
      if (idle.length === 0) shelves.delete(key);
      if (allocated <= limit) break;
    }
    onFreed();
  };
  return {
    acquireBuffer: (size, usage, mappedAtCreation = false, reuse = true) => {
      const idle = reuse ? shelfOf(size, usage).idle.pop() : undefined;
      if (idle === undefined) trim(most - size);
      const buffer = idle ?? device.createBuffer({ size, usage, mappedAtCreation });
      if (idle === undefined) {
        allocated += size;
        live.add(buffer);
        factsOf(buffer);
      }
      used += size;
      mostUsed = Math.max(mostUsed, used);
      return buffer;
    },
    releaseBuffer: (buffer, reuse = true) => {
      const { size, usage } = factsOf(buffer);
      used -= size;
      if (!reuse) {
        free(buffer);
        return;
      }
      insertByNumber(shelfOf(size, usage).idle, buffer);
      trim(Math.min(most, Math.max(LEAST_BYTES, (1 + SPARE_SHARE) * mostUsed)));
    },
    dispose: () => {
      for (const buffer of live) buffer.destroy();
      live.clear();
      shelves.clear();
      [used, allocated] = [0, 0];
    },
    get numBytesUsed() {
      return used;
    },
    get numBytesAllocated() {
      return allocated;
    },
  };
}

/** Keeps falling order; most buffers come back near the end. */
function insertByNumber(idle: GPUBuffer[], buffer: GPUBuffer): void {
  const number = bufferNumber(buffer);
  let at = idle.length;
  while (at > 0 && bufferNumber(idle[at - 1]!) < number) at -= 1;
  idle.splice(at, 0, buffer);
}
