import { expect, test } from "vitest";
import { z } from "zod";
import { EMOTIONS } from "../../src/data/record.ts";
import type { EmtRecord } from "../../src/data/record.ts";
import { causePairs } from "../../src/tasks/cause-pairs.ts";
import { emotion } from "../../src/tasks/emotion.ts";
import { CAUSE_PROMPTS, PAPER_FORM } from "../../src/tasks/prompt-form.ts";
import { goldOf } from "../../src/tasks/task.ts";
import { vectorTest } from "../metrics/official-vectors.ts";
import { conversation, renderPrompt, rows } from "./support.ts";

test("the cause prompt is the paper's with what targets share first", () => {
  const [joy, surprise, ...others] = causePairs.samples(conversation);

  const prefix = `Below is a conversation containing multiple utterances from different speakers, 
along with the corresponding emotion label for each utterance. 
Your task is to identify the indices of the candidate utterances that elicited the emotion in the target utterance.
You need to return the answer as, for example, "3_surprise,1", 
which means that the emotion of surprise in the third sentence is related to the first sentence, 
and if the emotion is related to more than one sentence, separate the sentences with “;”.
Input conversation:1_joy. Joey: I got the part!
2_neutral. Ross: Oh.
3_surprise. What?
`;
  expect(joy && renderPrompt(joy)).toBe(`${prefix}|[clip dia7_utt1]Target utterance:1_joy. Joey: I got the part!\n<cause> The emotion-cause indices of the target utterance are:`);
  expect(surprise && renderPrompt(surprise)).toBe(`${prefix}|Target utterance:3_surprise. What?\n<cause> The emotion-cause indices of the target utterance are:`);
  expect(others).toEqual([]);
});

test("when emotions are asked for, no label is shown, every turn is a target and a neutral one answers None", () => {
  const samples = causePairs.samples(conversation, { ...PAPER_FORM, causePrompt: "emotions-asked" });

  expect(samples.map(({ target }) => target)).toEqual(["1_joy,1", "None.", "3_surprise,1;3_surprise,2"]);
  const prompts = samples.map((sample) => renderPrompt(sample));
  expect(prompts.every((prompt) => prompt.includes("Input conversation:1. Joey: I got the part!\n2. Ross: Oh.\n3. What?\n|"))).toBe(true);
  expect(prompts[1]).toMatch(/\|Target utterance:2\. Ross: Oh\.\n<cause> The emotion-cause pairs of the target utterance are:$/);
});

test("an excerpt shows the turns around its target, which has the same number in every prompt", () => {
  const [joy, surprise] = causePairs.samples(conversation, { ...PAPER_FORM, causeTurns: { before: 1, after: 1 } });

  expect(renderPrompt(joy!)).toMatch(/\nInput conversation:\n\|\[clip dia7_utt1\]2_joy\. Joey: I got the part!\n3_neutral\. Ross: Oh\.\nTarget utterance:2_joy\.\n<cause> The emotion-cause indices of the target utterance are:$/);
  expect(renderPrompt(surprise!)).toMatch(/\nInput conversation:\n\|1_neutral\. Ross: Oh\.\n2_surprise\. What\?\nTarget utterance:2_surprise\.\n<cause> The emotion-cause indices of the target utterance are:$/);
  expect(joy?.prefixKey).toBe(surprise?.prefixKey);
  expect([joy?.target, surprise?.target]).toEqual(["2_joy,2", "2_surprise,1"]);
});

test("an outline says of a turn what it is without its words", () => {
  const window = { before: 1, after: 1 };
  const outlined = causePairs.samples(conversation, { ...PAPER_FORM, causeTurns: { ...window, show: "outline" } });
  const [joy, surprise] = outlined;

  // "I got the part!" has four words, "Oh." and "What?" one; nobody is known to say the last turn.
  expect(renderPrompt(joy!)).toMatch(/\nInput conversation:\n\|\[clip dia7_utt1\]2_joy\. D same\n3_neutral\. B other\nTarget utterance:2_joy\.\n<cause> The emotion-cause indices of the target utterance are:$/);
  expect(renderPrompt(surprise!)).toMatch(/\nInput conversation:\n\|1_neutral\. B\n2_surprise\. B\nTarget utterance:2_surprise\.\n<cause> /);
  // Answers, and what may be answered, are those about the words.
  const worded = causePairs.samples(conversation, { ...PAPER_FORM, causeTurns: window });
  const answersOf = (samples: typeof outlined) => samples.map((sample) => ({ ...sample, instruction: causePairs.weighing!.candidates(sample) }));
  expect(answersOf(outlined)).toEqual(answersOf(worded));
});

