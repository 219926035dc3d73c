/** @file Builds a small raw dataset that a test writes, and gives back what came of it. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { buildDataset } from "../../../src/data/build/build.ts";
import { loadBuildOptions } from "../../../src/data/build/options.ts";
import type { BuildReport } from "../../../src/data/build/report.ts";
import type { Notice } from "../../../src/data/converters/converter.ts";
import type { SourceName } from "../../../src/data/converters/index.ts";
import { recordSchema, SPLITS } from "../../../src/data/record.ts";
import type { EmtRecord } from "../../../src/data/record.ts";
import { temporaryFolder } from "../../temporary-folder.ts";

export interface Converted {
  readonly out: string;
  readonly report: BuildReport;
  readonly records: readonly EmtRecord[];
  /** `kind where: what`, paths relative to the root. */
  readonly notices: readonly string[];
}

/** Writes files below a new folder. */
export async function rawFiles(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const root = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

/** Builds it; the records are read back and checked against the schema. */
export async function convert(source: SourceName, root: string, set: readonly string[] = []): Promise<Converted> {
  const out = join(await temporaryFolder(), "out");
  const report = await buildDataset({ source, root, out, options: await loadBuildOptions({ set }) });
  const records: EmtRecord[] = [];
  for (const split of SPLITS) {
    const text = await readFile(join(out, `${split}.jsonl`), "utf8").catch(() => "");
    records.push(...text.split("\n").filter((line) => line !== "").map((line) => recordSchema.parse(JSON.parse(line))));
  }
  const notices = (await readFile(join(out, "build-notices.jsonl"), "utf8")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Notice);
  return { out, report, records, notices: notices.map(({ kind, where, what }) => `${kind} ${where.replace(`${root}/`, "")}: ${what.replaceAll(`${root}/`, "")}`) };
}

export function only<T>(items: readonly T[]): T {
  if (items.length !== 1 || items[0] === undefined) throw new Error(`expected one item, got ${items.length}`);
  return items[0];
}
