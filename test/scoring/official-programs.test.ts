import { expect, test } from "vitest";
import type { ScoreOptions } from "../../src/app/score-run.ts";
import { parseExpected, vectorFileTest } from "../metrics/official-vectors.ts";
import { readFileSync } from "node:fs";
import { events, filesOf, jsonl, report } from "./support.ts";

/** The largest distance to the expected numbers; NaN when one is missing. */
function worst(metrics: Readonly<Record<string, number>>, expected: Readonly<Record<string, number>>): number {
  return Math.max(...Object.entries(expected).map(([name, value]) => Math.abs((metrics[name] ?? Number.NaN) - value)));
}

vectorFileTest("a real submission to SemEval-2024 gets the official scores; its 324 foreign conversations are told", ["metrics/ecac_subtask2_pred_A.json", "ecf/Subtask_2_test.json", "metrics/expected.json"], async ([predictions = "", gold = "", expected = ""]) => {
  const { official } = parseExpected(readFileSync(expected, "utf8"))["ecac_subtask2_pred_A.json"];

  const { metrics, n, alignment, baselines, bootstrap, intervals } = await report({ task: "ecpe", protocol: "official", predictions, gold });

  expect(Object.keys(metrics)).toEqual(Object.keys(official));
  expect(worst(metrics, official)).toBeLessThan(1e-9);
  expect([n, alignment.superfluous, alignment.missing.count]).toEqual([341, { count: 324, first: expect.arrayContaining(["1378"]) }, 0]);
  expect(baselines).toMatchObject({ targetItself: { recall_pair: expect.closeTo(1217 / 2462, 6) }, targetAndPreviousTurn: { weighted_f1: expect.closeTo(0.65, 2) } });
  expect(bootstrap).toEqual({ unit: "conversation", units: 341, resamples: 1000, seed: 1, level: 0.95 });
  const [low = Number.NaN, high = Number.NaN] = intervals["weighted_f1"] ?? [];
  expect(low).toBeLessThan(official["weighted_f1"] ?? 0);
  expect(high).toBeGreaterThan(official["weighted_f1"] ?? 1);
});

vectorFileTest("every edge case of the official pair program: its scores, or its refusal", ["metrics/expected.json"], async ([path = ""]) => {
  const cases = Object.entries(parseExpected(readFileSync(path, "utf8")).ecac_edge_cases);
  const refusals: Readonly<Record<string, string>> = {
    U_prefix_on_cause_crashes: 'the pair ["3_joy","U1"], in which the cause\'s utterance is no whole number',
    unknown_emotion_exits: "Unknown emotion category!",
    missing_conversation_exits: "Conversation 2 are missing!",
    repeated_conversation_exits: "Instance repeat!",
    missing_key_exits: "Cannot find the key 'emotion-cause_pairs'!",
  };

  expect(cases).toHaveLength(15);
  expect(cases.filter(([, { expected }]) => "error" in expected).map(([name]) => name).sort()).toEqual(Object.keys(refusals).sort());
  for (const [name, { pred, gold, expected }] of cases) {
    const files = await filesOf({ "p.json": JSON.stringify(pred), "g.json": JSON.stringify(gold) });
    const options: ScoreOptions = { task: "ecpe", protocol: "official", predictions: files["p.json"], gold: files["g.json"] };
    if ("f1_pair" in expected) expect([name, worst((await report(options)).metrics, expected) < 1e-9]).toEqual([name, true]);
    else await expect(report(options), name).rejects.toThrow(refusals[name]);
  }
});

