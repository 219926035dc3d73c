import { expect, test } from "vitest";
import type { ScoreOptions } from "../../src/app/score-run.ts";
import type { ScoreReport } from "../../src/scoring/score-files.ts";
import { conversation } from "../tasks/support.ts";
import { filesOf, jsonl, report } from "./support.ts";

type Row = readonly [gold: string, response: string, clip?: string];

function swift(rows: readonly Row[]): string {
  return jsonl(...rows.map(([label, response, clip]) => ({ query: "", response, label, videos: clip === undefined ? [] : [clip] })));
}

async function scoreRows(rows: readonly Row[], options: Omit<ScoreOptions, "predictions">): Promise<ScoreReport> {
  const { predictions } = await filesOf({ predictions: swift(rows) });
  return report({ predictions, ...options });
}

test("official emotions: an answer outside the labels and a missing one are wrong, and counted apart", async () => {
  const files = await filesOf({ "g.csv": "id,y_true\na,joy\nb,joy\nc,fear\nd,anger\n", "p.csv": "id,y_pred\na,Joy.\nb,who knows\nc,FEAR\n" });

  const scores = await report({ task: "erc", protocol: "official", predictions: files["p.csv"], gold: files["g.csv"] });

  // joy: F1 = 2/3 of 2 rows; fear: 1 of 1; anger: 0 of 1.
  expect(scores.metrics).toMatchObject({ accuracy: 2 / 4, weighted_f1: expect.closeTo((2 * (2 / 3) + 1) / 4, 12) });
  expect([scores.parseFailures, scores.alignment.missing, scores.n]).toEqual([1, { count: 1, first: ["d"] }, 4]);
  expect(scores.baselines).toMatchObject({ majority: { accuracy: 1 / 2 } });
  expect(scores.notes).toContain("the majority is that of the gold answers");
});

test("MOSEI's happy is a label where the gold answers use it, and MELD's three sentiments are scored with neutral", async () => {
  const happy = await scoreRows([["Happy.", "Happy."], ["Fear.", "Joy."]], { task: "erc", protocol: "official" });
  const sentiment = await scoreRows([["neutral", "Neutral."], ["positive", "negative"]], { task: "msa", protocol: "official" });

  expect([happy.metrics["accuracy"], happy.parseFailures]).toEqual([0.5, 1]);
  expect([sentiment.metrics["accuracy"], sentiment.metrics["weighted_f1"]]).toEqual([0.5, 0.5]);
});

test("scores of sentiment in words: the metrics of the sign, and nothing that needs more", async () => {
  const files = await filesOf({ "g.csv": "video_id,clip_id,label\nv,0,1.2\nv,1,-0.4\nv,2,0\n", "p.csv": "video_id,clip_id,y_pred\nv,0,Positive.\nv,1,positive\nv,2,Neutral\n" });

  const scores = await report({ task: "msa", protocol: "official", predictions: files["p.csv"], gold: files["g.csv"] });

  expect(scores.metrics).toMatchObject({ Has0_acc_2: 2 / 3, Non0_acc_2: 1 / 2 });
  expect(Object.keys(scores.metrics)).toEqual(["Has0_acc_2", "Has0_F1_score", "Non0_acc_2", "Non0_F1_score"]);
  expect(scores.bootstrap).toMatchObject({ unit: "video", units: 1 });

  const own = await filesOf({ p: jsonl({ id: "mosei_v$_$0:msa", task: "msa", gold: "Positive.", response: "Positive." }, { id: "mosei_v$_$1:msa", task: "msa", gold: "Positive.", response: "Positive." }) });
  const { alignment } = await report({ task: "msa", protocol: "official", predictions: own.p, gold: files["g.csv"] });
  expect(alignment).toMatchObject({ by: "name", otherGold: { count: 1, first: ["v$_$1"] }, missing: { count: 1, first: ["v$_$2"] } });
});

/** A pair of every emotion. */
const SIX = ["anger", "disgust", "fear", "joy", "sadness", "surprise"].map((emotion) => `1_${emotion},1`);

