import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildDataset } from "../../../src/data/build/build.ts";
import { loadBuildOptions } from "../../../src/data/build/options.ts";
import { differencesFromPublished } from "../../../src/data/build/report.ts";
import type { SplitCounts } from "../../../src/data/build/report.ts";
import { openDataset } from "../../../src/data/dataset.ts";
import { temporaryFolder } from "../../temporary-folder.ts";
import { convert, rawFiles } from "../converters/converted.ts";
import { CLIP } from "../probing/clips.ts";

const HEADER = "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID";
const csv = (...ids: readonly string[]): string => [HEADER, ...ids.map((id) => `Hi.,Joey,joy,positive,${id.replace("_", ",")}`)].join("\n");

async function meldRoot(clips: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  return rawFiles({ "train_sent_emo.csv": csv("0_0", "0_1", "1_0", "125_3"), ...Object.fromEntries(Object.entries(clips).map(([name, content]) => [`train_splits/${name}.mp4`, content])) });
}

test("counts are those of the published dataset after a share was drawn for validation, and of ECF 1.0 and CMU-MOSI", async () => {
  const share = await loadBuildOptions({ set: ["validation.share=0.1"] });
  const none = await loadBuildOptions();
  const sizes = (records: number, utterances: number, pairs = 0): SplitCounts => ({ records, utterances, pairs, emotion: {}, sentiment: {}, expression: 0, reason: {}, status: {}, withClip: 0 });
  const firstEdition = { train: sizes(1001, 9966, 7055), val: sizes(112, 1087, 866), test: sizes(261, 2566, 1873) };

  expect(differencesFromPublished({ source: "ecf", options: none, splits: firstEdition })).toEqual([]);
  expect(differencesFromPublished({ source: "mosei", options: none, splits: { train: sizes(1284, 1284), val: sizes(229, 229), test: sizes(686, 686) } })).toEqual([]);
  expect(differencesFromPublished({ source: "mosei", options: share, splits: { train: sizes(16000, 16000), val: sizes(2197, 2197) } })).toEqual([]); // 16326 + 1871
  expect(differencesFromPublished({ source: "mosei", options: share, splits: { train: sizes(16000, 16000), val: sizes(2196, 2196) } })).toEqual(["train, utterances: 18196, published 18197"]);
});

test("every utterance has a status, and only clips that can be used are named", async () => {
  const root = await meldRoot({ dia0_utt0: CLIP, dia0_utt1: "#EXTM3U\n", dia125_utt3: CLIP });

  const { records, report, out } = await convert("meld", root);

  expect(records.flatMap(({ utterances }) => utterances.map(({ media, mediaStatus }) => [media?.video, mediaStatus]))).toEqual([
    ["train_splits/dia0_utt0.mp4", "ok"],
    [undefined, "unreadable"],
    [undefined, "no-file"],
    ["train_splits/dia125_utt3.mp4", "ok"],
  ]);
  expect(report.splits.train?.status).toEqual({ ok: 2, unreadable: 1, "no-file": 1 });
  const dataset = await openDataset(out);
  const [first] = dataset.records("train")[0]?.utterances ?? [];
  expect(await readFile(dataset.mediaPath(first ?? { id: "", text: "" }).video ?? "")).toEqual(CLIP);
});

test("the options say which clips are used: short ones too, known defects not", async () => {
  const root = await meldRoot({ dia0_utt0: CLIP, dia125_utt3: CLIP });

  const strict = await convert("meld", root, ["media.maxSeconds=0.1", "media.minSeconds=0"]);
  const lenient = await convert("meld", root, ["media.maxSeconds=0.1", "media.minSeconds=0", "media.use=[ok, too-long]"]);
  const careful = await convert("meld", root, ["knownDefects=text-only"]);

  expect([strict.report, lenient.report, careful.report].map(({ splits }) => splits.train?.withClip)).toEqual([0, 2, 1]);
  expect(careful.notices).toContain("known-defect train_sent_emo.csv:5: meld_train_dia125_utt3: the published mp4 cannot be read (moov atom not found)");
});

