import { expect, test } from "vitest";
import type { EmtRecord } from "../../src/data/record.ts";
import { TASKS } from "../../src/tasks/index.ts";
import { TASK_NAMES } from "../../src/tasks/task.ts";
import { chatTemplate } from "../../src/text/chat-template.ts";
import { encodeSamples } from "../../src/text/encode.ts";
import { IGNORE_INDEX, sampleLength } from "../../src/text/encoded-sample.ts";
import { toyTokenizer } from "../text/toy-tokenizer.ts";
import { packRows } from "./toy-samples.ts";

const record: EmtRecord = {
  id: "d1",
  source: "synthetic",
  split: "train",
  utterances: [1, 2].map((n) => ({
    id: `d1_${n}`,
    speaker: n === 1 ? "Ann" : "Bo",
    text: `sentence ${n} 😀`,
    media: { video: `d1_${n}.mp4` },
    sentiment: { polarity: "positive" as const, score: 2 },
    emotion: "joy" as const,
    actionUnits: [{ unit: "AU06", intensity: 3 }, { unit: "AU12", intensity: 3 }],
    expression: ["Cheek Raiser", "Lip Corner Puller"],
    reason: "In the video, the person smiles, so this is joy.",
  })),
  pairs: [{ emotionUtterance: 2, causeUtterance: 1 }],
};

test("the five tasks of a dialogue become one tree per clip and per conversation, and each answer can be read back", async () => {
  const tokenizer = await toyTokenizer();
  const samples = TASK_NAMES.flatMap((name) => TASKS[name].samples(record));
  const encoded = encodeSamples(samples, {
    tokenizer, template: chatTemplate("Hermes-2"), system: "You are an expert.", modalities: ["video", "audio", "text"], supervise: "answers",
    mediaTokens: { framesPerClip: 4, tokensPerFrame: 4, tokensPerSound: 8 },
  });

  const { rows, tooLong } = packRows(encoded, { rowTokens: 4096 });

  expect(tooLong).toEqual([]);
  expect(new Set(samples.map(({ task }) => task)).size).toBe(5);
  const roots = rows.flatMap(({ segments }) => segments.filter(({ parent }) => parent === 0));
  expect(roots.length).toBe(new Set(samples.map(({ prefixKey }) => prefixKey)).size);
  expect(roots.length).toBeLessThan(samples.length / 2);
  const unpacked = encoded.reduce((sum, sample) => sum + sampleLength(sample), 0);
  expect(rows.reduce((sum, { usedTokens }) => sum + usedTokens, 0)).toBeLessThan(unpacked * 0.7);
  const answers = new Map(rows.flatMap(({ labels, segments }) => segments.map(({ start, length, sampleId }) => {
    return [sampleId, tokenizer.decode(labels.subarray(start, start + length).filter((label) => label !== IGNORE_INDEX))] as const;
  })));
  for (const { id, target } of samples) expect(answers.get(id)).toBe(`${target}<|im_end|>`);
});