test("an outline of a conversation without labels has lengths and speakers, and the target's words, where its emotion shows", () => {
  const [joy, , surprise] = causePairs.samples(conversation, { ...PAPER_FORM, causePrompt: "emotions-asked", causeTurns: { before: 0, after: 1, show: "outline" } });

  expect(renderPrompt(joy!)).toMatch(/\n\|\[clip dia7_utt1\]1\. D same\n2\. B other\nTarget utterance:1\. Joey: I got the part!\n<cause> The emotion-cause pairs of the target utterance are:$/);
  expect(renderPrompt(surprise!)).toMatch(/\n\|1\. B\nTarget utterance:1\. What\?\n<cause> /);
  expect(new Set(causePairs.weighing!.candidates(joy!).flatMap((answer) => [...answer.matchAll(/,(\d)/g)].map(([, cause]) => cause)))).toEqual(new Set(["1", "2"]));
});

test.each([
  ["", "A"],
  ["one", "B"],
  ["one two", "C"],
  ["one two  three", "D"],
  ["1 2 3 4 5", "D"],
  ["1 2 3 4 5 6", "E"],
  ["1 2 3 4 5 6 7 8 9", "E"],
  ["1 2 3 4 5 6 7 8 9 10", "F"],
  ["1 2 3 4 5 6 7 8 9 10 11 12 13 14", "F"],
  ["1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", "G"],
  ["word ".repeat(90), "G"],
])("the length of %j is %s", (words, letter) => {
  const record = { ...conversation, utterances: conversation.utterances.map((utterance, i) => (i === 2 ? { ...utterance, text: words } : utterance)) };
  const [, surprise] = causePairs.samples(record, { ...PAPER_FORM, causeTurns: { before: 0, after: 0, show: "outline" } });

  expect(renderPrompt(surprise!)).toContain(`\n|1_surprise. ${letter}\nTarget`);
});

test("answers about an excerpt count in the conversation's numbers, with causes that it does not show", () => {
  const samples = causePairs.samples(conversation, { ...PAPER_FORM, causeTurns: { before: 1, after: 1 } });
  const [, surprise] = samples;

  expect(goldOf(surprise!)).toBe("3_surprise,1;3_surprise,2");
  expect(causePairs.restore?.("2_surprise,1;2_surprise,2", surprise!)).toBe("3_surprise,2;3_surprise,3");
  expect(causePairs.restore?.("None.", surprise!)).toBe("None.");
  expect(causePairs.restore?.("because", surprise!)).toBe("because");
  expect(causePairs.restore?.("3_surprise,1", causePairs.samples(conversation)[1]!)).toBe("3_surprise,1");
  expect([...causePairs.weighing!.candidates(surprise!)].sort()).toEqual(["2_surprise,1", "2_surprise,1;2_surprise,2", "2_surprise,2", "None."]);
  // The first turn's number is 2: what would be turn 1 is no turn of the conversation.
  expect(causePairs.weighing!.candidates(samples[0]!)).toEqual(["None.", "2_joy,3", "2_joy,2", "2_joy,2;2_joy,3"]);
});

test("a cause before the conversation's first turn is a wrong pair and does not take the right one beside it away", () => {
  const [joy] = causePairs.samples(conversation, { ...PAPER_FORM, causeTurns: { before: 1, after: 1 } });

  const response = causePairs.restore!("2_joy,1;2_joy,2", joy!);

  expect(response).toBe("1_joy,0;1_joy,1");
  // One of two named pairs is right, and the only one there is.
  expect(causePairs.score([{ id: joy!.id, gold: goldOf(joy!), response }])).toMatchObject({ parseFailures: 0, metrics: { precision: expect.closeTo(1 / 2, 6), recall: expect.closeTo(1, 6) } });
});

test("the rules name the same pairs whether a prompt shows an excerpt or all", () => {
  for (const causePrompt of CAUSE_PROMPTS) {
    const whole = causePairs.samples(conversation, { ...PAPER_FORM, causePrompt });
    const excerpts = causePairs.samples(conversation, { ...PAPER_FORM, causePrompt, causeTurns: { before: 0, after: 0 } });

    expect(causePairs.baselines({ train: excerpts, test: excerpts })).toEqual(causePairs.baselines({ train: whole, test: whole }));
  }
});

