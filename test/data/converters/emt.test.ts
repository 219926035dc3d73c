import { join } from "node:path";
import { expect, test } from "vitest";
import { causePairs } from "../../../src/tasks/cause-pairs.ts";
import { convert, only, rawFiles } from "./converted.ts";

const said = (text: string, rest: string): string => `The person says: '${text}' ${rest}`;
const SENTIMENT = "<sentiment> Please determine which sentiment label in the video represents: positive or negative.";
const EMOTION = "<emotion> Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.";
const FACE = "<expression> Detail the facial expressions used in the image.";
const CAUSES = (target: string): string =>
  `Below is a conversation ...\nInput conversation:1_neutral. Joey: Hi .\n2_joy. Monica: It's: great .\n3_anger. Joey: No .\nCandidate utterances:1_neutral. Joey: Hi .\nTarget utterance:${target}\nThe emotion-cause indices of the target utterance are:`;

test("rows of one clip that stand together become one record; the source is told from the path", async () => {
  const root = await rawFiles({
    "emt_test.json": JSON.stringify([
      { query: said("It's 'ok'", SENTIMENT), response: "Positive.", videos: ["MELD/output_repeated_splits_test/dia0_utt0.mp4"] },
      { query: said("It's 'ok'", EMOTION), response: "Joy.", videos: ["MELD/output_repeated_splits_test/dia0_utt0.mp4"] },
      { query: said("It's 'ok'", FACE), response: "Big smile; Lips part", videos: ["MELD/output_repeated_splits_test/dia0_utt0.mp4"] },
      { query: said("Other", EMOTION), response: "Happy.", images: ["MOSEI/Raw/v_1/3.mp4"] },
    ]),
    "MELD/output_repeated_splits_test/dia0_utt0.mp4": "x",
  });

  const { records, notices } = await convert("emt", root, ["media.probe=none"]);

  expect(records).toEqual([
    {
      id: "emt_test_1",
      source: "meld",
      split: "test",
      utterances: [{ id: "emt_test_1", text: "It's 'ok'", media: { video: "MELD/output_repeated_splits_test/dia0_utt0.mp4" }, clip: "meld/test/dia0_utt0", mediaStatus: "ok", sentiment: { polarity: "positive" }, emotion: "joy", expression: ["Big smile", "Lips part"] }],
    },
    { id: "emt_test_2", source: "mosei", split: "test", utterances: [{ id: "emt_test_2", text: "Other", clip: "mosei/v_1/3", emotion: "joy", mediaStatus: "no-clips" }] },
  ]);
  expect(notices).toEqual(["no-clips MOSEI: no such folder: the 1 rows whose media are in it are text only"]);
});

test("histories, messages with tags and content parts, and ShareGPT turns all hold labels", async () => {
  const root = await rawFiles({
    "rows_train.jsonl": [
      { history: [[said("a", SENTIMENT), "Negative."]], query: EMOTION, response: "Anger.", videos: ["1.mp4"] },
      { messages: [{ role: "system", content: "You are" }, { role: "user", content: `<video>${said("b", EMOTION)}` }, { role: "assistant", content: "Fear." }], videos: ["2.mp4"] },
      { messages: [{ role: "user", content: [{ type: "video", video: "3.mp4" }, { type: "text", text: said("c", EMOTION) }] }, { role: "assistant", content: "Neutral." }] },
      { conversations: [{ from: "human", value: said("d", SENTIMENT) }, { from: "gpt", value: "Positive." }] },
      { query: said("e", EMOTION), response: "Joy.", label: "Disgust." },
    ].map((row) => JSON.stringify(row)).join("\n"),
    "1.mp4": "x", "2.mp4": "x", "3.mp4": "x",
  });

  const { records, notices } = await convert("emt", root, ["media.probe=none"]);

  expect(records.map(({ utterances }) => utterances[0])).toEqual([
    { id: "emt_train_1", text: "a", media: { video: "1.mp4" }, mediaStatus: "ok", sentiment: { polarity: "negative" }, emotion: "anger" },
    { id: "emt_train_2", text: "b", media: { video: "2.mp4" }, mediaStatus: "ok", emotion: "fear" },
    { id: "emt_train_3", text: "c", media: { video: "3.mp4" }, mediaStatus: "ok", emotion: "neutral" },
    { id: "emt_train_4", text: "d", mediaStatus: "no-clips", sentiment: { polarity: "positive" } },
    { id: "emt_train_5", text: "e", mediaStatus: "no-clips", emotion: "disgust" },
  ]);
  expect(notices).toEqual([]);
});

