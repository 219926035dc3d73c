/**
 * @file Mixture: which samples an epoch holds. Every decision is a pure function of (seed, stage, epoch, unit, task), so
 * that resuming, sharding or adding data changes no other decision. Mixing comes before packing: levels count samples.
 */
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { collectLists, type NumberLists } from "../core/number-lists.ts";
import { rng } from "../core/rng.ts";
import { didYouMean } from "../core/suggest.ts";
import { TASK_NAMES } from "../tasks/task.ts";
import type { TaskName } from "../tasks/task.ts";

/** Probability that a unit brings a task in one epoch; an absent task has 0. */
export type Mixture = Readonly<Partial<Record<TaskName, number>>>;

/** What the mixture needs to know of a sample. */
export interface Drawable {
  readonly task: TaskName;
  /** What is drawn for: a clip or a conversation. */
  readonly unit: string;
  /** Samples of equal key form one tree. */
  readonly prefixKey: string;
}

export interface EpochKey {
  readonly seed: number;
  readonly stage: string;
  /** Counted from 0. */
  readonly epoch: number;
  /** Share of the epoch's order that is used: below 1 in the last epoch of a fractional budget. */
  readonly share: number;
}

/**
 * The mixture with its words (`high`, `low`) replaced by the numbers of `levels`.
 *
 * @throws UserError (ConfigError) with every unknown word, or when no task has a probability above 0.
 */
export function resolveMixture(
  stage: string,
  { mixture, levels }: { readonly mixture: Readonly<Partial<Record<TaskName, string | number>>>; readonly levels: Readonly<Record<string, number>> },
): Mixture {
  const where = `stages.${stage}.mixture`;
  const problems: Problem[] = [];
  const resolved: Partial<Record<TaskName, number>> = {};
  for (const task of TASK_NAMES) {
    const level = mixture[task];
    if (level === undefined) continue;
    const probability = typeof level === "number" ? level : Object.hasOwn(levels, level) ? levels[level] : undefined;
    if (probability !== undefined) resolved[task] = probability;
    else problems.push(unknownLevel(`${where}.${task}`, String(level), levels));
  }
  if (problems.length === 0 && !Object.values(resolved).some((probability) => probability > 0)) {
    const hint = `Give at least one of ${TASK_NAMES.join(", ")} a level`;
    problems.push({ kind: "ConfigError", where, what: "no task has a probability above 0", hint });
  }
  if (problems.length > 0) throw new UserError(problems);
  return resolved;
}

/** A number for every sample; those of one prefix have the same, counted from 0 in the order of first appearance. */
export function numberPrefixes(samples: readonly Pick<Drawable, "prefixKey">[]): Int32Array {
  const numbers = new Map<string, number>();
  return Int32Array.from(samples, ({ prefixKey }) => {
    const number = numbers.get(prefixKey) ?? numbers.size;
    numbers.set(prefixKey, number);
    return number;
  });
}

/**
 * The samples an epoch holds, as their indices, those of one prefix together: drawn unit by unit and task by task, the groups
 * in a random order.
 *
 * @param prefixes - `numberPrefixes` of the samples.
 */
export function drawEpoch(samples: readonly Drawable[], prefixes: Int32Array, mixture: Mixture, key: EpochKey): NumberLists {
  const decide = decision(mixture, key);
  const drawn = Uint8Array.from(samples, (sample) => Number(decide(sample)));
  // Groups are numbered by their first drawn sample: what is not drawn leaves no trace in the order.
  const groupOf = new Int32Array(samples.length).fill(NONE);
  let groups = 0;
  prefixes.forEach((prefix, i) => {
    if (drawn[i] === 1 && groupOf[prefix] === NONE) groupOf[prefix] = groups++;
  });
  const order = rng(key.seed, "order", key.stage, key.epoch).shuffle(Array.from({ length: groups }, (_, group) => group));
  const used = Math.ceil(groups * key.share - ROUNDING);
  const placeOf = new Int32Array(groups).fill(NONE);
  for (let place = 0; place < used; place++) placeOf[order[place]!] = place;
  return collectLists(prefixes.map((prefix, i) => (drawn[i] === 1 ? placeOf[groupOf[prefix]!]! : NONE)), used);
}

const NONE = -1;
/** Of groups: 2.2 - 2 is a little more than a fifth, and would take one group more. */
const ROUNDING = 1e-6;

/** The epochs of a budget with their shares: 2.5 is two whole ones and the first half of a third. */
export function epochShares(epochs: number): number[] {
  return Array.from({ length: Math.ceil(epochs) }, (_, epoch) => Math.min(1, epochs - epoch));
}

function unknownLevel(where: string, level: string, levels: Readonly<Record<string, number>>): Problem {
  return { kind: "ConfigError", where, what: `unknown level "${level}"`, hint: didYouMean(level, Object.keys(levels)) };
}

/** All samples of a unit and task share one decision, e.g. every target utterance of a conversation. */
function decision(mixture: Mixture, { seed, stage, epoch }: EpochKey): (sample: Drawable) => boolean {
  return ({ unit, task }) => rng(seed, "mixture", stage, epoch, unit, task).uniform() < (mixture[task] ?? 0);
}