test("without labels in the prompt the rules name the emotion that most training pairs have", () => {
  const asked = causePairs.samples(conversation, { ...PAPER_FORM, causePrompt: "emotions-asked" });

  // Surprise has two of three pairs in training: (1, 1), (2, 2), (3, 3) are named as surprise, and none is right.
  expect(causePairs.baselines({ train: asked, test: asked })["targetItself"]?.metrics).toMatchObject({ precision: 0, recall: 0 });
  // Turn 3 is surprised about turn 2: one of two named pairs, one of three gold pairs.
  expect(causePairs.baselines({ train: asked, test: asked })["previousTurn"]?.metrics).toMatchObject({ precision: expect.closeTo(1 / 2, 6), recall: expect.closeTo(1 / 3, 6) });
  expect(causePairs.baselines({ train: [], test: asked })["previousTurn"]?.metrics).toMatchObject({ recall: 0 });
});

test("the candidates of a target lie within its conversation and bear the emotion that the prompt gives", () => {
  const [, surprise] = causePairs.samples(conversation);
  const candidates = causePairs.weighing?.candidates(surprise!) ?? [];

  expect([...candidates].sort()).toEqual(["3_surprise,1", "3_surprise,1;3_surprise,2", "3_surprise,1;3_surprise,2;3_surprise,3", "3_surprise,1;3_surprise,3", "3_surprise,2", "3_surprise,2;3_surprise,3", "3_surprise,3", "None."]);
  expect(candidates.map(causePairs.parse)).toEqual(candidates);
});

test("answers list causes in ascending order; all targets share prefix and unit", () => {
  const samples = causePairs.samples(conversation);

  expect(samples.map(({ id, target, unit, recordId }) => [id, target, unit, recordId])).toEqual([
    ["dia7_utt1:ecpe", "1_joy,1", "dia7", "dia7"],
    ["dia7_utt3:ecpe", "3_surprise,1;3_surprise,2", "dia7", "dia7"],
  ]);
  expect(new Set(samples.map(({ prefixKey }) => prefixKey)).size).toBe(1);
});

test("without the text modality the emotions stay and the words vanish, in the target line too", () => {
  const prompt = renderPrompt(causePairs.samples(conversation)[1]!, { transcripts: "left out" });

  expect(prompt).toContain("Input conversation:1_joy. Joey: \n2_neutral. Ross: \n3_surprise. \n|Target utterance:3_surprise. \n<cause>");
});

test("a target without a cause answers None, a record without annotated pairs has no samples", () => {
  const unannotated: EmtRecord = { ...conversation, pairs: undefined };

  expect(causePairs.samples({ ...conversation, pairs: [] }).map(({ target }) => target)).toEqual(["None.", "None."]);
  expect(causePairs.samples(unannotated)).toEqual([]);
});

test("a conversation and a clip of the same id do not share a prefix", () => {
  const single: EmtRecord = { id: "x", source: "test", split: "train", utterances: [{ id: "x", text: "Wow!", emotion: "joy" }], pairs: [] };
  const keys = [...causePairs.samples(single), ...emotion.samples(single)].map(({ prefixKey }) => prefixKey);

  expect(keys).toHaveLength(2);
  expect(new Set(keys).size).toBe(2);
});

test("pairs that contradict the conversation are refused all at once", () => {
  const [first, second, third] = conversation.utterances;
  const broken: EmtRecord = {
    ...conversation,
    utterances: [{ ...first!, emotion: undefined }, second!, third!],
    pairs: [
      { emotionUtterance: 3, causeUtterance: 4 },
      { emotionUtterance: 2, causeUtterance: 1 },
    ],
  };

  expect(() => causePairs.samples(broken)).toThrow(
    [
      "DataError record dia7: utterance dia7_utt1 has no emotion, but the record has emotion-cause pairs.",
      "  The prompt lists every utterance's emotion: label them all, or leave out pairs.",
      "DataError record dia7: the pair (3, 4) names an utterance that does not exist. Got 4, expected 1 to 3.",
      "DataError record dia7: the pair (2, 1) gives a cause to utterance 2, which is neutral.",
    ].join("\n"),
  );
});

test.each([
  ["3_surprise,1", "3_surprise,1"],
  ["3_surprise,2;3_surprise,1", "3_surprise,1;3_surprise,2"],
  [" 3_SURPRISE,1 ; 3_surprise,10. ", "3_surprise,1;3_surprise,10"],
  ["3_surprise,1;3_surprise,1", "3_surprise,1"],
  ["1_neutral,1", "1_neutral,1"],
  ["None.", "None."],
  ["none", "None."],
  ["", undefined],
  ["3_happy,1", undefined],
  ["3_surprise,0", "3_surprise,0"],
  ["3_surprise,01", undefined],
  ["3_surprise, 1", undefined],
  ["3_surprise,1;", undefined],
  ["3_surprise,1;None", undefined],
  ["The causes are 3_surprise,1", undefined],
])("the cause answer %j parses to %j", (response, answer) => {
  expect(causePairs.parse(response)).toBe(answer);
});

