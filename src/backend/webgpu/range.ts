/** @file Counting, for code that is written out step by step. */

/** 0 to length - 1. */
export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
