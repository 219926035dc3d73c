/** @file `<task>.predictions.jsonl`: what the model wrote, one line per sample; scores are a function of this file. */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { writeFileAtomic } from "../core/files.ts";
import { readJsonl } from "../data/jsonl.ts";
import type { JsonlLine } from "../data/jsonl.ts";
import { TASK_NAMES } from "../tasks/task.ts";

const predictionSchema = z.strictObject({
  id: z.string().min(1).describe("sample id"),
  task: z.enum(TASK_NAMES),
  gold: z.string().min(1).describe("target text"),
  response: z.string().describe("text that the model wrote, or the label it scored highest"),
  parsed: z.string().optional().describe("canonical answer, absent when the response does not parse; for readers, scoring parses again"),
  scores: z.record(z.string(), z.number()).optional().describe("log-probability of every answer of a closed set"),
  seconds: z.number().nonnegative().optional().describe("time spent on this sample"),
});

export type Prediction = z.infer<typeof predictionSchema>;

/**
 * The predictions of one task, in file order.
 *
 * @throws UserError with every bad line: not JSON, a wrong field, a repeated id, a second task; or an empty file.
 */
export async function readPredictions(path: string): Promise<readonly Prediction[]> {
  const { lines, problems } = await readJsonl(path, predictionSchema);
  const faults = [...problems, ...repeatedIds(lines), ...foreignTasks(lines)];
  if (faults.length > 0) throw new UserError(faults);
  if (lines.length === 0) throw new UserError({ kind: "DataError", where: path, what: "no predictions in this file", hint: "Write it again with m2se eval." });
  return lines.map(({ value }) => value);
}

/** Writes the file whole or not at all. */
export async function writePredictions(path: string, predictions: readonly Prediction[]): Promise<void> {
  await writeFileAtomic(path, predictions.map((prediction) => `${JSON.stringify(prediction)}\n`).join(""));
}

/** The predictions in the order of their samples. */
export function inSampleOrder(predictions: readonly Prediction[], samples: readonly { readonly id: string }[]): readonly Prediction[] {
  const place = new Map(samples.map(({ id }, i) => [id, i]));
  return predictions.toSorted((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0));
}

function repeatedIds(lines: readonly JsonlLine<Prediction>[]): readonly Problem[] {
  const first = new Map<string, string>();
  return lines.flatMap(({ value: { id }, where }): Problem[] => {
    const seen = first.get(id);
    if (seen === undefined) first.set(id, where);
    return seen === undefined ? [] : [{ kind: "DataError", where, what: `sample "${id}" is predicted twice, first in ${seen}` }];
  });
}

function foreignTasks(lines: readonly JsonlLine<Prediction>[]): readonly Problem[] {
  const task = lines[0]?.value.task;
  return lines
    .filter(({ value }) => value.task !== task)
    .map(({ value, where }) => ({ kind: "DataError", where, what: `got a prediction of ${value.task} in a file of ${task}`, hint: "Every task has a predictions file of its own." }));
}