test("faults end the build under onBad: error, and nothing is left behind", async () => {
  const root = await meldRoot({ dia0_utt0: CLIP });
  const out = join(await temporaryFolder(), "out");

  await expect(buildDataset({ source: "meld", root, out, options: await loadBuildOptions({ set: ["onBad=error"] }) })).rejects.toThrow("faults, and onBad is error: nothing was written");
  expect(await readdir(out)).toEqual([]);
});

test("an earlier build is replaced, anything else is not touched", async () => {
  const root = await meldRoot({});
  const { out } = await convert("meld", root);
  await writeFile(join(out, "val.jsonl"), "of an earlier build with another rule");
  const options = await loadBuildOptions();

  await buildDataset({ source: "meld", root, out, options });
  expect((await readdir(out)).sort()).toEqual(["build-notices.jsonl", "build-report.json", "dataset.json", "train.jsonl"]);

  const foreign = await rawFiles({ "thesis.tex": "x" });
  await expect(buildDataset({ source: "meld", root, out: foreign, options })).rejects.toThrow(`DataError ${foreign}: --out holds something else than an earlier build.\n  Name a new folder, or delete this one.`);
  await expect(buildDataset({ source: "meld", root, out: root, options })).rejects.toThrow("--out is the raw dataset's own folder, expected another one");
  await expect(buildDataset({ source: "meld", root: join(root, "no"), out, options })).rejects.toThrow("--root does not exist, expected a folder");
});

test("a dataset of which no record comes says why", async () => {
  const root = await rawFiles({ "train_sent_emo.csv": `${HEADER}\n1,2\n` });

  await expect(convert("meld", root)).rejects.toThrow(`DataError ${root}: no record came of this folder; first fault: `);
});

test("options are checked by name and value, from file and flags", async () => {
  const file = join(await rawFiles({ "rules.yaml": "media: { maxSeconds: 60 }\nfaces: { threshold: 1 }\n" }), "rules.yaml");

  expect(await loadBuildOptions({ file, set: ["media.maxSeconds=90", "emotions.none=unlabelled"] })).toMatchObject({ media: { maxSeconds: 90, minSeconds: 0.2 }, faces: { threshold: 1 }, emotions: { none: "unlabelled" } });
  await expect(loadBuildOptions({ set: ["media.maxSecond=1"] })).rejects.toThrow('ConfigError option media.maxSecond: there is no such option.\n  Known: probe, use, minSeconds, minFrames, maxSeconds. Did you mean "maxSeconds"?');
  await expect(loadBuildOptions({ set: ["onBad=report it"] })).rejects.toThrow('ConfigError option onBad: got "report it", expected one of report, error.');
  await expect(loadBuildOptions({ set: ["faces.threshold=high"] })).rejects.toThrow('ConfigError option faces.threshold: got "high", expected number.');
  await expect(loadBuildOptions({ set: ["faces"] })).rejects.toThrow("--set faces: expected path=value, e.g. faces.threshold=1");
  await expect(loadBuildOptions({ file: "/nowhere.yaml" })).rejects.toThrow("SystemError /nowhere.yaml: no such file or folder.");
});

test("a moved media folder is told, with what to do", async () => {
  const { out } = await convert("meld", await meldRoot({}));
  const info = JSON.parse(await readFile(join(out, "dataset.json"), "utf8")) as Readonly<Record<string, unknown>>;
  await writeFile(join(out, "dataset.json"), JSON.stringify({ ...info, mediaRoot: "../moved" }));

  await expect(openDataset(out)).rejects.toThrow('mediaRoot: got "../moved", which is no folder as seen from here.\n  The media were moved, or this folder was: correct mediaRoot, or build the dataset again.');
});
