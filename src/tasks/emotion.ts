/** @file ERC, emotion recognition in conversation (the paper's MER): which of seven emotions does the clip show? */
import { EMOTIONS } from "../data/record.ts";
import type { Emotion } from "../data/record.ts";
import { answerByRule, mostFrequent } from "../eval/baselines.ts";
import { accuracy } from "../eval/metrics/accuracy.ts";
import { confusionMatrix } from "../eval/metrics/confusion.ts";
import { classScores, macroF1, weightedF1 } from "../eval/metrics/f1.ts";
import { parseLabel, renderLabel } from "./label-answer.ts";
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

  parse: (response) => {
    const label = parseEmotion(response);
    return label === undefined ? undefined : renderLabel(label);
  },

  score,

  baselines: ({ train, test }) => {
    const majority = mostFrequent(train.map(({ target }) => target));
    return majority === undefined ? {} : { majority: score(answerByRule(test, () => majority)) };
  },
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
