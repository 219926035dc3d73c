/** @file Rules without a model: what a score has to beat. */
import { goldOf, type Sample, type ScoredRow } from "./task.ts";

/** What a rule would have answered to each sample, in the shape of predictions. */
export function answerByRule(samples: readonly Sample[], rule: (sample: Sample) => string): readonly ScoredRow[] {
  return samples.map((sample) => ({ id: sample.id, gold: goldOf(sample), response: rule(sample) }));
}

/** The value that occurs most often; among equals the one that comes first; undefined for an empty list. */
export function mostFrequent(values: readonly string[]): string | undefined {
  return byFrequency(values)[0]?.value;
}

/** Distinct values with their counts, most frequent first; equals keep the order of their first occurrence. */
export function byFrequency(values: readonly string[]): readonly { readonly value: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count);
}
