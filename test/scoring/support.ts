/** @file Files of answers and their report, as the command makes it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { scoreRun } from "../../src/app/score-run.ts";
import type { ScoreEvent, ScoreOptions } from "../../src/app/score-run.ts";
import type { ScoreReport } from "../../src/scoring/score-files.ts";
import { temporaryFolder } from "../temporary-folder.ts";

export async function events(options: ScoreOptions): Promise<readonly ScoreEvent[]> {
  const all: ScoreEvent[] = [];
  for await (const event of scoreRun(options)) all.push(event);
  return all;
}

export async function report(options: ScoreOptions): Promise<ScoreReport> {
  const found = (await events(options)).find((event) => event.kind === "score");
  if (found === undefined) throw new Error("no report");
  return found.report;
}

/** Writes the texts into a folder of their own; the result are their paths. */
export async function filesOf<Name extends string>(contents: Readonly<Record<Name, string>>): Promise<Readonly<Record<Name, string>>> {
  const folder = await temporaryFolder();
  const paths = Object.fromEntries(Object.keys(contents).map((name) => [name, join(folder, name)])) as Record<Name, string>;
  await Promise.all((Object.entries(contents) as [Name, string][]).map(([name, text]) => writeFile(paths[name], text)));
  return paths;
}

/** JSON lines. */
export function jsonl(...items: readonly unknown[]): string {
  return items.map((item) => `${JSON.stringify(item)}\n`).join("");
}
