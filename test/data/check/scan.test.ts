import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scanDataset } from "../../../src/data/check/scan.ts";
import type { ScannedRecord, ScanOptions } from "../../../src/data/check/scan.ts";
import { readDatasetInfo } from "../../../src/data/dataset.ts";
import type { EmtRecord, Utterance } from "../../../src/data/record.ts";
import { convert, rawFiles } from "../converters/converted.ts";
import { CLIP } from "../probing/clips.ts";
import { sharedData, testOnRealFiles } from "../shared-data.ts";

const record = (id: string, split: EmtRecord["split"], ...utterances: readonly Partial<Utterance>[]): EmtRecord => ({ id, source: "x", split, utterances: utterances.map((one, i) => ({ id: `${id}_${i}`, text: "Hi.", ...one })) });
const lines = (...records: readonly (EmtRecord | string)[]): string => records.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join("\n");

async function scan(root: string, options: Partial<ScanOptions> = {}): Promise<{ readonly all: readonly ScannedRecord[]; readonly findings: readonly string[] }> {
  const all: ScannedRecord[] = [];
  for await (const one of scanDataset({ root, info: await readDatasetInfo(root), media: "header", limits: { minSeconds: 0.2, minFrames: 2, maxSeconds: 30 }, ...options })) all.push(one);
  return { all, findings: all.flatMap(({ findings }) => findings.map(({ kind, where, what }) => `${kind} ${where.replace(`${root}/`, "")}: ${what.replaceAll(`${root}/`, "")}`)) };
}

test("missing, damaged and odd clips, unknown phrases, tags in the words and bad lines are found with their lines", async () => {
  const root = await rawFiles({
    "train.jsonl": lines(
      record("a", "train", { media: { video: "good.mp4" } }, { media: { video: "gone.mp4" } }),
      record("b", "train", { media: { video: "list.mp4" }, text: "see <video> here", expression: ["Big smile", "Twinkle"] }),
      '{"id": "cut',
      record("a", "train", {}),
      record("d", "train", { media: { video: "../x.mp4" } }),
      { ...record("e", "train", {}), utterances: [{ id: "e0", text: "", emotion: "bored" }] } as unknown as EmtRecord,
    ),
    "good.mp4": CLIP,
    "list.mp4": "#EXTM3U\nx",
  });

  const { all, findings } = await scan(root);

  expect(findings.map((text) => text.replace(/not JSON: .*/, "not JSON"))).toEqual([
    "no-file train.jsonl:1: a_1: gone.mp4: no such file",
    "unreadable train.jsonl:2: b_0: list.mp4: it is a playlist (m3u), which opens other files",
    'unknown-phrase train.jsonl:2: b_0: expression: "Twinkle" belongs to no action unit',
    "tag-in-text train.jsonl:2: b_0: the words hold <video>, which other programs take for a medium",
    "bad-line train.jsonl:3: this line is not JSON",
    'bad-line train.jsonl:4: record id "a" is used twice, first in train.jsonl:1',
    'bad-line train.jsonl:4: utterance id "a_0" is used twice, first in train.jsonl:1',
    'unsafe-path train.jsonl:5: d_0: ../x.mp4: got "../x.mp4", which leaves the dataset\'s root',
    expect.stringMatching(/^bad-line train\.jsonl:6: record "e", utterances\[0\]\.emotion: got "bored", expected one of /),
  ]);
  expect(all.map(({ clean }) => clean?.utterances.map(({ media, mediaStatus }) => media?.video ?? mediaStatus))).toEqual([["good.mp4", "no-file"], ["unreadable"], undefined, undefined, ["unsafe-path"], undefined]);
});

test("media can be left alone", async () => {
  const root = await rawFiles({ "train.jsonl": lines(record("a", "train", { media: { video: "gone.mp4" } })) });

  expect((await scan(root, { media: "none" })).findings).toEqual([]);
  expect((await scan(root)).all[0]?.clips).toBe(1);
});

test("the same clip in two splits leaks, told by its name and by its bytes; in one split it is a duplicate", async () => {
  const root = await rawFiles({
    "train.jsonl": lines(record("a", "train", { clip: "meld/test/dia0_utt0" }), record("b", "train", { media: { video: "copy.mp4" } }), record("c", "train", { clip: "own/1" }), record("d", "train", { clip: "own/1" })),
    "test.jsonl": lines(record("t", "test", { clip: "meld/test/dia0_utt0" }, { media: { video: "clip.mp4" } })),
    "clip.mp4": CLIP,
    "copy.mp4": CLIP,
  });

  const { all, findings } = await scan(root);

  expect(findings).toEqual([
    "leak train.jsonl:1: the clip meld/test/dia0_utt0 is in the train split here and in the test split in test.jsonl:1",
    "leak train.jsonl:2: the file of b_0 is in the train split here and in the test split in test.jsonl:1",
    "duplicate train.jsonl:4: the clip own/1 is used already in train.jsonl:3",
    "leak-elsewhere train.jsonl: 1 utterances are of MELD's test split: a model trained on them must not be evaluated on MELD's test split",
  ]);
  expect(all.flatMap(({ clean }) => clean?.id ?? [])).toEqual(["t", "c", "d"]);
});

test("a manifest of another length than dataset.json says is told", async () => {
  const root = await rawFiles({ "train.jsonl": lines(record("a", "train", {})) });
  await writeFile(join(root, "dataset.json"), JSON.stringify({ name: "x", source: "x", counts: { train: { records: 2, utterances: 2 } } }));

  expect((await scan(root)).findings).toEqual(["count-differs train.jsonl: got 1 records, but dataset.json says 2"]);
});

testOnRealFiles("ECF's training set is told to hold 2535 utterances of MELD's test split, with the mapping and without", async () => {
  const raw = await rawFiles({});
  await copyFile(sharedData("ecf/Subtask_2_train.json"), join(raw, "Subtask_2_train.json"));
  const without = await scan((await convert("ecf", raw)).out);
  await copyFile(sharedData("ecf/all_data_pair_ECFvsMELD.txt"), join(raw, "all_data_pair_ECFvsMELD.txt"));
  const withMapping = await scan((await convert("ecf", raw)).out);

  expect(without.findings).toEqual([expect.stringContaining("ECF's training set holds 2535 utterances of MELD's test split and 1078 of its dev split; this dataset was built without the mapping")]);
  expect(withMapping.findings.map((text) => text.split(": ")[1])).toEqual(expect.arrayContaining(["2535 utterances are of MELD's test split", "1078 utterances are of MELD's val split"]));
});
