/** @file Records and rendered prompts for the tests of the tasks. */
import type { EmtRecord, Utterance } from "../../src/data/record.ts";
import type { Part, Sample, ScoredRow } from "../../src/tasks/task.ts";

/** The prompt as one text, `[clip ID]` where a clip goes and a bar between prefix and instruction. */
export function renderPrompt(sample: Sample, options: { readonly transcripts: "shown" | "left out" } = { transcripts: "shown" }): string {
  const render = (part: Part): string => {
    if (part.kind === "clip") return `[clip ${part.utterance.id}]`;
    return part.kind === "transcript" && options.transcripts === "left out" ? "" : part.text;
  };
  return `${sample.prefix.map(render).join("")}|${sample.instruction.map(render).join("")}`;
}

export const utterance: Utterance = {
  id: "dia3_utt1",
  speaker: "Phoebe",
  text: "Oh my God, he's lost it.",
  media: { video: "clips/dia3_utt1.mp4" },
  sentiment: { score: -1, polarity: "negative" },
  emotion: "sadness",
  expression: ["Slightly lower eyebrows", "Slight frown"],
  reason: "In the video, the lips point down, so she feels sad.",
};

export function recordOf(...utterances: readonly Utterance[]): EmtRecord {
  return { id: "dia3", source: "test", split: "train", utterances: [...utterances] };
}

/** A conversation of three: joy about turn 1, surprise about turns 1 and 2. */
export const conversation: EmtRecord = {
  id: "dia7",
  source: "test",
  split: "train",
  utterances: [
    { id: "dia7_utt1", speaker: "Joey", text: "I got the part!", emotion: "joy", media: { video: "a.mp4" } },
    { id: "dia7_utt2", speaker: "Ross", text: "Oh.", emotion: "neutral" },
    { id: "dia7_utt3", text: "What?", emotion: "surprise" },
  ],
  pairs: [
    { emotionUtterance: 3, causeUtterance: 2 },
    { emotionUtterance: 3, causeUtterance: 1 },
    { emotionUtterance: 1, causeUtterance: 1 },
  ],
};

/** A sample with nothing but an id and a target. */
export function sampleWith(target: string, id = "a"): Sample {
  return { id, task: "msa", recordId: id, unit: id, prefixKey: id, prefix: [], instruction: [], target };
}

export function rows(...pairs: readonly (readonly [gold: string, response: string])[]): ScoredRow[] {
  return pairs.map(([gold, response], i) => ({ id: `row${i}`, gold, response }));
}
