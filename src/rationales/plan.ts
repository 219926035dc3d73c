/** @file Which utterances of a dataset a model is asked about, and what that will take. */
import { z } from "zod";
import { openDatasetFolder } from "../data/dataset.ts";
import type { DatasetFolder } from "../data/dataset.ts";
import type { Utterance } from "../data/record.ts";
import { reasonLineSchema } from "../data/build/reason-line.ts";
import type { ReasonLine } from "../data/build/reason-line.ts";
import { readAnswerLines } from "./answer-lines.ts";
import type { AnswerLines } from "./answer-lines.ts";
import { estimateTokens, EXPECTED_OUTPUT } from "./budget.ts";
import { requestKey } from "./endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Tokens } from "./post.ts";
import { isExplainable, renderPrompt } from "./prompt.ts";
import type { Explained } from "./prompt.ts";

/** An answer that was not taken, twice: for the user to read, and not to be paid for again. */
export const rejectedLineSchema = z.strictObject({ id: z.string(), why: z.string(), answer: z.string(), model: z.string(), request: z.string() });
export type RejectedLine = z.infer<typeof rejectedLineSchema>;

/** One question, and the utterances that it is asked for: equal cues are asked about once. */
export interface Question {
  readonly key: string;
  readonly utterances: readonly [Explained, ...Explained[]];
}

export interface ReasonCounts {
  readonly utterances: number;
  /** They have a reason that no template made. */
  readonly withReason: number;
  readonly withoutEmotion: number;
  /** Neither words nor face. */
  readonly withoutCues: number;
  /** Lines of the output file; those of another model or prompt are kept, and counted apart. */
  readonly written: number;
  readonly writtenOtherwise: number;
  readonly rejected: number;
  readonly open: number;
}

export interface ReasonPlan {
  readonly counts: ReasonCounts;
  readonly questions: readonly Question[];
  /** Of all questions, estimated. */
  readonly tokens: Tokens;
  readonly reasons: AnswerLines<ReasonLine>;
  readonly rejected: AnswerLines<RejectedLine>;
}

/** `x.jsonl` -> `x.rejected.jsonl`. */
export function rejectedFile(out: string): string {
  return `${out.replace(/\.jsonl?$/, "")}.rejected.jsonl`;
}

/** @throws UserError (DataError): faults of the dataset, or of lines that are in the files already. */
export async function planReasons({ root, out, endpoint }: { readonly root: string; readonly out: string; readonly endpoint: Endpoint }): Promise<ReasonPlan> {
  const dataset = await openDatasetFolder(root);
  const reasons = await readAnswerLines(out, reasonLineSchema);
  const rejected = await readAnswerLines(rejectedFile(out), rejectedLineSchema);
  const written = new Map(reasons.lines.map((line) => [line.id, line]));
  const rejectedKeys = new Set(rejected.lines.map(({ request }) => request));
  const counts = { utterances: 0, withReason: 0, withoutEmotion: 0, withoutCues: 0, written: 0, writtenOtherwise: 0, rejected: 0, open: 0 };
  const questions = new Map<string, [Explained, ...Explained[]]>();
  for await (const utterance of utterancesOf(dataset)) {
    counts.utterances += 1;
    if (utterance.reason !== undefined && utterance.reasonOrigin !== "template") counts.withReason += 1;
    else if (utterance.emotion === undefined) counts.withoutEmotion += 1;
    else if (!isExplainable(utterance)) counts.withoutCues += 1;
    else {
      const key = requestKey(endpoint, renderPrompt(utterance));
      const line = written.get(utterance.id) ?? written.get(utterance.clip ?? "");
      if (line !== undefined) {
        counts.written += 1;
        if (line.request !== undefined && line.request !== key) counts.writtenOtherwise += 1;
      } else if (rejectedKeys.has(key)) counts.rejected += 1;
      else {
        counts.open += 1;
        const same = questions.get(key);
        if (same === undefined) questions.set(key, [utterance]);
        else same.push(utterance);
      }
    }
  }
  return { counts, questions: [...questions].map(([key, utterances]) => ({ key, utterances })), tokens: expectedTokens([...questions.values()].map(([first]) => first)), reasons, rejected };
}

/** Of the questions about these utterances. */
export function expectedTokens(utterances: readonly Explained[]): Tokens {
  return utterances.reduce<Tokens>(({ input, output }, utterance) => ({ input: input + estimateTokens(renderPrompt(utterance)), output: output + EXPECTED_OUTPUT }), { input: 0, output: 0 });
}

async function* utterancesOf({ stream }: DatasetFolder): AsyncGenerator<Utterance> {
  for await (const { utterances } of stream()) yield* utterances;
}
