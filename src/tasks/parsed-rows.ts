/** @file Gold and predicted answers of a predictions file, parsed by the task's own grammar. */
import { UserError } from "../core/errors.ts";
import type { Counted } from "../metrics/counts.ts";
import type { ScoredRow, Scores } from "./task.ts";

export interface ParsedRow<Answer> {
  readonly gold: Answer;
  /** Undefined when the response does not parse: counted, and wrong in every metric. */
  readonly predicted: Answer | undefined;
}

/**
 * Rows with both sides parsed.
 *
 * @throws UserError listing the rows whose gold answer does not parse: the file does not belong to this task.
 */
export function parseRows<Answer>(rows: readonly ScoredRow[], parse: (response: string) => Answer | undefined): readonly ParsedRow<Answer>[] {
  const broken = rows.filter(({ gold }) => parse(gold) === undefined);
  if (broken.length > 0) {
    throw new UserError(
      broken.slice(0, MAX_SHOWN).map(({ id, gold }) => ({
        kind: "DataError",
        where: `prediction ${id}`,
        what: `the gold answer ${JSON.stringify(gold)} is no answer of this task (${broken.length} such row${broken.length === 1 ? "" : "s"})`,
        hint: "Write the predictions file again with m2se eval.",
      })),
    );
  }
  return rows.flatMap(({ gold, response }) => {
    const answer = parse(gold);
    return answer === undefined ? [] : [{ gold: answer, predicted: parse(response) }];
  });
}

/** Counts with one number more in front: whether the row's response does not parse. */
export function withFailures(rows: readonly ParsedRow<unknown>[], { rows: counts, scoresOf }: Counted<Omit<Scores, "parseFailures">>): Counted<Scores> {
  return {
    rows: counts.map((row, i) => Float64Array.from([Number(rows[i]?.predicted === undefined), ...row])),
    scoresOf: (sum) => ({ ...scoresOf(sum.subarray(1)), parseFailures: sum[0] ?? 0 }),
  };
}

const MAX_SHOWN = 5;
