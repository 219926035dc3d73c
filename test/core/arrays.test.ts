import { expect, test } from "vitest";
import { concatArrays } from "../../src/core/arrays.ts";

test("parts stand one after another in memory of their own", () => {
  const part = Int32Array.of(1, 2);

  const whole = concatArrays(Int32Array, [part, new Int32Array(0), Int32Array.of(-3)]);
  part[0] = 9;

  expect(whole).toEqual(Int32Array.of(1, 2, -3));
  expect(concatArrays(Float32Array, [])).toEqual(new Float32Array(0));
});
