/** @file Accuracy. */

/** Share of positions where both lists agree, in [0, 1]; undefined predictions are wrong; 0 for empty lists. */
export function accuracy<T>(gold: readonly T[], predicted: readonly (T | undefined)[]): number {
  const right = gold.filter((answer, row) => predicted[row] === answer).length;
  return gold.length === 0 ? 0 : right / gold.length;
}
