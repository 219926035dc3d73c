import { expect, test } from "vitest";
import { causeTurn, CLIP_TASKS, clipTurn, readCauses, readPrompt } from "../../../src/data/emt/paper-prompts.ts";
import type { EmtRecord, Utterance } from "../../../src/data/record.ts";
import { TASKS } from "../../../src/tasks/index.ts";

const UTTERANCE: Utterance = { id: "u", text: "It's late", sentiment: { polarity: "negative" }, emotion: "joy", expression: ["Big smile", "Lips part"], reason: "In the video, joy." };
const RECORD: EmtRecord = {
  id: "r",
  source: "ecf",
  split: "test",
  utterances: [
    { id: "a", speaker: "Ross", text: "Hi : there .", emotion: "neutral" },
    { id: "b", speaker: "Rachel", text: "No .", emotion: "anger" },
  ],
  pairs: [
    { emotionUtterance: 2, causeUtterance: 2 },
    { emotionUtterance: 2, causeUtterance: 1 },
  ],
};

test.each(CLIP_TASKS)("the %s row says what the task's own prompt says", (task) => {
  const [sample] = TASKS[task].samples({ id: "r", source: "meld", split: "test", utterances: [UTTERANCE] });
  const words = [...(sample?.prefix ?? []), ...(sample?.instruction ?? [])].map((part) => (part.kind === "clip" ? "" : part.text)).join("");

  expect(clipTurn(task, UTTERANCE, "meld")).toEqual({ query: words, response: sample?.target });
  expect(readPrompt(words)).toEqual({ kind: "clip", task, text: "It's late" });
});

test("MOSEI's emotion rows say happy", () => {
  expect(clipTurn("erc", UTTERANCE, "mosei")).toEqual({
    query: "The person says: 'It's late' <emotion> Please determine which emotion label in the video represents: anger, sad, surprise, disgust, happy, neutral or fear.",
    response: "Happy.",
  });
});

test("a neutral sentiment and a neutral utterance have no row", () => {
  expect(clipTurn("msa", { ...UTTERANCE, sentiment: { polarity: "neutral" } }, "meld")).toBeUndefined();
  expect(causeTurn(RECORD, 1)).toBeUndefined();
  expect(causeTurn({ ...RECORD, targets: [1] }, 2)).toBeUndefined();
});

test("the ECPE row is the authors' template with the pairs in the data's order", () => {
  const turn = causeTurn(RECORD, 2);

  expect(turn?.query).toBe(
    "Below is a conversation containing multiple utterances from different speakers, \n" +
      "along with the corresponding emotion label for each utterance. \n" +
      "Your task is to identify the indices of the candidate utterances that elicited the emotion in the target utterance.\n" +
      "Input conversation:1_neutral. Ross: Hi : there .\n2_anger. Rachel: No .\n" +
      "Candidate utterances:1_neutral. Ross: Hi : there .\n" +
      "Target utterance:2_anger. Rachel: No .\n" +
      'You need to return the answer as, for example, "3_surprise,1", \n' +
      "which means that the emotion of surprise in the third sentence is related to the first sentence, \n" +
      "and if the emotion is related to more than one sentence, separate the sentences with “;”.\n" +
      "The emotion-cause indices of the target utterance are:",
  );
  expect(turn?.response).toBe("2_anger,2;2_anger,1");
  expect(readPrompt(turn?.query ?? "")).toEqual({ kind: "causes", target: 2, lines: [{ emotion: "neutral", speaker: "Ross", text: "Hi : there ." }, { emotion: "anger", speaker: "Rachel", text: "No ." }] });
});

test.each([
  ["3_joy,1;3_joy,2", [1, 2]],
  ["", []],
  ["None.", []],
  ["3_Joy , 1", [1]],
  ["2_joy,1", undefined],
  ["3_boredom,1", undefined],
  ["the first", undefined],
])("the causes in %j of target 3 are %j", (response, causes) => {
  expect(readCauses(response, 3)).toEqual(causes);
});

test("a question with Windows line ends is read as any other", () => {
  const { query } = causeTurn(RECORD, 2)!;

  expect(readPrompt(query.replaceAll("\n", "\r\n"))).toEqual(readPrompt(query));
  expect(readPrompt(query)?.kind).toBe("causes");
});

test("questions of Emotion-LLaMA's pools are known by their wording", () => {
  expect(readPrompt("What is the emotional state of the person in the video? Please tell me the reason.")).toEqual({ kind: "clip", task: "eri" });
  expect(readPrompt("Detail the facial expressions used in the image.")).toEqual({ kind: "clip", task: "fer" });
  expect(readPrompt("What is in the picture?")).toBeUndefined();
});