test("cause scores by hand on five rows, one of them unparsed and one without a cause", () => {
  const scores = causePairs.score(
    rows(["3_joy,1;3_joy,3", "3_joy,1;3_joy,2;3_joy,1"], ["4_anger,2", "4_joy,2"], ["1_sadness,1", "1_sadness,1"], ["None.", "2_joy,2;2_neutral,1"], ["5_joy,4", "utterance 4"]),
  );

  expect(scores.parseFailures).toBe(1);
  expect(scores.metrics["precision"]).toBeCloseTo(2 / 5, 7);
  expect(scores.metrics["recall"]).toBeCloseTo(2 / 5, 7);
  expect(scores.metrics["f1"]).toBeCloseTo(2 / 5, 7);
  expect(scores.metrics["weightedF1"]).toBeCloseTo((3 * (2 / 7) + 1) / 5, 7);
});

test("no predictions give zeros, and None against None is not an error", () => {
  expect(causePairs.score([]).metrics).toMatchObject({ precision: 0, recall: 0, f1: 0, weightedF1: 0 });
  expect(causePairs.score(rows(["None.", "None."]))).toMatchObject({ parseFailures: 0, metrics: { f1: 0 } });
});

test("baselines by hand: turn 1 has no turn before it", () => {
  const { targetItself, previousTurn, targetAndPreviousTurn } = causePairs.baselines({ train: [], test: causePairs.samples(conversation) });

  // Gold (1,1) (3,1) (3,2). Target itself: (1,1) (3,3); previous: (3,2); both: (1,1) (3,2) (3,3).
  expect(targetItself?.metrics["f1"]).toBeCloseTo(2 / 5, 7);
  expect(previousTurn?.metrics).toMatchObject({ precision: expect.closeTo(1, 7), recall: expect.closeTo(1 / 3, 7) });
  expect(targetAndPreviousTurn?.metrics["f1"]).toBeCloseTo(4 / 6, 7);
});

vectorTest("ECF 2.0 test gives 1821 targets, 75 without a cause, and the known scores of the rules", ["ecf/Subtask_2_test.json"], ([json = ""]) => {
  const samples = readEcf(json).flatMap((record) => causePairs.samples(record));
  const withCause = samples.filter(({ target }) => target !== "None.");

  // The paper's script leaves out targets without a cause; expected are its counts for the three rules, made apart.
  const { targetItself, previousTurn, targetAndPreviousTurn } = causePairs.baselines({ train: [], test: withCause });

  expect([samples.length, withCause.length]).toEqual([1821, 1746]);
  const counts = (scores: typeof targetItself): unknown => {
    const classes = Object.values(scores?.perClass ?? {});
    return [classes.reduce((sum, { predicted = 0 }) => sum + predicted, 0), classes.reduce((sum, { support = 0 }) => sum + support, 0)];
  };
  expect([counts(targetItself), counts(previousTurn), counts(targetAndPreviousTurn)]).toEqual([[1746, 2462], [1557, 2462], [3303, 2462]]);
  expect(targetItself?.metrics).toMatchObject({ precision: expect.closeTo(1217 / 1746, 7), f1: expect.closeTo(0.578422, 6), weightedF1: expect.closeTo(0.576946, 6) });
  expect(previousTurn?.metrics).toMatchObject({ precision: expect.closeTo(700 / 1557, 7), f1: expect.closeTo(0.348345, 6), weightedF1: expect.closeTo(0.34841, 6) });
  expect(targetAndPreviousTurn?.metrics).toMatchObject({ precision: expect.closeTo(1917 / 3303, 7), f1: expect.closeTo(0.665048, 6), weightedF1: expect.closeTo(0.664482, 6) });
});

const ecfSchema = z.array(
  z.object({
    conversation_ID: z.number(),
    conversation: z.array(z.object({ utterance_ID: z.number(), text: z.string(), speaker: z.string(), emotion: z.enum(EMOTIONS) })),
    "emotion-cause_pairs": z.array(z.tuple([z.string(), z.string()])),
  }),
);

function readEcf(json: string): EmtRecord[] {
  return ecfSchema.parse(JSON.parse(json)).map((item) => ({
    id: `dia${item.conversation_ID}`,
    source: "ecf",
    split: "test",
    utterances: item.conversation.map(({ utterance_ID, text, speaker, emotion: label }) => ({ id: `dia${item.conversation_ID}utt${utterance_ID}`, text, speaker, emotion: label })),
    pairs: item["emotion-cause_pairs"].map(([head, cause]) => ({ emotionUtterance: Number.parseInt(head, 10), causeUtterance: Number(cause) })),
  }));
}
