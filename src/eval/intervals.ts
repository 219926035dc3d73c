/** @file The bootstrap of a scores file: always the same number of resamples and the same seed, both written down. */
import { bootstrapIntervals, countUnits } from "../metrics/bootstrap.ts";
import type { Intervals } from "../metrics/bootstrap.ts";
import type { Counted } from "../metrics/counts.ts";

export interface BootstrapInfo {
  /** What is drawn: rows of one record, dialogue or video share a fate. */
  readonly unit: string;
  readonly units: number;
  readonly resamples: number;
  readonly seed: number;
  /** Share of the resamples that the interval holds. */
  readonly level: number;
}

const RESAMPLES = 1000;
const SEED = 1;

/** @param units - the unit of every row; `unit` names their kind. */
export function intervalsOf(
  counted: Counted<{ readonly metrics: Readonly<Record<string, number>> }>,
  { units, unit }: { readonly units: readonly string[]; readonly unit: string },
): { readonly intervals: Intervals; readonly bootstrap: BootstrapInfo } {
  return {
    intervals: bootstrapIntervals(counted, ({ metrics }) => metrics, { units, resamples: RESAMPLES, seed: SEED }),
    bootstrap: { unit, units: countUnits(units), resamples: RESAMPLES, seed: SEED, level: 0.95 },
  };
}
