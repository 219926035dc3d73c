/**
 * @file `npm run bench:probing -- CLIP...`: how many clips a second `m2se check` looks into. A dataset is made of the clips
 * under very many names; they are links, so that the disk is not what is measured.
 */
import { copyFile, link, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { z } from "zod";
import { measuredNode } from "../measured-process.ts";

const ROOT = join(import.meta.dirname, "../..");
const CLIPS = 4000;
const reportSchema = z.object({ kind: z.literal("check"), clips: z.number(), seconds: z.number() });

const originals = process.argv.slice(2).map((path) => resolve(path));
if (originals.length === 0) throw new Error("expected the names of some clips");

const folder = await mkdtemp(join(tmpdir(), "m2se-probing-"));
try {
  await linkClips();
  const config = join(folder, "probing.yaml");
  await writeFile(config, JSON.stringify(experiment()));
  const { stdout, stderr, peakGigabytes } = await measuredNode([join(ROOT, "src/cli/bin.mjs"), "check", "--config", config, "--json"]);
  const report = reportSchema.safeParse(JSON.parse(stdout.trim().split("\n").at(-1) ?? "null"));
  if (!report.success) throw new Error(`no report:\n${stderr.slice(-2000)}`);
  const { clips, seconds } = report.data;
  process.stdout.write(`${clips} clips in ${seconds.toFixed(1)} s: ${(clips / seconds).toFixed(0)} clips/s, ${peakGigabytes.toFixed(2)} GB\n`);
} finally {
  await rm(folder, { recursive: true });
}

/** train.jsonl, a record a clip, and the clips. */
async function linkClips(): Promise<void> {
  const copies = originals.map((path, i) => ({ path, copy: join(folder, `original${i}${extname(path)}`) }));
  for (const { path, copy } of copies) await copyFile(path, copy);
  const lines: string[] = [];
  for (let i = 0; i < CLIPS; i++) {
    const { copy } = copies[i % copies.length]!;
    const video = `clip${i}${extname(copy)}`;
    await link(copy, join(folder, video));
    const utterance = { id: `clip${i}`, text: `sentence ${i}`, media: { video }, emotion: "joy" };
    lines.push(JSON.stringify({ id: `record${i}`, source: "bench", split: "train", utterances: [utterance] }));
  }
  await writeFile(join(folder, "train.jsonl"), lines.join("\n"));
}

/** JSON is YAML too. */
function experiment(): object {
  return {
    name: "probing",
    data: { root: folder },
    model: { folder: join(ROOT, "data/tiny-emoverse"), init: "random" },
    stages: [{ name: "emotion", mixture: { erc: 1 }, trainable: [{ match: ".*", learningRate: 1e-3 }] }],
  };
}