test.each<readonly [string, readonly Row[], Omit<ScoreOptions, "predictions">, string]>([
  ["gold answers of another task", [["Positive.", "Joy."]], { task: "erc", protocol: "official" }, 'gold answers such as "Positive." are no labels of this task (1 of 1 rows). Expected neutral, surprise'],
  ["label numbers", [["3", "3"]], { task: "erc", protocol: "official" }, "Label numbers differ between programs: write the words."],
  ["only sentences", [["Joy.", "He looks happy"]], { task: "erc", protocol: "official" }, 'none of 1 answers is a label, got such as "He looks happy"'],
  ["a score beyond the scale", [["7", "1"]], { task: "msa", protocol: "official" }, 'got the gold answer "7", expected a number in [-3, 3] (1 such rows)'],
  ["no number at all", [["1", "good"]], { task: "msa", protocol: "official" }, "none of 1 answers is a number or one of positive, neutral, negative"],
  ["a task without a program", [["Cheek Raiser", "Cheek Raiser"]], { task: "fer", protocol: "official" }, "ConfigError --protocol: there is no official program that scores fer"],
  ["a task without code", [["so sad", "so sad"]], { task: "eri", protocol: "paper" }, "there is no code of the paper that scores eri.\n  Use --protocol m2se."],
  ["a crash of the script: a label that it does not know", [["Joy.", "Glee."]], { task: "erc", protocol: "paper", slips: true }, 'compute_result.py ends here: ValueError: "Glee." is not in list'],
  ["a crash of the script: no negative clip", [["Positive.", "Positive."]], { task: "msa", protocol: "paper", slips: true }, "ZeroDivisionError: no negative clip"],
  ["a crash of the script: an empty answer", [["1_joy,1", ""]], { task: "ecpe", protocol: "paper", slips: true }, "IndexError: list index out of range"],
  ["a crash of the script: an emotion that is not there", [["1_joy,1", "1_joy,1"]], { task: "ecpe", protocol: "paper", slips: true }, "ZeroDivisionError: anger is not in the gold answers"],
  ["a crash of the script: an emotion never predicted", SIX.map((pair) => [pair, pair.replace("fear", "joy")]), { task: "ecpe", protocol: "paper", slips: true }, "ZeroDivisionError: fear is never predicted"],
  ["a gold label that other_emotion does not know", [["Joy.", "joy"]], { task: "erc", protocol: "paper-other", slips: true }, "ValueError: 'Joy.' is not in list"],
  ["a gold label that other_sentiment does not know", [["Neutral.", "x"]], { task: "msa", protocol: "paper-other", slips: true }, "ValueError: 'Neutral.' is not in list"],
])("%s: refused", async (_, rows, options, message) => {
  await expect(scoreRows(rows, options)).rejects.toThrow(message);
});

test("the paper wants the exact text; what ends its script is wrong without slips", async () => {
  const labels = await scoreRows([["Joy.", "Joy."], ["Fear.", "fear"], ["Fear.", "Glee."]], { task: "erc", protocol: "paper" });
  const sentiment = await scoreRows([["Positive.", "positive"], ["Positive.", "Positive."], ["Neutral.", "Positive."]], { task: "msa", protocol: "paper" });

  expect([labels.metrics["accuracy"], labels.parseFailures]).toEqual([1 / 3, 2]);
  expect([sentiment.metrics["accuracy"], sentiment.metrics["recallNegative"], sentiment.n]).toEqual([1 / 2, 0, 2]);
});

test("the paper's pairs by hand: a target without a cause is skipped, a pair predicted twice counts twice, a blank breaks one", async () => {
  const rows: readonly Row[] = [
    ["3_joy,1;3_joy,3", "3_joy,1;3_joy,1;3_joy,2", "dia1utt3.mp4"],
    ["4_anger,2", "4_anger, 2", "dia1utt4.mp4"],
    ["", "5_fear,1", "dia1utt5.mp4"],
    ["1_joy,1", "None.", "dia2utt1.mp4"],
  ];

  const { metrics, details, parseFailures, bootstrap, baselines } = await scoreRows(rows, { task: "ecpe", protocol: "paper" });

  expect(metrics).toMatchObject({ precision: 2 / 4, recall: 2 / 4, f1: 1 / 2 });
  // joy: 2 hits, 3 predicted, 3 gold: F1 4/6; anger: 0.
  expect(metrics["weightedF1"]).toBeCloseTo((3 * (4 / 6)) / 4, 12);
  expect(details).toEqual({ targetsSkipped: 1, pairsPredictedForSkippedTargets: 1, pairsThatBreakTheForm: 1, pairsPredictedTwice: 1 });
  expect([parseFailures, bootstrap.unit, bootstrap.units]).toEqual([1, "dialogue", 2]);
  // The targets themselves: (3,3) and (1,1) of three predicted and four gold pairs.
  expect(baselines).toMatchObject({ targetItself: { precision: 2 / 3, recall: 2 / 4 } });
});

