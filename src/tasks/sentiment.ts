/** @file MSA, multimodal sentiment analysis: is the person positive or negative? */
import { accuracy } from "../metrics/accuracy.ts";
import { classScores, macroF1, weightedF1 } from "../metrics/f1.ts";
import { canonicalLabel, majorityBaseline, parseLabel, renderLabel } from "./label-answer.ts";
import { countUnparsed, parseRows } from "./parsed-rows.ts";
import { clipSample } from "./prompt.ts";
import type { ScoredRow, Scores, Task } from "./task.ts";

const LABELS = ["positive", "negative"] as const;
type Label = (typeof LABELS)[number];

const IDENTIFIER = "<sentiment>";

export const sentiment: Task = {
  name: "msa",
  identifier: IDENTIFIER,
  title: "Multimodal sentiment analysis",
  protocol: "positive against negative, neutral clips left out; the label in any case with or without a full stop, anything else is wrong",
  answers: LABELS.map(renderLabel),
  mainMetric: "accuracy",
  maxNewTokens: 16,

  /** Clips with a positive or negative polarity; neutral is no answer of this task. */
  samples: (record) =>
    record.utterances.flatMap((utterance) => {
      const polarity = utterance.sentiment?.polarity;
      if (polarity === undefined || polarity === "neutral") return [];
      const instruction = "Please determine which sentiment label in the video represents: positive or negative.";
      return [clipSample({ task: "msa", record, utterance, identifier: IDENTIFIER, instruction, target: renderLabel(polarity) })];
    }),

  parse: (response) => canonicalLabel(response, LABELS),

  score,

  baselines: (samples) => majorityBaseline(samples, score),
};

/** Accuracy, the recall of each class (the figures that the paper's script prints), weighted and macro F1. */
function score(rows: readonly ScoredRow[]): Scores {
  const parsed = parseRows(rows, parseSentiment);
  const gold = parsed.map((row) => row.gold);
  const predicted = parsed.map((row) => row.predicted);
  const perClass = classScores<Label>({ labels: LABELS, gold, predicted });
  return {
    metrics: {
      accuracy: accuracy(gold, predicted),
      recallPositive: perClass["positive"]?.recall ?? 0,
      recallNegative: perClass["negative"]?.recall ?? 0,
      weightedF1: weightedF1(perClass),
      macroF1: macroF1(perClass),
    },
    perClass,
    parseFailures: countUnparsed(parsed),
  };
}

function parseSentiment(response: string): Label | undefined {
  return parseLabel(response, LABELS);
}