vectorFileTest("MELD: scikit-learn's scores of 1109 rows, with the gold labels from MELD's own file, too", ["metrics/meld_emotion.csv", "meld/dev_sent_emo.csv", "metrics/expected.json"], async ([predictions = "", gold = "", path = ""]) => {
  const expected = parseExpected(readFileSync(path, "utf8"))["meld_emotion.csv"];
  const numbers = { accuracy: expected.accuracy, weighted_f1: expected.weighted_f1, macro_f1: expected.macro_f1_over_labels_present_in_true_or_pred };

  const own = await report({ task: "erc", protocol: "official", predictions });
  const other = await report({ task: "erc", protocol: "official", predictions, gold });

  expect(worst(own.metrics, { ...numbers, weighted_precision: expected.weighted_precision, weighted_recall: expected.weighted_recall })).toBeLessThan(1e-12);
  expect(other.metrics).toEqual(own.metrics);
  expect(own.confusion).toEqual({ labels: expected.label_order, counts: expected.confusion_matrix_rows_true_cols_pred });
  for (const label of expected.label_order) expect(own.perClass?.[label]).toMatchObject(expected.per_class[label] ?? { unknown: label });
  expect([own.alignment.by, other.alignment.by, other.alignment.otherGold.count]).toEqual(["own", "id", 0]);
  expect(own.bootstrap).toMatchObject({ unit: "dialogue", units: 114 });
});

vectorFileTest("MMSA: unrounded scores of 1861 rows, and every edge case", ["metrics/mosei_regression.csv", "metrics/expected.json"], async ([predictions = "", path = ""]) => {
  const expected = parseExpected(readFileSync(path, "utf8"));

  const { metrics, n, baselines } = await report({ task: "msa", protocol: "official", predictions });

  expect(n).toBe(1861);
  expect(worst(metrics, expected["mosei_regression.csv"].unrounded_float32_pipeline)).toBeLessThan(1e-6);
  expect(Object.keys(baselines)).toEqual(["median", "mean"]);
  for (const [name, { y_true, y_pred, official_rounded_4: official = {} }] of Object.entries(expected.mosei_edge_cases)) {
    const { csv } = await filesOf({ csv: ["y_true,y_pred", ...y_true.map((truth, i) => `${truth},${Object.is(y_pred[i], -0) ? "-0.0" : y_pred[i]}`)].join("\n") });
    const scores = await report({ task: "msa", protocol: "official", predictions: csv });
    const present = Object.fromEntries(Object.entries(official).flatMap(([metric, value]) => (value === null ? [] : [[metric, value]])));
    expect([name, Object.fromEntries(Object.entries(scores.metrics).map(([metric, value]) => [metric, Number(value.toFixed(4))]))]).toMatchObject([name, present]);
    if (official["Corr"] === null) expect([name, scores.metrics["Corr"]]).toEqual([name, undefined]);
  }
});

vectorFileTest("compute_result.py: what it prints for its three kinds of files, with its slips or without", ["metrics/m2se_sentiment.jsonl", "metrics/m2se_emotion.jsonl", "metrics/m2se_ecpe.jsonl", "metrics/expected.json"], async ([sentiment = "", emotion = "", pairs = "", path = ""]) => {
  const expected = parseExpected(readFileSync(path, "utf8"));

  for (const slips of [false, true]) {
    const msa = await report({ task: "msa", protocol: "paper", predictions: sentiment, slips });
    const erc = await report({ task: "erc", protocol: "paper", predictions: emotion, slips });
    const ecpe = await report({ task: "ecpe", protocol: "paper", predictions: pairs, slips });
    expect([`${msa.metrics["recallPositive"]} ${msa.metrics["recallNegative"]}`, String(msa.metrics["accuracy"])]).toEqual(expected["m2se_sentiment.jsonl"]["compute_result.emoverse_sentiment stdout"]);
    expect(worst(erc.metrics, { accuracy: Number(expected["m2se_emotion.jsonl"]["compute_result.emoverse_emotion stdout"][0]), weightedF1: Number(expected["m2se_emotion.jsonl"]["compute_result.emoverse_emotion stdout"][1]) })).toBeLessThan(1e-12);
    expect([`F1: ${ecpe.metrics["f1"]?.toFixed(4)}`, `WF1: ${ecpe.metrics["weightedF1"]?.toFixed(4)}`]).toEqual(expected["m2se_ecpe.jsonl"]["compute_result.emoverse_ecf2 stdout"]);
    expect([ecpe.n, ecpe.details?.["targetsSkipped"]]).toEqual([expected["m2se_ecpe.jsonl"].records, expected["m2se_ecpe.jsonl"].records_with_empty_label_skipped]);
    expect([msa.protocol, msa.slips, msa.details]).toEqual(["paper", slips, { neutralSkipped: 140 }]);
  }
});

