import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { openDataset, openDatasetFolder } from "../../src/data/dataset.ts";
import type { EmtRecord } from "../../src/data/record.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "m2se-dataset-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const record = (id: string, changes: Partial<EmtRecord> = {}): EmtRecord => ({
  id,
  source: "test",
  split: "train",
  utterances: [
    { id: `${id}_utt1`, speaker: "Anna", text: "I lost my keys.", emotion: "sadness" },
    { id: `${id}_utt2`, speaker: "Ben", text: "Oh no.", emotion: "surprise" },
  ],
  pairs: [{ emotionUtterance: 2, causeUtterance: 1 }],
  ...changes,
});

async function write(name: string, ...lines: readonly unknown[]): Promise<void> {
  await writeFile(join(root, name), lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
}

async function failure(): Promise<{ message: string; error: UserError }> {
  const error: unknown = await openDataset(root).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error(`expected a UserError, got ${String(error)}`);
  return { message: error.message.replaceAll(`${root}/`, ""), error };
}

test("a dataset gives its records by split, in file order, and absolute media paths", async () => {
  await write("train.jsonl", record("b"), "", record("a", { utterances: [{ id: "x", text: "", media: { video: "clips/x.mp4", audio: "x.wav" } }], pairs: [] }), "");
  await write("test.jsonl", record("c", { split: "test" }));
  await write("dataset.json", { name: "tiny", source: "test", seed: 3, counts: { train: { records: 2, utterances: 3 }, test: { records: 1, utterances: 2 } } });

  const dataset = await openDataset(root);

  expect(dataset.name).toBe("tiny");
  expect(dataset.records("train").map(({ id }) => id)).toEqual(["b", "a"]);
  expect(dataset.records("val")).toEqual([]);
  expect(dataset.records("test")).toEqual([record("c", { split: "test" })]);
  expect(dataset.mediaPath(dataset.records("train")[1]?.utterances[0] ?? { id: "", text: "" })).toEqual({ video: join(resolve(root), "clips/x.mp4"), audio: join(resolve(root), "x.wav") });
  expect(dataset.mediaPath({ id: "y", text: "" })).toEqual({});
});

test("every fault of every line is reported with line, field, value and rule", async () => {
  await write(
    "train.jsonl",
    { ...record("a"), utterances: [{ id: "a1", text: "hi", emotion: "happy", sentimant: 1 }] },
    '{"id": "cut',
    { ...record("b"), pairs: [{ emotionUtterance: 1, causeUtterance: 0 }] },
    { ...record("c"), utterances: [{ id: "c1", text: 5, sentiment: { score: 9, polarity: "positiv" }, actionUnits: [{ unit: "6", intensity: 1 }] }] },
    { ...record("d"), utterances: [] },
    { source: "test", split: "train", utterances: [{ id: "e1", text: "" }] },
  );

  const { message, error } = await failure();

  expect(error.exitCode).toBe(3);
  expect(message.replace(/not JSON: [^.]*\./, "not JSON: (reason).")).toBe(
    [
      'DataError train.jsonl:1: record "a", utterances[0].emotion: got "happy", expected one of anger, sadness, surprise, disgust, joy, neutral, fear.',
      'DataError train.jsonl:1: record "a", utterances[0]: unknown field "sentimant".',
      '  Did you mean "sentiment"?',
      "DataError train.jsonl:2: this line is not JSON: (reason).",
      "  Every line holds one whole JSON object; check for a cut-off last line.",
      'DataError train.jsonl:3: record "b", pairs[0].causeUtterance: got 0, expected at least 1.',
      'DataError train.jsonl:4: record "c", utterances[0].text: got 5, expected string.',
      'DataError train.jsonl:4: record "c", utterances[0].sentiment.score: got 9, expected at most 3.',
      'DataError train.jsonl:4: record "c", utterances[0].sentiment.polarity: got "positiv", expected one of positive, negative, neutral.',
      '  Did you mean "positive"?',
      'DataError train.jsonl:4: record "c", utterances[0].actionUnits[0].unit: got "6", expected AU and two digits, e.g. AU06.',
      'DataError train.jsonl:5: record "d", utterances: got [], expected a list of length at least 1.',
      "DataError train.jsonl:6: id: got nothing, expected string.",
    ].join("\n"),
  );
});

test("repeated ids, also across splits, and records in the wrong file are refused", async () => {
  await write("train.jsonl", record("a"), record("b", { split: "val" }));
  await write("test.jsonl", record("a", { split: "test", utterances: [{ id: "b_utt1", text: "" }], pairs: [] }));

  const { message } = await failure();

  expect(message).toBe(
    [
      'DataError train.jsonl:2: record "b", split: got "val", expected "train".',
      "  A record stands in the file of its split.",
      'DataError test.jsonl:1: record id "a" is used twice, first in train.jsonl:1.',
      "  Ids are unique in the whole dataset: the same clip in two splits would leak the test set.",
      'DataError test.jsonl:1: utterance id "b_utt1" is used twice, first in train.jsonl:2.',
      "  Ids are unique in the whole dataset: the same clip in two splits would leak the test set.",
    ].join("\n"),
  );
});

test("a pair that points outside the dialogue is refused", async () => {
  await write("train.jsonl", record("a", { pairs: [{ emotionUtterance: 2, causeUtterance: 3 }] }));

  expect((await failure()).message).toBe('DataError train.jsonl:1: record "a", pairs[0].causeUtterance: got 3, expected a number from 1 to 2.');
});

test("media paths cannot leave the root: absolute, dot-dot, drive letter, backslash or through a link", async () => {
  const outside = await mkdtemp(join(tmpdir(), "m2se-outside-"));
  await writeFile(join(outside, "secret.mp4"), "");
  await mkdir(join(root, "clips"));
  await symlink(join(outside, "secret.mp4"), join(root, "clips", "link.mp4"));
  await symlink(outside, join(root, "folder"));
  const paths = ["/etc/passwd", "clips/../../x.mp4", "C:/x.mp4", "clips\\x.mp4", "clips/link.mp4", "folder/secret.mp4", "clips/..x.mp4"];
  await write("train.jsonl", record("a", { utterances: paths.map((video, index) => ({ id: `u${index}`, text: "", media: { video } })), pairs: [] }));

  const { error } = await failure();
  await rm(outside, { recursive: true });

  expect(error.problems.map(({ what }) => what.replace(/^record "a", /, ""))).toEqual([
    'utterances[0].media.video: got the absolute path "/etc/passwd", expected one relative to the root',
    'utterances[1].media.video: got "clips/../../x.mp4", which leaves the dataset\'s root',
    'utterances[2].media.video: got the absolute path "C:/x.mp4", expected one relative to the root',
    'utterances[3].media.video: got "clips\\x.mp4", a character that paths may not hold',
    'utterances[4].media.video: "clips/link.mp4" is a link that leaves the dataset\'s root',
    'utterances[5].media.video: "folder/secret.mp4" is a link that leaves the dataset\'s root',
  ]);
});

test("a link inside the root, and a root that is itself a link, are fine", async () => {
  await mkdir(join(root, "real"));
  await writeFile(join(root, "real", "x.mp4"), "");
  await symlink(join(root, "real"), join(root, "clips"));
  await write("train.jsonl", record("a", { utterances: [{ id: "u", text: "", media: { video: "clips/x.mp4" } }], pairs: [] }));
  const link = `${root}-link`;
  await symlink(root, link);

  const dataset = await openDataset(link).finally(() => rm(link));

  expect(dataset.records("train").length).toBe(1);
});

test("twenty problems are shown in full, the rest are counted", async () => {
  await write("train.jsonl", ...Array.from({ length: 23 }, () => "{"));

  const { error } = await failure();

  expect(error.problems.length).toBe(21);
  expect(error.problems.at(-1)?.what).toBe("3 more problems like these, 23 in all");
});

test("a missing root, a file as root and a root without records say what to do", async () => {
  expect((await failure()).message).toBe(
    `DataError ${root}: no records here, expected at least one line in train.jsonl, val.jsonl, test.jsonl.\n  Render a dataset with \`m2se data synth --out DIR\`. If rendering into this folder was cut short, delete the folder first.`,
  );
  await expect(openDataset(join(root, "nowhere"))).rejects.toThrow(
    `DataError ${join(root, "nowhere")}: the dataset's root does not exist.\n  Check data.root, or make a dataset with \`m2se data synth --out DIR\`.`,
  );
  await writeFile(join(root, "file"), "");
  await expect(openDataset(join(root, "file"))).rejects.toThrow("the dataset's root is a file, expected a folder");
});

test("a manifest with fewer records than dataset.json says is refused", async () => {
  await write("train.jsonl", record("a"));
  await write("dataset.json", { name: "tiny", source: "test", counts: { train: { records: 2, utterances: 4 } } });

  expect((await failure()).message).toBe(
    "DataError train.jsonl: got 1 records, but dataset.json says 2.\n  The copy is incomplete or was edited: make it again, or correct dataset.json.",
  );
});

test("a broken dataset.json is refused with its field", async () => {
  await write("train.jsonl", record("a"));
  await write("dataset.json", { name: "tiny", source: "test", count: {} });

  expect((await failure()).message).toBe('DataError dataset.json: counts: got nothing, expected record.\nDataError dataset.json: unknown field "count".\n  Did you mean "counts"?');
});

test("a dataset that is streamed gives the good records one by one, and its faults at the end", async () => {
  await write("train.jsonl", record("a"), "{", record("b"));
  await write("val.jsonl", record("c", { split: "val" }));
  const { stream } = await openDatasetFolder(root);
  const ids: string[] = [];

  const read = async (): Promise<void> => {
    for await (const { id, split } of stream()) ids.push(`${split} ${id}`);
  };

  await expect(read()).rejects.toThrow("train.jsonl:2: this line is not JSON");
  expect(ids).toEqual(["train a", "train b", "val c"]);
});
