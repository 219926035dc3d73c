import { expect, test } from "vitest";
import { createPool } from "../../../src/backend/onnxruntime/pool.ts";

const BYTES = 4;

test("a buffer that was given back is taken again, for its exact length only", () => {
  const pool = createPool(100 * BYTES);
  const buffer = pool.take(10);

  pool.give(buffer);

  expect(pool.idleBytes()).toBe(10 * BYTES);
  expect(pool.take(9)).not.toBe(buffer);
  expect(pool.take(10)).toBe(buffer);
  expect(pool.take(10)).not.toBe(buffer); // it is out
  expect(pool.idleBytes()).toBe(0);
});

test("no two takers hold one buffer", () => {
  const pool = createPool(100 * BYTES);
  pool.give(pool.take(5));
  pool.give(pool.take(5));

  const taken = [pool.take(5), pool.take(5), pool.take(5)];

  expect(new Set(taken).size).toBe(3);
  expect(taken.map(({ length }) => length)).toEqual([5, 5, 5]);
});

test("idle buffers stay below the limit; what would exceed it is left to the garbage collector", () => {
  const pool = createPool(25 * BYTES);
  const buffers = [pool.take(10), pool.take(10), pool.take(10), pool.take(5)];

  for (const buffer of buffers) pool.give(buffer);

  expect(pool.idleBytes()).toBe(25 * BYTES); // 10 + 10 + 5; the third ten did not fit
  expect([pool.take(10), pool.take(10)]).toEqual(expect.arrayContaining([buffers[0], buffers[1]]));
  expect(pool.take(10)).not.toBe(buffers[2]);
  expect(pool.take(5)).toBe(buffers[3]);
});
