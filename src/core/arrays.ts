/** @file Typed arrays. */

type NumberArray = Float32Array | Int32Array | Uint8Array;

/** The parts one after another in a new array. */
export function concatArrays<A extends NumberArray>(ArrayType: new (length: number) => A, parts: readonly ArrayLike<number>[]): A {
  const whole = new ArrayType(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}
