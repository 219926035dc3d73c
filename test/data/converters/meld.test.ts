import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { differencesFromPublished } from "../../../src/data/build/report.ts";
import { sharedData, testOnRealFiles } from "../shared-data.ts";
import { convert, rawFiles } from "./converted.ts";

const HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime";
const row = (dialogue: number, utterance: number, changes: { readonly text?: string; readonly emotion?: string; readonly sentiment?: string; readonly end?: string } = {}): string =>
  `1,${changes.text ?? "Hi."},Joey,${changes.emotion ?? "joy"},${changes.sentiment ?? "positive"},${dialogue},${utterance},1,1,"00:00:01,000","${changes.end ?? "00:00:02,500"}"`;
const csv = (...rows: readonly string[]): string => [HEADER, ...rows].join("\r\n");

test("rows of a dialogue become one record that keeps the source's numbers, gaps included", async () => {
  const { records } = await convert("meld", await rawFiles({ "train_sent_emo.csv": csv(row(3, 0, { text: '"Well, ""no""."', emotion: "anger", sentiment: "negative" }), row(3, 2), row(5, 0)) }));

  expect(records).toEqual([
    {
      id: "meld_train_dia3",
      source: "meld",
      split: "train",
      utterances: [
        { id: "meld_train_dia3_utt0", speaker: "Joey", text: 'Well, "no".', clip: "meld/train/dia3_utt0", mediaStatus: "no-clips", emotion: "anger", sentiment: { polarity: "negative" } },
        { id: "meld_train_dia3_utt2", speaker: "Joey", text: "Hi.", clip: "meld/train/dia3_utt2", mediaStatus: "no-clips", emotion: "joy", sentiment: { polarity: "positive" } },
      ],
    },
    expect.objectContaining({ id: "meld_train_dia5" }),
  ]);
});

test("clips are found in the folders that people have, by the split in their path", async () => {
  const root = await rawFiles({
    "dev_sent_emo.csv": csv(row(0, 0)),
    "test_sent_emo.csv": csv(row(0, 0), row(0, 1)),
    "dev/dev_splits_complete/dia0_utt0.mp4": "x",
    "output_repeated_splits_test/dia0_utt0.mp4": "x",
    "output_repeated_splits_test/final_videos_testdia0_utt0.mp4": "x",
    "output_repeated_splits_test/._dia0_utt0.mp4": "x",
    "output_repeated_splits_test/dia9_utt9.mp4": "x",
    "output_repeated_splits_test/dia93_utt5.mp4": "x",
  });

  const plain = await convert("meld", root, ["media.probe=none"]);
  const final = await convert("meld", root, ["media.probe=none", "meld.finalVideos=final"]);

  const videos = ({ records }: typeof plain): (string | undefined)[] => records.flatMap(({ utterances }) => utterances.map(({ media }) => media?.video));
  expect(videos(plain)).toEqual(["dev/dev_splits_complete/dia0_utt0.mp4", "output_repeated_splits_test/dia0_utt0.mp4", undefined]);
  expect(videos(final)[1]).toBe("output_repeated_splits_test/final_videos_testdia0_utt0.mp4");
  expect(plain.notices.filter((text) => !text.startsWith("count-differs"))).toEqual([
    "input output_repeated_splits_test: 1 AppleDouble stubs (._*.mp4) are no clips and are ignored",
    `input ${root}: 1 final_videos_test clips, 1 of them beside a plain one: meld.finalVideos=plain decides which is used`,
    `missing ${root}: no annotation file of the train split (train_sent_emo.csv)`,
    "no-file test_sent_emo.csv:3: meld_test_dia0_utt1: output_repeated_splits_test/dia0_utt1.mp4: no such file",
    "no-row output_repeated_splits_test/dia93_utt5.mp4: this clip has no row in the annotations, as is known of the published archive",
    "no-row output_repeated_splits_test/dia9_utt9.mp4: this clip has no row in the annotations",
  ]);
});

test("rows that are wrong are named with file and line, and nothing is dropped in silence", async () => {
  const { report, notices, records } = await convert(
    "meld",
    await rawFiles({
      "data/MELD/train_sent_emo.csv": csv(
        row(0, 0, { emotion: "Joy" }),
        row(0, 1, { emotion: "bored" }),
        row(0, 0, { text: "again" }),
        "1,cut",
        row(1, 0, { end: "00:05:00,000" }),
        row(0, 5),
        "1,Hi.,Joey,joy,positive,x,0,1,1,,",
      ),
      "data/MELD/train_sent_emo_dya.csv": csv(),
      "train.tar.gz": "x",
    }),
  );

  const file = "data/MELD/train_sent_emo.csv";
  expect(notices.filter((text) => text.includes(file) && !text.startsWith("no-clips"))).toEqual([
    `other-word ${file}:2: Emotion "Joy" was read as "joy"`,
    `unknown-label ${file}:3: Emotion "bored" is outside the set; the utterance goes without it`,
    `repeated ${file}:4: dia0_utt0 has a row already; this one is not used`,
    `bad-row ${file}:5: got 2 cells, expected 11 as in the header`,
    `odd-time ${file}:6: StartTime to EndTime is 299.000 s, expected 0.2 to 30 s`,
    `order ${file}:7: dialogue 0 goes on here after other dialogues; the rest of it is a record of its own`,
    `bad-row ${file}:8: Dialogue_ID "x" and Utterance_ID "0", expected two whole numbers`,
  ]);
  expect(notices).toContain("input data/MELD/train_sent_emo_dya.csv: MELD's dyadic variant repeats clips and is not converted");
  expect(notices).toContain("input train.tar.gz: this archive is not unpacked here: unpack it for its clips");
  expect(Object.values(report.inputs)).toEqual([{ read: 7, refused: 3 }]);
  expect(records.map(({ id, utterances }) => [id, utterances.length])).toEqual([
    ["meld_train_dia0", 2],
    ["meld_train_dia1", 1],
    ["meld_train_dia0_part2", 1],
  ]);
});

