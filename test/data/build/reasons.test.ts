import { join } from "node:path";
import { expect, test } from "vitest";
import { composeReason } from "../../../src/data/build/reasons.ts";
import type { Utterance } from "../../../src/data/record.ts";
import { emotionNamed } from "../../../src/tasks/emotion-words.ts";
import { convert, rawFiles } from "../converters/converted.ts";

const SMILE: Utterance = { id: "u", text: "We won!", emotion: "joy", sentiment: { polarity: "positive" }, actionUnits: [{ unit: "AU04", intensity: 5 }, { unit: "AU06", intensity: 1 }, { unit: "AU12", intensity: 3 }, { unit: "AU25", intensity: 2 }] };

test("a composed reason goes from the face's two strongest units of the emotion to words and conclusion", () => {
  expect(composeReason(SMILE, 1)).toMatch(/^In the video, the person shows a big smile and parted lips and says "We won!", which sounds positive, (so the emotion is|which points to) joy\.$/);
  expect(emotionNamed(composeReason(SMILE, 1) ?? "")).toBe("joy");
});

test("only what is there is named, and without an emotion nothing is", () => {
  expect(composeReason({ id: "u", text: "Oh.", emotion: "anger" }, 1)).toMatch(/^In the video, the person says "Oh\.", .* anger\.$/);
  expect(composeReason({ ...SMILE, text: " " }, 1)).toMatch(/^In the video, the person shows a big smile and parted lips, .* joy\.$/);
  expect(composeReason({ id: "u", text: "", emotion: "anger" }, 1)).toBeUndefined();
  expect(composeReason({ id: "u", text: "Oh." }, 1)).toBeUndefined();
  expect(composeReason({ ...SMILE, text: Array.from({ length: 40 }, (_, i) => i).join(" ") }, 1)).toContain("28 29 ...");
});

test("the user's reasons come first, are found by id or clip name, and those that nobody takes are told", async () => {
  const root = await rawFiles({
    "train_sent_emo.csv": "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\nHi.,Joey,joy,positive,0,0\nHo.,Joey,anger,negative,0,1\nHe.,Joey,fear,negative,0,2\n",
    "reasons.jsonl": '{"id": "meld_train_dia0_utt0", "reason": "He smiles."}\n{"id": "meld/train/dia0_utt1", "reason": "He shouts."}\n{"id": "nobody", "reason": "x"}\n',
  });

  const { records, notices, report } = await convert("meld", root, [`reasons.file=${join(root, "reasons.jsonl")}`, "reasons.compose=template"]);

  expect(records[0]?.utterances.map(({ reason, reasonOrigin }) => [reason?.replace(/,.*/s, ""), reasonOrigin])).toEqual([["He smiles.", "given"], ["He shouts.", "given"], ["In the video", "template"]]);
  expect(report.splits.train?.reason).toEqual({ given: 2, template: 1 });
  expect(notices).toContain('no-reason reasons.jsonl: the reason of "nobody" belongs to no utterance of this build');
});

test("a broken line in the user's file ends the build", async () => {
  const root = await rawFiles({ "train_sent_emo.csv": "x", "reasons.jsonl": '{"id": "a"}\n' });

  await expect(convert("meld", root, [`reasons.file=${join(root, "reasons.jsonl")}`])).rejects.toThrow("reasons.jsonl:1: record \"a\", reason: got nothing, expected string.");
});
