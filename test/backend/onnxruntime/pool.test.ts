import { expect, test } from "vitest";
import { createPool } from "../../../src/backend/onnxruntime/pool.ts";

const BYTES = 4;
const ROOMY = { spareShare: 0, leastBytes: 100 * BYTES };

test("a buffer that was given back is taken again, for its exact length only", () => {
  const pool = createPool(ROOMY);
  const buffer = pool.take(10);

  pool.give(buffer);

  expect(pool.idleBytes()).toBe(10 * BYTES);
  expect(pool.take(9)).not.toBe(buffer);
  expect(pool.take(10)).toBe(buffer);
  expect(pool.take(10)).not.toBe(buffer); // it is out
  expect(pool.idleBytes()).toBe(0);
});

test("no two takers hold one buffer", () => {
  const pool = createPool(ROOMY);
  pool.give(pool.take(5));
  pool.give(pool.take(5));

  const taken = [pool.take(5), pool.take(5), pool.take(5)];

  expect(new Set(taken).size).toBe(3);
  expect(taken.map(({ length }) => length)).toEqual([5, 5, 5]);
});

test("everything that was ever in use at once may wait for the next time", () => {
  const pool = createPool({ spareShare: 0, leastBytes: 0 });
  const buffers = [pool.take(10), pool.take(10), pool.take(5)];

  for (const buffer of buffers) pool.give(buffer);

  expect(pool.idleBytes()).toBe(25 * BYTES);
  expect(new Set([pool.take(10), pool.take(10), pool.take(5)])).toEqual(new Set(buffers));
});

test("beyond it by more than the spare share, the length that was not used for longest is freed first", () => {
  const pool = createPool({ spareShare: 0.5, leastBytes: 0 });
  const [ten, eight] = [pool.take(10), pool.take(8)]; // 18 in use at most: 27 may stay
  pool.give(ten);
  pool.give(eight);
  pool.give(pool.take(9)); // 27
  expect(pool.idleBytes()).toBe(27 * BYTES);
  pool.give(pool.take(10)); // the ten is younger than the eight now

  pool.give(pool.take(7)); // 34: the eight goes

  expect(pool.idleBytes()).toBe((10 + 9 + 7) * BYTES);
  expect(pool.take(8)).not.toBe(eight);
  expect(pool.take(10)).toBe(ten);
});

test("batches whose sizes never repeat do not pile up", () => {
  const pool = createPool({ spareShare: 0.5, leastBytes: 0 });

  for (let size = 100; size < 200; size++) pool.give(pool.take(size));

  expect(pool.idleBytes()).toBeLessThanOrEqual(1.5 * 199 * BYTES);
  expect(pool.idleBytes()).toBeGreaterThanOrEqual(199 * BYTES);
});

test("a buffer that somebody else keeps is not waited for", () => {
  const pool = createPool({ spareShare: 0, leastBytes: 0 });
  for (let i = 0; i < 50; i++) pool.forget(pool.take(10)); // never more than ten in use

  pool.give(pool.take(10));
  pool.give(pool.take(4));

  expect(pool.idleBytes()).toBe(4 * BYTES);
});