vectorFileTest("the rules' known scores on ECF 2.0 under the paper's counting stand beside any prediction", ["metrics/m2se_ecpe.jsonl", "ecf/Subtask_2_test.json"], async ([predictions = "", gold = ""]) => {
  const { baselines, alignment, n } = await report({ task: "ecpe", protocol: "paper", predictions, gold });

  expect(n).toBe(1821);
  expect(baselines).toMatchObject({
    targetItself: { f1: expect.closeTo(0.578422, 6), weightedF1: expect.closeTo(0.576946, 6) },
    previousTurn: { f1: expect.closeTo(0.348345, 6), weightedF1: expect.closeTo(0.34841, 6) },
    targetAndPreviousTurn: { f1: expect.closeTo(0.665048, 6), weightedF1: expect.closeTo(0.664482, 6) },
  });
  expect(alignment).toMatchObject({ by: "name", missing: { count: 1821 - 253 } });
});

test("nothing of the official pair program is a score when it refuses; leniently what is wrong is counted", async () => {
  const gold = [1, 2, 3].map((id) => ({ conversation_ID: id, conversation: [{ utterance_ID: 1, emotion: "joy" }], "emotion-cause_pairs": [["1_joy", "1"]] }));
  const predictions = [
    { conversation_ID: 1, "emotion-cause_pairs": [["1_joy", "1"], ["1_happy", "1"]] },
    { conversation_ID: 2, "emotion-cause_pairs": [["1_joy", "1"]] },
    { conversation_ID: 2, "emotion-cause_pairs": [["1_joy", "2"]] },
  ];
  const files = await filesOf({ "p.json": JSON.stringify(predictions), "g.json": JSON.stringify(gold) });
  const options: ScoreOptions = { task: "ecpe", protocol: "official", predictions: files["p.json"], gold: files["g.json"] };

  await expect(events(options)).rejects.toThrow(/conversation 1: got the pair \["1_happy","1"\][\s\S]*conversation 2 is there twice[\s\S]*1 of 3 conversations are missing, first: 3 [\s\S]*--lenient/);
  const lenient = await report({ ...options, lenient: true });

  // Right: 1 of conversation 1 and 1 of 2; predicted 3, gold 3.
  expect(lenient.metrics["precision_pair"]).toBeCloseTo(2 / 3, 7);
  expect(lenient.metrics["recall_pair"]).toBeCloseTo(2 / 3, 7);
  expect(lenient).toMatchObject({ parseFailures: 1, alignment: { missing: { count: 1, first: ["3"] }, repeated: { count: 1, first: ["2"] } } });
  expect(lenient.notes.join()).toContain("the official program would refuse these predictions (3 reasons");
});

test("targets in rows are gathered to conversations; a conversation without emotions is not missing", async () => {
  const gold = [
    { conversation_ID: 7, conversation: [{ utterance_ID: 1, emotion: "joy" }, { utterance_ID: 2, emotion: "anger" }], "emotion-cause_pairs": [["1_joy", "1"], ["2_anger", "1"]] },
    { conversation_ID: 8, conversation: [{ utterance_ID: 1, emotion: "neutral" }], "emotion-cause_pairs": [] },
  ];
  const files = await filesOf({
    "p.jsonl": jsonl({ id: "ecf_dia7_utt1:ecpe", task: "ecpe", gold: "1_joy,1", response: "1_joy,1" }),
    "g.json": JSON.stringify(gold),
  });

  const { metrics, notes, alignment } = await report({ task: "ecpe", protocol: "official", predictions: files["p.jsonl"], gold: files["g.json"] });

  expect([metrics["precision_pair"]?.toFixed(6), metrics["recall_pair"]?.toFixed(6)]).toEqual(["1.000000", "0.500000"]);
  expect(alignment.missing.count).toBe(0);
  expect(notes).toContain("1 of 2 targets have no prediction, their pairs are missed (first: dia7_utt2)");
});
