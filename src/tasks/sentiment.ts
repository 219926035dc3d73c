/** @file MSA, multimodal sentiment analysis: is the person positive or negative? */
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted, Counts } from "../metrics/counts.ts";
import { accuracyOf, classScoresOf, macroF1, weightedF1 } from "../metrics/f1.ts";
import { canonicalLabel, countLabels, majorityBaseline, renderLabel } from "./label-answer.ts";
import { clipSample } from "./prompt.ts";
import type { ScoredRow, Scores, Task } from "./task.ts";

const LABELS = ["positive", "negative"] as const;

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

  count,
  score,

  baselines: (samples) => majorityBaseline(samples, score),
};

function count(rows: readonly ScoredRow[]): Counted<Scores> {
  return countLabels(rows, { labels: LABELS, scoresOf });
}

function score(rows: readonly ScoredRow[]): Scores {
  return scoreCounted(count(rows));
}

/** Accuracy, the recall of each class (the figures that the paper's script prints), weighted and macro F1. */
function scoresOf(cells: Counts): Omit<Scores, "parseFailures"> {
  const perClass = classScoresOf(LABELS, cells);
  return {
    metrics: {
      accuracy: accuracyOf(LABELS, cells),
      recallPositive: perClass["positive"]?.recall ?? 0,
      recallNegative: perClass["negative"]?.recall ?? 0,
      weightedF1: weightedF1(perClass),
      macroF1: macroF1(perClass),
    },
    perClass,
  };
}