test("ids with leading zeros are numbers, clips may end in .MP4 and lie in the media root itself", async () => {
  const parent = await rawFiles({ "dev/dev_sent_emo.csv": csv(row(0, 0), row(0, 1).replace(",0,1,1,1,", ",00,01,1,1,")), "dev/dia0_utt1.MP4": "x" });

  const { records, notices } = await convert("meld", join(parent, "dev"), ["media.probe=none"]);

  expect(records.map(({ id, utterances }) => [id, utterances.map((utterance) => [utterance.id, utterance.media?.video])])).toEqual([["meld_val_dia0", [["meld_val_dia0_utt0", undefined], ["meld_val_dia0_utt1", "dia0_utt1.MP4"]]]]);
  expect(notices.filter((text) => text.startsWith("unknown-split"))).toEqual([]);
});

test("an annotation file that is none costs its split, not the others", async () => {
  const root = await rawFiles({ "train_sent_emo.csv": csv(row(0, 0)), "dev_sent_emo.csv": "", "test_sent_emo.csv": "text;label\na;joy\n" });

  const { notices, records } = await convert("meld", root);

  expect(records).toHaveLength(1);
  expect(notices.filter((text) => text.startsWith("bad-file"))).toEqual([
    "bad-file dev_sent_emo.csv: this file is empty, expected a CSV file with a header row",
    expect.stringMatching(/^bad-file test_sent_emo\.csv:1: the header has no column "Utterance", "Speaker", /),
  ]);
  await expect(convert("meld", await rawFiles({ "dev_sent_emo.csv": "" }))).rejects.toThrow(/no record came of this folder; first fault: .*dev_sent_emo\.csv: this file is empty/);
});

test("a folder without annotations says where they come from", async () => {
  const root = await rawFiles({ "video.mp4": "x" });

  await expect(convert("meld", root)).rejects.toThrow(`DataError ${root}: no MELD annotations here, expected train_sent_emo.csv, dev_sent_emo.csv or test_sent_emo.csv in this folder or below.\n  The files come in MELD.Raw.tar.gz`);
});

testOnRealFiles("the official files give the published counts", async () => {
  const root = await rawFiles({});
  for (const split of ["train", "dev", "test"]) await copyFile(sharedData("meld", `${split}_sent_emo.csv`), join(root, `${split}_sent_emo.csv`));

  const { report } = await convert("meld", root, ["media.minSeconds=0.5", "media.maxSeconds=15"]);

  expect(report.splits.train?.emotion).toEqual({ neutral: 4710, joy: 1743, surprise: 1205, anger: 1109, sadness: 683, disgust: 271, fear: 268 });
  expect(report.splits.test).toMatchObject({ records: 280, utterances: 2610, sentiment: { neutral: 1256, negative: 833, positive: 521 }, status: { "no-clips": 2610 }, withClip: 0 });
  expect(differencesFromPublished(report)).toEqual([]);
  // Rows below 0.5 s or above 15 s: 283 + 25, 34 + 6, 89 + 6.
  expect(report.notices["odd-time"]?.count).toBe(443);
  expect(report.notices["known-defect"]?.count).toBe(28);
});

testOnRealFiles("the archive's edition of the dev split has the words of the repository's", async () => {
  const [archive, repository] = [await rawFiles({}), await rawFiles({})];
  await copyFile(sharedData("meld/rawtar_dev_sent_emo.csv"), join(archive, "dev_sent_emo.csv"));
  await copyFile(sharedData("meld/dev_sent_emo.csv"), join(repository, "dev_sent_emo.csv"));

  const [fromArchive, fromRepository] = [await convert("meld", archive), await convert("meld", repository)];

  expect(fromArchive.records.length).toBe(114);
  expect(fromArchive.records).toEqual(fromRepository.records);
  expect(fromArchive.report.notices["text-repaired"]?.count).toBeGreaterThan(100);
  expect(fromRepository.report.notices["text-repaired"]).toBeUndefined();
});
