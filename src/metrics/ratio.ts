/** @file Ratios that are 0 where their denominator is 0 (scikit-learn's `zero_division=0`). */

/** numerator / denominator, or 0 when the denominator is 0. */
export function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator;
}

/** Mean, or 0 of nothing. */
export function mean(values: readonly number[]): number {
  return ratio(sum(values), values.length);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
