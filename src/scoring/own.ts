/** @file The tasks' own way of counting, for answers that come from elsewhere. */
import { scoreCounted } from "../metrics/counts.ts";
import { TASKS } from "../tasks/index.ts";
import { mostFrequent } from "../tasks/rules.ts";
import type { Sample, ScoredRow, TaskName } from "../tasks/task.ts";
import type { AlignedRow } from "./align.ts";
import { countUnanswered, MAJORITY_NOTE } from "./label-official.ts";
import { polarityOf } from "./label-paper.ts";
import { isNoCause } from "./pair-rows.ts";
import type { Scoring } from "./protocol.ts";
import { unitsOfIds } from "./sample-ids.ts";

/**
 * The scores of m2se eval on aligned rows. Baselines are those of the task where the gold file holds its samples;
 * labels have their majority anyhow.
 *
 * @throws UserError when gold answers are none of this task's.
 */
export function ownScoring(name: TaskName, aligned: readonly AlignedRow[], samples: readonly Sample[] | undefined): Scoring {
  const task = TASKS[name];
  // Neutral is no answer of the sentiment task: such clips are skipped, as m2se eval never asks about them.
  const rows = name === "msa" ? aligned.map((row) => ({ ...row, gold: polarityOf(row.gold) })).filter(({ gold }) => gold !== "neutral") : aligned;
  const scored = rows.map(({ id, where, gold, response }): ScoredRow => ({ id: id ?? where, gold: name === "ecpe" && isNoCause(gold) ? "None." : gold, response: response ?? "" }));
  const majority = task.answers === undefined ? undefined : mostFrequent(scored.map(({ gold }) => gold));
  const baselines = samples === undefined ? {} : task.baselines({ train: samples, test: samples });
  const skipped = aligned.length - rows.length;
  return {
    counting: task.protocol,
    counted: task.count(scored),
    ...unitsOfIds(rows.map(({ id }) => id)),
    baselines: majority === undefined ? baselines : { majority: scoreCounted(task.count(scored.map((row) => ({ ...row, response: majority })))), ...baselines },
    notes: [...(majority === undefined ? [] : [MAJORITY_NOTE]), ...(skipped === 0 ? [] : [`${skipped} neutral clips are skipped`]), ...(samples === undefined && task.answers === undefined ? ["no baselines: they need the samples, name a dataset of m2se as --gold"] : [])],
    unanswered: countUnanswered(rows),
  };
}