test("targets of one conversation become one record; a conversation without all its targets says which it has", async () => {
  const rows = (responses: Readonly<Record<string, string>>): string => JSON.stringify(Object.entries(responses).map(([target, response]) => ({ query: CAUSES(target), response, videos: [`ECF2/subtask2_test/dia9utt${target.charAt(0)}.mp4`] })));

  const whole = only((await convert("emt", await rawFiles({ "ecpe_test.json": rows({ "2_joy. Monica: It's: great .": "2_joy,1;2_joy,2", "3_anger. Joey: No .": "" }) }))).records);
  const part = only((await convert("emt", await rawFiles({ "ecpe_test.json": rows({ "3_anger. Joey: No .": "3_anger,2" }) }))).records);

  expect(whole).toMatchObject({ source: "ecf", pairs: [{ emotionUtterance: 2, causeUtterance: 1 }, { emotionUtterance: 2, causeUtterance: 2 }], utterances: [{ text: "Hi .", clip: "ecf/dia9utt1" }, { speaker: "Monica", text: "It's: great .", clip: "ecf/dia9utt2" }, { emotion: "anger" }] });
  expect(whole.targets).toBeUndefined();
  expect(part).toMatchObject({ targets: [3], pairs: [{ emotionUtterance: 3, causeUtterance: 2 }] });
  expect(causePairs.samples(part).map(({ target }) => target)).toEqual(["3_anger,2"]);
  expect(causePairs.samples(whole).map(({ target }) => target)).toEqual(["2_joy,1;2_joy,2", "None."]);
});

test("the output of swift infer holds the gold answer beside the model's; Alpaca rows and OpenAI's parts are read", async () => {
  const root = await rawFiles({
    "rows_train.jsonl": [
      "{broken",
      { response: "Fear.", labels: "Joy.", logprobs: null, messages: [{ role: "user", content: said("a", EMOTION) }, { role: "assistant", content: "Fear." }] },
      { query: said("b", EMOTION), response: "Fear.", labels: "Anger." },
      { instruction: said("c", EMOTION), input: "", output: "Sad." },
      { messages: [{ role: "user", content: [{ type: "video_url", video_url: { url: "4.mp4" } }, { type: "text", text: said("d", EMOTION) }] }, { role: "assistant", content: "Joy." }] },
      { query: said("e", EMOTION), response: "Joy.", videos: ["https://host/5.mp4"] },
    ].map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"),
    "4.mp4": "x",
  });

  const { records, notices } = await convert("emt", root, ["media.probe=none"]);

  expect(records.map(({ utterances }) => [utterances[0]?.text, utterances[0]?.emotion, utterances[0]?.mediaStatus])).toEqual([["a", "joy", "no-clips"], ["b", "anger", "no-clips"], ["c", "sadness", "no-clips"], ["d", "joy", "ok"], ["e", "joy", "unsafe-path"]]);
  expect(notices).toEqual([expect.stringMatching(/^bad-row rows_train\.jsonl:1: this is not JSON/), 'unsafe-path rows_train.jsonl:6: emt_train_5: https://host/5.mp4: got the address "https://host/5.mp4", expected a file below the root']);
});

test("rows that are of no use are named with file and line", async () => {
  const root = await rawFiles({
    "rows.jsonl": [
      '{"query": "What is this?", "response": "A cat."}',
      JSON.stringify({ query: said("a", EMOTION), response: "Bored." }),
      JSON.stringify({ query: said("a", FACE), response: "Big smile; Twinkle" }),
      JSON.stringify({ query: `<video><video>${said("a", EMOTION)}`, response: "Joy.", videos: ["../../etc/x.mp4"] }),
      '{"query": 5, "response": "x"}',
      JSON.stringify({ messages: [{ role: "user", content: "x" }] }),
      '{"query": "cut',
      JSON.stringify({ query: CAUSES("2_joy. Monica: It's: great ."), response: "2_joy,7" }),
    ].join("\n"),
  });

  const { notices, report } = await convert("emt", root);

  expect(notices.map((text) => text.replace(/not JSON: .*/, "not JSON"))).toEqual([
    "input rows.jsonl: the name holds no split (train, dev, test): its rows are training rows",
    'unknown-prompt rows.jsonl:1: the question "What is this?" is of none of the five tasks',
    'unknown-label rows.jsonl:2: the erc answer "Bored." is outside the set of emotions',
    'unknown-label rows.jsonl:3: the fer answer "Big smile; Twinkle" is not all of known phrases: "Twinkle" belongs to no action unit',
    "tag-count rows.jsonl:4: got 2 <video> tags and 1 videos",
    expect.stringMatching(/^bad-row rows\.jsonl:5: this is no whole ms-swift row: query: /),
    "bad-row rows.jsonl:6: the last question has no answer",
    "bad-row rows.jsonl:7: this is not JSON",
    "unknown-label rows.jsonl:8: the answer names utterance 7 of 3",
    'unsafe-path rows.jsonl:4: emt_train_1: ../../etc/x.mp4: got "../../etc/x.mp4", which leaves the dataset\'s root',
  ]);
  expect(Object.values(report.inputs)).toEqual([{ read: 8, refused: 7 }]);
});

test("files of other kinds are passed over, and a folder without rows is refused", async () => {
  const root = await rawFiles({ "config.json": '{"a": 1}' });

  await expect(convert("emt", root)).rejects.toThrow(`DataError ${root}: no EMT or ms-swift rows in this folder or below (found: ${join(root, "config.json")}: this file does not begin with an ms-swift row and is not read), expected`);
  await expect(convert("emt", await rawFiles({ "train.jsonl": "{broken\n" }))).rejects.toThrow(/\(found: .*train\.jsonl: line 1: this is not JSON: .*; this file is not read\)/);
});
