/** @file Predictions -> scores: pure, so that a changed metric never needs the model again. */
import type { Split } from "../data/record.ts";
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { TASKS } from "../tasks/index.ts";
import { goldOf, type Sample, type ScoredRow, type Scores, type TaskName } from "../tasks/task.ts";
import { intervalsOf } from "./intervals.ts";
import type { BootstrapInfo } from "./intervals.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Intervals } from "../metrics/bootstrap.ts";
import { sum } from "../metrics/ratio.ts";

/** Content of `<task>.scores.json`. */
export interface ScoresFile extends Scores {
  readonly task: TaskName;
  readonly split: Split;
  /** Number of predictions. */
  readonly n: number;
  readonly decode: "score" | "generate";
  /** Whose way of counting this is: `m2se` is the task's own. */
  readonly protocol: "m2se";
  /** What counts as correct. */
  readonly counting: string;
  /** 95 % bootstrap intervals of the metrics. */
  readonly intervals: Intervals;
  readonly bootstrap: BootstrapInfo;
  /** The metrics of rules without a model on the same samples. */
  readonly baselines: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly checkpoint: string;
  /** Time that the predictions took, added up. */
  readonly seconds: number;
}

export interface ScoreInput {
  readonly split: Split;
  readonly decode: ScoresFile["decode"];
  readonly checkpoint: string;
  /** The task's samples of the training split and those that were predicted; they feed the baselines. */
  readonly train: readonly Sample[];
  readonly test: readonly Sample[];
}

/**
 * The scores of one task's predictions beside its trivial baselines.
 *
 * @throws UserError when the predictions are not those of the test samples: the dataset or the file has changed.
 */
export function scorePredictions(task: TaskName, rows: readonly (ScoredRow & { readonly seconds?: number | undefined })[], input: ScoreInput): ScoresFile {
  const { split, decode, checkpoint, train, test } = input;
  checkSameSamples(task, rows, test);
  const counted = TASKS[task].count(rows);
  const { metrics, perClass, confusion, parseFailures } = scoreCounted(counted);
  const recordOf = new Map(test.map(({ id, recordId }) => [id, recordId]));
  const { intervals, bootstrap } = intervalsOf(counted, { units: rows.map(({ id }) => recordOf.get(id) ?? id), unit: "record" });
  const baselines = Object.entries(TASKS[task].baselines({ train, test }));
  return {
    task,
    split,
    n: rows.length,
    decode,
    protocol: "m2se",
    counting: TASKS[task].protocol,
    metrics,
    intervals,
    bootstrap,
    ...(perClass === undefined ? {} : { perClass }),
    ...(confusion === undefined ? {} : { confusion }),
    parseFailures,
    baselines: Object.fromEntries(baselines.map(([name, scores]) => [name, scores.metrics])),
    checkpoint,
    seconds: sum(rows.map(({ seconds }) => seconds ?? 0)),
  };
}

/** Scores on a part of the samples, or against other answers, would be compared with baselines on all of them. */
function checkSameSamples(task: TaskName, rows: readonly ScoredRow[], test: readonly Sample[]): void {
  const targets = new Map(test.map((sample) => [sample.id, goldOf(sample)]));
  const predicted = new Set(rows.map(({ id }) => id));
  const hint = "Write the predictions file again with m2se eval.";
  const foreign = rows.flatMap(({ id, gold }): Problem[] => {
    const target = targets.get(id);
    if (target === undefined) return [{ kind: "DataError", where: `prediction ${id}`, what: `the dataset has no such sample of ${task}`, hint }];
    return target === gold ? [] : [{ kind: "DataError", where: `prediction ${id}`, what: `got the gold answer ${JSON.stringify(gold)}, but the dataset says ${JSON.stringify(target)}`, hint }];
  });
  const missing = test.filter(({ id }) => !predicted.has(id)).map(({ id }): Problem => ({ kind: "DataError", where: `sample ${id}`, what: `no prediction of ${task} for it`, hint }));
  const problems = [...foreign, ...missing];
  if (problems.length === 0) return;
  const rest = problems.length - MAX_SHOWN;
  const more: Problem[] = rest > 0 ? [{ kind: "DataError", where: `predictions of ${task}`, what: `${rest} more such rows, ${problems.length} in all` }] : [];
  throw new UserError([...problems.slice(0, MAX_SHOWN), ...more]);
}

const MAX_SHOWN = 5;
