/** @file FER, facial expression recognition: phrases for the action units that the face shows. */
import { UserError } from "../core/errors.ts";
import { phrasesOf, unitOf } from "../data/action-units.ts";
import type { EmtRecord, Utterance } from "../data/record.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted } from "../metrics/counts.ts";
import { countSets } from "../metrics/set-f1.ts";
import { parseRows, withFailures } from "./parsed-rows.ts";
import { clipSample } from "./prompt.ts";
import { answerByRule, byFrequency, mostFrequent } from "./rules.ts";
import type { Sample, ScoredRow, Scores, Task } from "./task.ts";

/** The paper's identifier for this task is unknown; this one is ours. */
const IDENTIFIER = "<expression>";

export const facialExpression: Task = {
  name: "fer",
  identifier: IDENTIFIER,
  title: "Facial expression recognition",
  protocol:
    "phrases between semicolons, each mapped to its action unit; micro F1 over the units of all clips; a response with an unknown phrase is unparsed and counts as no unit",
  mainMetric: "f1",
  maxNewTokens: 128,

  /** Clips with at least one phrase: a face without a listed unit has no answer text. */
  samples: (record) =>
    record.utterances.flatMap((utterance) => {
      if (utterance.expression === undefined || utterance.expression.length === 0) return [];
      checkPhrases(record, utterance, utterance.expression);
      const instruction = "Detail the facial expressions used in the image.";
      return [clipSample({ task: "fer", record, utterance, identifier: IDENTIFIER, instruction, target: utterance.expression.join("; ") })];
    }),

  parse: (response) => parseUnits(response)?.join("; "),

  count,
  score,

  baselines: ({ train, test }) => {
    const sets = train.flatMap((sample) => parseUnits(sample.target)?.join(" ") ?? []);
    const majority = mostFrequent(sets);
    if (majority === undefined) return {};
    return {
      majority: score(answerByRule(test, () => renderUnits(majority.split(" ")))),
      bestConstantSet: score(answerByRule(test, () => renderUnits(bestConstantSet(train)))),
    };
  },
};

function count(rows: readonly ScoredRow[]): Counted<Scores> {
  const parsed = parseRows(rows, parseUnits);
  const sets = countSets(parsed.map(({ gold, predicted }) => ({ gold, predicted: predicted ?? [] })));
  return withFailures(parsed, {
    rows: sets.rows,
    scoresOf: (sum) => {
      const { perClass, ...metrics } = sets.scoresOf(sum);
      return { metrics: { ...metrics }, perClass };
    },
  });
}

function score(rows: readonly ScoredRow[]): Scores {
  return scoreCounted(count(rows));
}

/** The action units of a response in order of number, each once; undefined when it is empty or a phrase is unknown. */
function parseUnits(response: string): readonly string[] | undefined {
  const units = response
    .trim()
    .replace(/\.$/, "")
    .split(";")
    .map((phrase) => unitOf(phrase));
  return units.every((unit) => unit !== undefined) ? [...new Set(units)].sort() : undefined;
}

/** One canonical phrase per unit. */
function renderUnits(units: readonly string[]): string {
  return units.flatMap((unit) => phrasesOf(unit)[0] ?? []).join("; ");
}

/**
 * The set that, as the answer to everything, has the highest micro F1 on the training samples. For a set of k units
 * F1 = 2 * hits / (n k + gold units), so the best set of each size holds the k most frequent units.
 */
function bestConstantSet(train: readonly Sample[]): readonly string[] {
  const ranked = byFrequency(train.flatMap((sample) => parseUnits(sample.target) ?? []));
  const total = ranked.reduce((sum, { count }) => sum + count, 0);
  let hits = 0;
  const f1BySize = ranked.map(({ count }, i) => {
    hits += count;
    return (2 * hits) / (train.length * (i + 1) + total);
  });
  const size = f1BySize.indexOf(Math.max(...f1BySize)) + 1;
  return ranked.slice(0, size).map(({ value }) => value).sort();
}

function checkPhrases(record: EmtRecord, utterance: Utterance, phrases: readonly string[]): void {
  const unknown = phrases.filter((phrase) => unitOf(phrase) === undefined);
  if (unknown.length === 0) return;
  throw new UserError(
    unknown.map((phrase) => ({
      kind: "DataError",
      where: `record ${record.id}, utterance ${utterance.id}, expression`,
      what: `the phrase ${JSON.stringify(phrase)} belongs to no action unit`,
      hint: "Use the phrases of src/data/action-units.json; the first of each unit is its usual one.",
    })),
  );
}
