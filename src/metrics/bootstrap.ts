/** @file Bootstrap: how far a score would move with other samples of the same kind. */
import { rng } from "../core/rng.ts";
import { addCounts } from "./counts.ts";
import type { Counted, Counts } from "./counts.ts";

export interface BootstrapOptions {
  /** The unit that a row belongs to, in the order of the rows: rows of one dialogue are drawn together. */
  readonly units: readonly string[];
  readonly resamples: number;
  readonly seed: number;
}

export type Intervals = Readonly<Record<string, readonly [low: number, high: number]>>;

/**
 * Percentile intervals (2.5 % to 97.5 %, between ranks linear as NumPy's) of every metric: units are drawn with
 * replacement, as many as there are. A metric that a resample does not have (a correlation of constants) is left out there.
 */
export function bootstrapIntervals<Scores>(counted: Counted<Scores>, metricsOf: (scores: Scores) => Readonly<Record<string, number>>, { units, resamples, seed }: BootstrapOptions): Intervals {
  const sums = unitSums(counted.rows, units);
  if (sums.length === 0) return {};
  const values = new Map<string, number[]>();
  const random = rng("bootstrap", seed);
  for (let resample = 0; resample < resamples; resample++) {
    const metrics = metricsOf(counted.scoresOf(drawSum(sums, random.integer)));
    for (const [name, value] of Object.entries(metrics)) {
      if (!Number.isFinite(value)) continue;
      const list = values.get(name);
      if (list === undefined) values.set(name, [value]);
      else list.push(value);
    }
  }
  return Object.fromEntries([...values].map(([name, list]) => [name, interval(list)]));
}

/** Number of different units. */
export function countUnits(units: readonly string[]): number {
  return new Set(units).size;
}

function unitSums(rows: readonly Counts[], units: readonly string[]): readonly Counts[] {
  const byUnit = new Map<string, Counts[]>();
  rows.forEach((row, i) => {
    const unit = units[i] ?? "";
    const list = byUnit.get(unit);
    if (list === undefined) byUnit.set(unit, [row]);
    else list.push(row);
  });
  return [...byUnit.values()].map(addCounts);
}

function drawSum(sums: readonly Counts[], integer: (bound: number) => number): Counts {
  const total = new Float64Array(sums[0]?.length ?? 0);
  for (const _ of sums) {
    const drawn = sums[integer(sums.length)]!;
    for (let i = 0; i < total.length; i++) total[i] = total[i]! + drawn[i]!;
  }
  return total;
}

function interval(values: number[]): readonly [number, number] {
  const sorted = Float64Array.from(values).sort();
  return [quantile(sorted, 0.025), quantile(sorted, 0.975)];
}

function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? Number.NaN;
  return low + (place - below) * ((sorted[below + 1] ?? low) - low);
}
