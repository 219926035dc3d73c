/** @file ERC, emotion recognition in conversation (the paper's MER): which of seven emotions does the clip show? */
import { EMOTIONS } from "../data/record.ts";
import type { Emotion } from "../data/record.ts";
import { accuracy } from "../metrics/accuracy.ts";
import { confusionMatrix } from "../metrics/confusion.ts";
import { classScores, macroF1, weightedF1 } from "../metrics/f1.ts";
import { canonicalLabel, majorityBaseline, parseLabel, renderLabel } from "./label-answer.ts";
import { countUnparsed, parseRows } from "./parsed-rows.ts";
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

  score,

  baselines: (samples) => majorityBaseline(samples, score),
};

function score(rows: readonly ScoredRow[]): Scores {
  const parsed = parseRows(rows, parseEmotion);
  const labelling = { labels: EMOTIONS, gold: parsed.map((row) => row.gold), predicted: parsed.map((row) => row.predicted) };
  const perClass = classScores<Emotion>(labelling);
  return {
    metrics: {
      accuracy: accuracy(labelling.gold, labelling.predicted),
      weightedF1: weightedF1(perClass),
      macroF1: macroF1(perClass),
    },
    perClass,
    confusion: confusionMatrix<Emotion>(labelling),
    parseFailures: countUnparsed(parsed),
  };
}

function parseEmotion(response: string): Emotion | undefined {
  return parseLabel(response, EMOTIONS);
}
