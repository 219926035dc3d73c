/**
 * @file `npm run bench:scale`: a dataset of very many records is built, checked (without media) and planned; time and memory
 * of each, at a quarter, a half and all of the size. The raw files are MOSEI's, made up: one clip a record, words only.
 *
 *   npm run bench:scale -- --records 1000000
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { type Column, renderTable } from "../../src/cli/render/table.ts";
import { rng } from "../../src/core/rng.ts";
import { measuredNode } from "../measured-process.ts";

const ROOT = join(import.meta.dirname, "../..");
const COLUMNS: readonly Column[] = [
  { title: "step" },
  { title: "records", align: "right" },
  { title: "seconds", align: "right" },
  { title: "records/s", align: "right" },
  { title: "peak GB", align: "right" },
];
const WORDS = ["the", "movie", "was", "really", "good", "but", "I", "felt", "sad", "about", "its", "ending", "they", "never", "told", "us", "why", "happy", "angry", "strange"];
/** Sentences have 6 to 25 words, as MOSEI's mostly do. */
const LENGTH = { least: 6, more: 20 };

const { records } = new Command("bench:scale")
  .description("Builds, checks and plans made-up datasets of up to so many records.")
  .option("--records <number>", "of the largest", wholeNumber, 1_000_000)
  .parse()
  .opts<{ readonly records: number }>();

const folder = await mkdtemp(join(tmpdir(), "m2se-scale-"));
const rows: string[][] = [];
try {
  for (const size of [records].map(Math.round)) rows.push(...(await measure(size)));
} finally {
  process.stderr.write(folder + "\n");
}
process.stdout.write(`${renderTable(COLUMNS, rows)}\n`);

async function measure(size: number): Promise<string[][]> {
  const [raw, out, config] = [join(folder, "raw"), join(folder, "data"), join(folder, "scale.yaml")];
  await writeRaw(raw, size);
  await writeFile(config, JSON.stringify(experimentOn(out)));
  const steps = {
    build: ["data", "build", "mosei", "--root", raw, "--out", out],
    check: ["check", "--config", config, "--media", "none"],
    plan: ["plan", "--config", config, "--stage", "all"],
  };
  const measured: string[][] = [];
  for (const [name, args] of Object.entries(steps)) {
    const { code, stderr, seconds, peakGigabytes } = await measuredNode([join(ROOT, "src/cli/bin.mjs"), ...args, "--json"]);
    if (code !== 0) throw new Error(`m2se ${args.join(" ")} ended with ${code ?? "a signal"}:\n${stderr.slice(-2000)}`);
    process.stderr.write(`${name} of ${size}: ${seconds.toFixed(1)} s, ${peakGigabytes.toFixed(2)} GB\n`);
    measured.push([name, String(size), seconds.toFixed(1), (size / seconds).toFixed(0), peakGigabytes.toFixed(2)]);
  }
  return measured;
}

/** JSON is YAML too. */
function experimentOn(data: string): object {
  return {
    name: "scale",
    backend: "cpu",
    data: { root: data, modalities: ["text"] },
    model: { folder: join(ROOT, "data/tiny-emoverse"), init: "random" },
    stages: [{ name: "sentiment", mixture: { msa: 1 }, trainable: [{ match: ".*", learningRate: 1e-3 }], budget: { epochs: 2, rowTokens: 1024 } }],
  };
}

/** label.csv with a tenth of the clips in either held-out split. */
async function writeRaw(raw: string, size: number): Promise<void> {
  await mkdir(raw, { recursive: true });
  const file = createWriteStream(join(raw, "label.csv"));
  file.write("video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n");
  for (let i = 0; i < size; i++) {
    const draw = rng("bench scale", i);
    const text = Array.from({ length: LENGTH.least + draw.integer(LENGTH.more) }, () => draw.pick(WORDS)).join(" ");
    const score = draw.integer(19) / 3 - 3;
    const mode = ["valid", "test"][draw.integer(10)] ?? "train";
    if (!file.write(`video${Math.floor(i / 10)},${i % 10},${text},${score.toFixed(4)},,,,${score > 0 ? "Positive" : score < 0 ? "Negative" : "Neutral"},${mode}\n`)) await once(file, "drain");
  }
  file.end();
  await once(file, "finish");
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 4) throw new InvalidArgumentError("expected a whole number from 4 on.");
  return value;
}