test("other models' answers: the first word found counts; slips look in lower case, guess, and begin to count at 83.87", async () => {
  const rows: readonly Row[] = [["Positive.", "Clearly POSITIVE"], ["Negative.", "no idea"], ["Positive.", "not positive but negative"]];
  const fair = await scoreRows(rows, { task: "msa", protocol: "paper-other" });
  const slips = await scoreRows(rows, { task: "msa", protocol: "paper-other", slips: true });

  expect([fair.metrics["accuracy"], fair.parseFailures]).toEqual([2 / 3, 1]);
  expect(slips.metrics).toMatchObject({ accuracy: 2 / 3, accuracyOfComputeOtherPos: expect.closeTo((83.87 + 2) / 3, 12) });
  expect(slips.parseFailures).toBe(0);

  const emotions: readonly Row[] = [["Happy.", "full of joy"], ["Neutral.", "no idea"], ["Anger.", "sadness and anger"]];
  // Anger comes before sadness in the script's list, wherever it stands in the answer.
  expect((await scoreRows(emotions, { task: "erc", protocol: "paper-other" })).metrics["accuracy"]).toBe(2 / 3);
  expect((await scoreRows(emotions, { task: "erc", protocol: "paper-other", slips: true })).metrics["accuracy"]).toBe(2 / 3);
});

test("other models' causes are all whole numbers of the answer", async () => {
  const { metrics } = await scoreRows([["3_joy,1;3_joy,3", "Utterances 1, 2 and 1"]], { task: "ecpe", protocol: "paper-other" });

  expect(metrics).toMatchObject({ precision: 2 / 3, recall: 1, weightedF1: expect.closeTo(0.8, 12) });
});

test("m2se: the task's own scores, its baselines from the records, FER and ERI too", async () => {
  const records = jsonl({ ...conversation, split: "test" });
  const predictions = jsonl({ id: "dia7_utt1:ecpe", task: "ecpe", gold: "1_joy,1", response: "1_joy,1" }, { id: "dia7_utt3:ecpe", task: "ecpe", gold: "3_surprise,1;3_surprise,2", response: "what?" });
  const files = await filesOf({ records, predictions });

  const own = await report({ task: "ecpe", protocol: "m2se", predictions: files.predictions, gold: files.records });
  const expression = await scoreRows([["Cheek Raiser", "Cheek Raiser"]], { task: "fer", protocol: "m2se" });
  const sentiment = await scoreRows([["Positive.", "positive"], ["Neutral.", "Positive."]], { task: "msa", protocol: "m2se" });

  expect(own).toMatchObject({ n: 2, parseFailures: 1, alignment: { by: "id" }, metrics: { recall: expect.closeTo(1 / 3, 7) }, baselines: { targetItself: { f1: expect.closeTo(2 / 5, 7) } } });
  expect(expression).toMatchObject({ metrics: { f1: 1 }, notes: ["no baselines: they need the samples, name a dataset of m2se as --gold"] });
  expect(sentiment).toMatchObject({ n: 1, metrics: { accuracy: 1 } });
  expect(await scoreRows([["0.33", "Positive."], ["-2.0", "Positive."], ["0.0", "Positive."]], { task: "msa", protocol: "m2se" })).toMatchObject({ n: 2, metrics: { accuracy: 0.5 } });
});

test("predictions alone need a gold file", async () => {
  const files = await filesOf({ "p.json": JSON.stringify([{ conversation_ID: 1, "emotion-cause_pairs": [] }]), "g.csv": "id,y_true\na,joy\n" });

  await expect(report({ task: "ecpe", protocol: "official", predictions: files["p.json"] })).rejects.toThrow(/ConfigError --gold: .*p\.json holds predictions only/);
  await expect(report({ task: "ecpe", protocol: "paper", predictions: files["p.json"] })).rejects.toThrow("ConfigError --gold");
  await expect(report({ task: "erc", protocol: "official", predictions: files["p.json"], gold: files["g.csv"] })).rejects.toThrow("these are emotion-cause pairs, which are no answers of erc");
});

test("pairs in rows whose ids name no conversation cannot be scored by conversation", async () => {
  await expect(scoreRows([["1_joy,1", "1_joy,1"]], { task: "ecpe", protocol: "official" })).rejects.toThrow("this row has no id or clip name, expected one that names conversation and utterance, such as dia1375utt3");
});

test("the same pairs in another order are no other gold answer, other pairs are", async () => {
  const pairs = (...list: readonly (readonly [string, string])[]) => list;
  const turns = {
    conversation_ID: 3,
    conversation: [1, 2, 3].map((n) => ({ utterance_ID: n, text: `t${n}`, speaker: "A", emotion: "joy" })),
    "emotion-cause_pairs": pairs(["2_joy", "2"], ["2_joy", "1"], ["3_joy", "3"]),
  };
  const said = (id: string, gold: string) => ({ id, task: "ecpe", gold, response: gold });
  const { gold, predictions } = await filesOf({ gold: JSON.stringify([turns]), predictions: jsonl(said("dia3utt2:ecpe", "2_joy,1;2_joy,2"), said("dia3utt3:ecpe", "3_joy,2")) });

  const { alignment } = await report({ task: "ecpe", protocol: "paper", predictions, gold });

  expect(alignment.otherGold).toEqual({ count: 1, first: ["dia3_utt3"] });
});
