/** @file Scoring as the command line asks for it: files in, a report, and on demand a scores file, a submission, ms-swift rows. */
import { UserError } from "../core/errors.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import type { Split } from "../data/record.ts";
import { readAnswers } from "../scoring/read-answers.ts";
import type { ProtocolName } from "../scoring/protocol.ts";
import { alignedRows, scoreFiles } from "../scoring/score-files.ts";
import type { ScoreReport } from "../scoring/score-files.ts";
import { buildSubmission } from "../scoring/submission.ts";
import { toSwiftRows } from "../scoring/swift-rows.ts";
import type { TaskName } from "../tasks/task.ts";

export interface ScoreOptions {
  readonly task: TaskName;
  readonly protocol: ProtocolName;
  readonly predictions: string;
  /** Absent: the predictions hold the gold answers. */
  readonly gold?: string;
  /** Which rows of a gold file that holds several splits. */
  readonly split?: Split;
  readonly slips?: boolean;
  readonly lenient?: boolean;
  /** Where the report, a submission to SemEval-2024 task 3, and rows for compute_result.py are written. */
  readonly out?: string;
  readonly submission?: string;
  readonly swift?: string;
}

export type ScoreEvent =
  | { readonly kind: "score"; readonly report: ScoreReport }
  | { readonly kind: "submission"; readonly path: string; readonly conversations: number; readonly pairs: number; readonly empty: number }
  | { readonly kind: "swift-rows"; readonly path: string; readonly rows: number; readonly replaced: number };

/** @throws UserError when files cannot be read, or do not fit each other, the task or the protocol. */
export async function* scoreRun({ task, protocol, predictions, gold, split = "test", slips = false, lenient = false, out, submission, swift }: ScoreOptions): AsyncGenerator<ScoreEvent> {
  if (submission !== undefined && task !== "ecpe") throw new UserError({ kind: "ConfigError", where: "--submission", what: `got --task ${task}, expected ecpe: SemEval-2024 task 3 asks for emotion-cause pairs` });
  const given = await readAnswers(predictions, { role: "predictions", task, split });
  const right = gold === undefined ? undefined : await readAnswers(gold, { role: "gold", task, split });
  if (submission !== undefined) {
    const { zip, ...counts } = buildSubmission(right ?? given, given);
    await writeFileAtomic(submission, zip);
    yield { kind: "submission", path: submission, ...counts };
    if (right?.kind === "conversations" && right.conversations.every(({ pairs }) => pairs === undefined)) return; // the organisers' unlabelled file
  }
  if (swift !== undefined) {
    const { rows } = alignedRows({ task, protocol, predictions: given, gold: right });
    const { lines, replaced } = toSwiftRows(task, rows);
    await writeFileAtomic(swift, lines);
    yield { kind: "swift-rows", path: swift, rows: rows.length, replaced };
  }
  const report = scoreFiles({ task, protocol, predictions: given, gold: right, slips, lenient });
  if (out !== undefined) await writeFileAtomic(out, toJson(report));
  yield { kind: "score", report };
}
