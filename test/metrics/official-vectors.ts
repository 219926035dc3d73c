/** @file Official metric vectors and annotation files; third-party data that lies beside the repository, not in it. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { z } from "zod";

/** A test over files of `../shared/data`; skipped, saying why, on a machine that lacks them. */
export function vectorTest(name: string, files: readonly string[], body: (contents: readonly string[]) => void): void {
  vectorFileTest(name, files, (paths) => {
    body(paths.map((path) => readFileSync(path, "utf8")));
  });
}

/** The same over their paths. */
export function vectorFileTest(name: string, files: readonly string[], body: (paths: readonly string[]) => void | Promise<void>): void {
  const paths = files.map((file) => fileURLToPath(new URL(`../../../shared/data/${file}`, import.meta.url)));
  const missing = files.filter((_, i) => !existsSync(paths[i] ?? ""));
  test(name, async (context) => {
    context.skip(missing.length > 0, `not on this machine: ../shared/data/${missing.join(", ")}`);
    await body(paths);
  });
}

/** The content of metrics/expected.json, as far as our metrics go. */
export function parseExpected(json: string): z.infer<typeof expectedSchema> {
  return expectedSchema.parse(JSON.parse(json));
}

const numbers = z.record(z.string(), z.number());

const labelScores = z.object({
  label_order: z.array(z.string()),
  accuracy: z.number(),
  weighted_precision: z.number(),
  weighted_recall: z.number(),
  weighted_f1: z.number(),
  macro_f1_over_labels_present_in_true_or_pred: z.number(),
  per_class: z.record(z.string(), numbers),
  confusion_matrix_rows_true_cols_pred: z.array(z.array(z.number())),
});

const printed = z.object({ records: z.number() });

const regression = z.record(z.string(), z.number().nullable());

const expectedSchema = z.object({
  "mosei_regression.csv": z.object({ official_rounded_4: numbers, unrounded_float32_pipeline: numbers, n: z.number() }),
  mosei_edge_cases: z.record(
    z.string(),
    z.object({ y_true: z.array(z.number()), y_pred: z.array(z.number()), official_rounded_4: regression.optional(), error: z.string().optional() }),
  ),
  "meld_emotion.csv": labelScores,
  meld_edge_cases: z.record(z.string(), z.object({ y_true: z.array(z.string()), y_pred: z.array(z.string()), expected: labelScores })),
  "ecac_subtask2_pred_A.json": z.object({ official: numbers }),
  ecac_edge_cases: z.record(z.string(), z.object({ gold: z.unknown(), pred: z.unknown(), expected: z.union([numbers, z.object({ error: z.string() })]) })),
  "m2se_sentiment.jsonl": printed.extend({ "compute_result.emoverse_sentiment stdout": z.array(z.string()) }),
  "m2se_ecpe.jsonl": printed.extend({ "compute_result.emoverse_ecf2 stdout": z.array(z.string()), records_with_empty_label_skipped: z.number() }),
  "m2se_emotion.jsonl": printed.extend({ "compute_result.emoverse_emotion stdout": z.array(z.string()) }),
});
