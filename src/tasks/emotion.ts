/** @file ERC, emotion recognition in conversation (the paper's MER): which of seven emotions does the clip show? */
import { EMOTIONS } from "../data/record.ts";
import { confusionOf } from "../metrics/confusion.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted, Counts } from "../metrics/counts.ts";
import { accuracyOf, classScoresOf, macroF1, weightedF1 } from "../metrics/f1.ts";
import { canonicalLabel, countLabels, majorityBaseline, renderLabel } from "./label-answer.ts";
import { clipSample } from "./prompt.ts";
import type { ScoredRow, Scores, Task } from "./task.ts";

const IDENTIFIER = "<emotion>";

export const emotion: Task = {
  name: "erc",
  identifier: IDENTIFIER,
  title: "Emotion recognition in conversation",
  protocol:
    "seven emotions, scikit-learn's weighted F1, macro F1 over the classes that occur; the label in any case with or without a full stop, anything else is wrong",
  answers: EMOTIONS.map(renderLabel),
  mainMetric: "weightedF1",
  maxNewTokens: 16,

  samples: (record) =>
    record.utterances.flatMap((utterance) => {
      if (utterance.emotion === undefined) return [];
      const instruction = "Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.";
      return [clipSample({ task: "erc", record, utterance, identifier: IDENTIFIER, instruction, target: renderLabel(utterance.emotion) })];
    }),

  parse: (response) => canonicalLabel(response, EMOTIONS),

  count,
  score,

  baselines: (samples) => majorityBaseline(samples, score),
};

function count(rows: readonly ScoredRow[]): Counted<Scores> {
  return countLabels(rows, { labels: EMOTIONS, scoresOf });
}

function score(rows: readonly ScoredRow[]): Scores {
  return scoreCounted(count(rows));
}

function scoresOf(cells: Counts): Omit<Scores, "parseFailures"> {
  const perClass = classScoresOf(EMOTIONS, cells);
  return {
    metrics: { accuracy: accuracyOf(EMOTIONS, cells), weightedF1: weightedF1(perClass), macroF1: macroF1(perClass) },
    perClass,
    confusion: confusionOf(EMOTIONS, cells),
  };
}
