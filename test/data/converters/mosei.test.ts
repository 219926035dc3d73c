import { join } from "node:path";
import { expect, test } from "vitest";
import { chooseEmotion } from "../../../src/data/converters/mosei-emotions.ts";
import { sharedData, testOnRealFiles } from "../shared-data.ts";
import { convert, rawFiles } from "./converted.ts";

const LABELS = "video_id,clip_id,text,label,annotation,mode,label_T,label_A,label_V";
const EMOTIONS = "video_id,clip_id,happy,sad,anger,surprise,disgust,fear";

test("ids stay texts, the score decides the polarity, the strongest emotion is the label", async () => {
  const { records } = await convert(
    "mosei",
    await rawFiles({
      "label.csv": [LABELS, "-3g5yACwYnA,13,KATE ^ says,-0.33333334,Negative,train,,,", "100178,0001,Hi,0.0,Neutral,valid,,,", 'a_b,2,"x, y",2.0,Positive,test,,,'].join("\n"),
      "emotions.csv": [EMOTIONS, "-3g5yACwYnA,13,0,0.66,0.66,0,0,0.33", "100178,0001,0,0,0,0,0,0", "a_b,2,1.5,0,0,2,0,0"].join("\n"),
      "Raw/-3g5yACwYnA/13.mp4": "x",
    }),
    ["media.probe=none"],
  );

  expect(records).toEqual([
    { id: "mosei_-3g5yACwYnA$_$13", source: "mosei", split: "train", utterances: [{ id: "mosei_-3g5yACwYnA$_$13", text: "KATE ^ says", media: { video: "Raw/-3g5yACwYnA/13.mp4" }, clip: "mosei/-3g5yACwYnA/13", sentiment: { score: -0.33333334, polarity: "negative" }, emotion: "sadness", mediaStatus: "ok" }] },
    expect.objectContaining({ split: "val", utterances: [expect.objectContaining({ clip: "mosei/100178/0001", sentiment: { score: 0, polarity: "neutral" }, emotion: "neutral", mediaStatus: "no-file" })] }),
    expect.objectContaining({ split: "test", utterances: [expect.objectContaining({ text: "x, y", emotion: "surprise" })] }),
  ]);
});

test.each([
  // happy, sad, anger, surprise, disgust, fear
  [[0, 0, 0, 0, 0, 0], {}, "neutral"],
  [[0, 0, 0, 0, 0, 0], { none: "unlabelled" }, undefined],
  [[1, 0, 0, 0, 0, 1], {}, "joy"],
  [[1, 0, 0, 0, 0, 1], { tie: "unlabelled" }, undefined],
  [[1, 0, 0, 0, 0, 2], { tie: "unlabelled" }, "fear"],
  [[1, 0, 0, 0, 0, 2], { several: "unlabelled" }, undefined],
  [[0, 0, 0, 0, 0.3, 0], { several: "unlabelled" }, "disgust"],
] as const)("intensities %j under %j give %s", (intensities, rule, expected) => {
  expect(chooseEmotion(intensities, { several: "strongest", tie: "first", none: "neutral", ...rule })).toBe(expected);
});

test("intensities are found by sentence, and by times through the transcripts", async () => {
  const labels = [LABELS, "v,4,One two.,1,Positive,train,,,"].join("\n");
  const bySentence = await convert("mosei", await rawFiles({ "label.csv": labels, "e.csv": "video,text,happy,sad,anger,surprise,disgust,fear\nv,one TWO,0,0,0,0,0,1\n" }));
  const byTimes = await convert("mosei", await rawFiles({ "label.csv": labels, "e.csv": "file,start,end,happy,sad,anger,surprise,disgust,fear\nv,2.5,3,0,0,1,0,0,0\n", "Raw/Transcript/Segmented/Combined/v.txt": "v___4___2.5___3.0___One two.\n" }));

  expect(bySentence.records[0]?.utterances[0]?.emotion).toBe("fear");
  expect(byTimes.records[0]?.utterances[0]?.emotion).toBe("anger");
});

