/**
 * @file Checks every golden set in a folder: `npm run -s test:golden -- DIR [--backend NAME]`. One line per array with its
 * worst difference; exit code 1 when an array is outside its tolerance or a set's kind is not known.
 */
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { registerGradients } from "../src/backend/gradients.ts";
import { selectBackend } from "../src/backend/select.ts";
import { checkSet, findSets } from "../test/golden/check-set.ts";
import type { Comparison } from "../test/golden/comparison.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { backend: { type: "string", default: "auto" } } });
const [folder] = positionals;
if (folder === undefined) fail("Usage: npm run -s test:golden -- DIR [--backend onnxruntime|cpu]");
const folders = setsIn(folder);
if (folders.length === 0) fail(`${folder}: no folder with an expected.json in it`);

const backend = await selectBackend(values.backend);
registerGradients();
console.log(`backend ${backend.name}, ${backend.device}`);
let [arrays, failures, unread] = [0, 0, 0];
for (const path of folders) {
  const { kind, comparisons, unchecked } = await checkSet(path);
  console.log(`\n${basename(path)} (${kind})`);
  for (const comparison of comparisons) console.log(describe(comparison));
  // Inputs are read by the checks; what is left here has no rule.
  for (const name of unchecked) console.log(`-     ${name}  no check reads this array`);
  arrays += comparisons.length;
  failures += comparisons.filter(({ isOk }) => !isOk).length;
  unread += unchecked.length;
}
console.log(`\n${folders.length} sets, ${arrays} comparisons, ${failures} FAILED${unread === 0 ? "" : `, ${unread} arrays without a check`}`);
process.exitCode = failures === 0 ? 0 : 1;

function describe({ array, worst, tolerance, measure, isOk, note }: Comparison): string {
  const difference = Number.isNaN(worst) ? "" : `  worst ${shortNumber(worst)}  tolerance ${shortNumber(tolerance)} ${measure}`;
  return `${isOk ? "ok  " : "FAIL"}  ${array}${difference}${note === undefined ? "" : `  (${note})`}`;
}

function shortNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toExponential(1);
}

function setsIn(path: string): string[] {
  try {
    return findSets(path);
  } catch (error) {
    return fail(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
