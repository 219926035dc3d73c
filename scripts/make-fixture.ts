/** @file Makes data/fixture anew: the small rendered dataset that the tests and the smoke run use. `npx tsx scripts/make-fixture.ts` */
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { writeFileAtomic } from "../src/core/files.ts";
import { renderSyntheticDataset } from "../src/data/synthetic/render.ts";

const CLIPS = 56;
const SEED = 7;

const root = fileURLToPath(new URL("../data/fixture", import.meta.url));
await rm(root, { recursive: true, force: true });
const { counts } = await renderSyntheticDataset({ root, clips: CLIPS, seed: SEED });

const rows = Object.entries(counts).map(([split, { records, utterances }]) => `| ${split} | ${records} | ${utterances} |`);
await writeFileAtomic(
  `${root}/README.md`,
  `# Fixture

A synthetic EMT dataset, small enough to commit: drawn faces, voice-like sound, generated words, labels for all five tasks.
The tests and the smoke run use it. Made by

    npx tsx scripts/make-fixture.ts

with ${CLIPS} clips and seed ${SEED}. The manifests depend on the seed alone; the bytes of the mp4 files also on the ffmpeg that encoded
them (decoded frames are equal). No real person is shown or heard.

| split | dialogues | clips |
|---|---|---|
${rows.join("\n")}

- \`train.jsonl\`, \`val.jsonl\`, \`test.jsonl\`: one dialogue per line, see \`src/data/record.ts\`.
- \`clips/\`: one mp4 per utterance (144 x 144, 12 frames per second, h264 and AAC).
- \`dataset.json\`: name, seed and counts; written last.

The licence of the project covers these files.
`,
);
