import { expect, test } from "vitest";
import { bufferNumber, createBuffers } from "../../../src/backend/webgpu/buffers.ts";
import { rng } from "../../../src/core/rng.ts";

const STORAGE = 128;
const MEGABYTE = 1 << 20;
/** What the pool may hold before it frees anything. */
const LEAST = 256 * MEGABYTE;

test("a step that repeats meets the same buffers in the same places", () => {
  const { pool } = poolOf();
  const step = (): number[] => {
    const [a, b] = [pool.acquireBuffer(64, STORAGE), pool.acquireBuffer(64, STORAGE)];
    pool.releaseBuffer(a);
    const [c, d] = [pool.acquireBuffer(64, STORAGE), pool.acquireBuffer(32, STORAGE)];
    for (const buffer of [d, b, c]) pool.releaseBuffer(buffer);
    return [a, b, c, d].map(bufferNumber);
  };

  const [first, second, third] = [step(), step(), step()];

  expect(first[2]).toBe(first[0]); // what was free is given out again
  expect([second, third]).toEqual([first, first]);
});

test("buffers of another size or use, and those not to be shared, are not given out", () => {
  const { pool, destroyed } = poolOf();
  const buffer = pool.acquireBuffer(64, STORAGE);
  pool.releaseBuffer(buffer);

  const others = [pool.acquireBuffer(65, STORAGE), pool.acquireBuffer(64, STORAGE + 1), pool.acquireBuffer(64, STORAGE, true, false)];

  expect(others).not.toContain(buffer);
  expect(pool.numBytesUsed).toBe(65 + 64 + 64);
  expect(pool.numBytesAllocated).toBe(64 + 65 + 64 + 64);
  pool.releaseBuffer(others[2]!, false);
  expect(destroyed).toEqual(new Set([others[2]]));
  expect(pool.numBytesAllocated).toBe(64 + 65 + 64);
});

test("sizes that never come again do not pile up, and what is in use is never freed", () => {
  const { pool, destroyed, freed } = poolOf();
  const draw = rng("buffers");
  const held: GPUBuffer[] = [];
  let [mostUsed, mostAllocated] = [0, 0];
  for (let i = 0; i < 2000; i++) {
    while (held.length > 12) pool.releaseBuffer(held.splice(draw.integer(held.length), 1)[0]!);
    const buffer = pool.acquireBuffer(MEGABYTE * (1 + draw.integer(100)), STORAGE);
    expect(destroyed.has(buffer)).toBe(false);
    held.push(buffer);
    mostUsed = Math.max(mostUsed, pool.numBytesUsed);
    mostAllocated = Math.max(mostAllocated, pool.numBytesAllocated);
    expect(held.some((own) => destroyed.has(own))).toBe(false);
    expect(pool.numBytesUsed).toBe(held.reduce((sum, { size }) => sum + size, 0));
  }

  expect(mostUsed).toBeGreaterThan(2 * LEAST);
  expect(mostAllocated).toBeLessThanOrEqual(1.5 * mostUsed + 100 * MEGABYTE); // the last one is taken before room is made
  expect(destroyed.size).toBeGreaterThan(100);
  expect(freed()).toBeGreaterThan(0);
});

test("what lies idle longest goes first; a small pool keeps everything", () => {
  const { pool, destroyed } = poolOf();
  const use = (megabytes: number): GPUBuffer => {
    const buffer = pool.acquireBuffer(megabytes * MEGABYTE, STORAGE);
    pool.releaseBuffer(buffer);
    return buffer;
  };
  const [often, rare] = [use(99), use(100)];
  expect(use(99)).toBe(often);
  expect(destroyed.size).toBe(0);

  use(98);

  expect([...destroyed]).toEqual([rare]);
  expect(use(99)).toBe(often);
});

test("before the pool takes more than it may, what lies idle longest is freed; what is in use is not", () => {
  const { pool, destroyed } = poolOf(100 * MEGABYTE);
  const [first, second, held] = [pool.acquireBuffer(30 * MEGABYTE, STORAGE), pool.acquireBuffer(31 * MEGABYTE, STORAGE), pool.acquireBuffer(32 * MEGABYTE, STORAGE)];
  pool.releaseBuffer(first);
  pool.releaseBuffer(second);
  pool.acquireBuffer(7 * MEGABYTE, STORAGE);
  expect(destroyed.size).toBe(0); // 100 MB, all of it

  pool.acquireBuffer(8 * MEGABYTE, STORAGE);

  expect([...destroyed]).toEqual([first]);
  expect(pool.numBytesAllocated).toBe(78 * MEGABYTE);
  pool.acquireBuffer(200 * MEGABYTE, STORAGE);
  expect([...destroyed]).toEqual([first, second]);
  expect(pool.numBytesAllocated).toBe(247 * MEGABYTE);
  pool.releaseBuffer(held);
  expect([...destroyed]).toEqual([first, second, held]);
});

test("closing frees all of them", () => {
  const { pool, destroyed } = poolOf();
  const buffers = [pool.acquireBuffer(8, STORAGE), pool.acquireBuffer(8, STORAGE)];
  pool.releaseBuffer(buffers[0]!);

  pool.dispose();

  expect(destroyed).toEqual(new Set(buffers));
  expect([pool.numBytesUsed, pool.numBytesAllocated]).toEqual([0, 0]);
});

function poolOf(most?: number): { pool: ReturnType<typeof createBuffers>; destroyed: Set<GPUBuffer>; freed: () => number } {
  const destroyed = new Set<GPUBuffer>();
  let freed = 0;
  const createBuffer = ({ size, usage }: GPUBufferDescriptor): GPUBuffer => {
    const buffer = { size, usage, destroy: () => void destroyed.add(buffer) } as unknown as GPUBuffer;
    return buffer;
  };
  const pool = createBuffers({ createBuffer } as unknown as GPUDevice, { onFreed: () => (freed += 1), ...(most === undefined ? {} : { most }) });
  return { pool, destroyed, freed: () => freed };
}