test("every file of intensities is read, one for each split; a table that names no clip is told", async () => {
  const header = "video,text,happy,sad,anger,surprise,disgust,fear";
  const { records, notices } = await convert(
    "mosei",
    await rawFiles({
      "label.csv": [LABELS, "a,1,One.,1,Positive,train,,,", "b,1,Two.,1,Positive,test,,,", "c,1,Three.,1,Positive,test,,,"].join("\n"),
      "Data_Train_modified.csv": `${header}\na,One.,0,0,1,0,0,0\n`,
      "Data_Test_modified.csv": `${header}\nb,Two.,0,0,0,0,0,1\n`,
      "by_number.csv": `${EMOTIONS}\nc,1,0,1,0,0,0,0\n`,
      "means.csv": "happy,sad,anger,surprise,disgust,fear\n1,1,1,1,1,1\n",
    }),
  );

  expect(records.map(({ utterances }) => utterances[0]?.emotion)).toEqual(["anger", "fear", "sadness"]);
  expect(notices.filter((text) => text.includes(".csv:") && !text.startsWith("count-differs"))).toEqual([
    "input Data_Test_modified.csv: emotion intensities of 1 clips, by sentence",
    "input Data_Train_modified.csv: emotion intensities of 1 clips, by sentence",
    "input by_number.csv: emotion intensities of 1 clips, by clip number",
    "bad-file means.csv:1: nothing in the header names a clip, got happy,sad,anger,surprise,disgust,fear",
  ]);
});

test("the media root may be the folder Raw, and scores may have decimal commas", async () => {
  const parent = await rawFiles({ "Raw/label.csv": "video_id;clip_id;text;label;annotation;mode\nv;1;Hi;-0,5;Negative;train\n", "Raw/v/1.mp4": "x" });

  const { records } = await convert("mosei", join(parent, "Raw"), ["media.probe=none"]);

  expect(records[0]?.utterances[0]).toMatchObject({ media: { video: "v/1.mp4" }, mediaStatus: "ok", sentiment: { score: -0.5, polarity: "negative" } });
});

test("wrong splits, scores, paths and repeated clips are named with file and line", async () => {
  const rows = ["a,1,x,1,Positive,Train,,,", "a,2,x,1,Positive,trian,,,", "a,3,x,9,Positive,train,,,", "..,4,x,1,Positive,train,,,", "a,1,x,1,Positive,train,,,", "a,5,x,,Negative,development,,,"];
  const { notices, report, records } = await convert("mosei", await rawFiles({ "label.csv": [LABELS, ...rows].join("\n") }));

  expect(notices.filter((text) => text.includes("label.csv:"))).toEqual([
    'other-word label.csv:2: mode "Train" was read as "train"',
    'unknown-split label.csv:3: mode "trian", expected train, valid or test; the row is not used',
    'unknown-label label.csv:4: label "9", expected a number from -3 to 3; the clip goes without a sentiment',
    'unsafe-path label.csv:5: "../4" is no name of a clip: it would lead out of its folder',
    "repeated label.csv:6: the clip a/1 has a row already; this one is not used",
    'other-word label.csv:7: mode "development" was read as "val"',
  ]);
  expect(Object.values(report.inputs)).toEqual([{ read: 6, refused: 3 }]);
  expect(records.at(-1)?.utterances[0]?.sentiment).toEqual({ polarity: "negative" });
});

testOnRealFiles("the validation fold has the published figures", async () => {
  const { report } = await convert("mosei", sharedData("mosei"));

  expect(report.splits.val).toMatchObject({ records: 1861, sentiment: { negative: 501, neutral: 430, positive: 930 } });
  expect(report.splits.val?.emotion.neutral).toBe(299);
  const unlabelled = await convert("mosei", sharedData("mosei"), ["emotions.several=unlabelled"]);
  // 1861 clips, 665 of them with several emotions.
  expect(Object.values(unlabelled.report.splits.val?.emotion ?? {}).reduce((sum, count) => sum + count, 0)).toBe(1861 - 665);
  const ties = await convert("mosei", sharedData("mosei"), ["emotions.tie=unlabelled"]);
  expect(Object.values(ties.report.splits.val?.emotion ?? {}).reduce((sum, count) => sum + count, 0)).toBe(1861 - 222);
});
