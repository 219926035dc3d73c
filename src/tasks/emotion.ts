/** @file ERC, emotion recognition in conversation (the paper's MER): which of seven emotions does the clip show? */
import { EMOTIONS } from "../data/record.ts";
import type { EmtRecord } from "../data/record.ts";
import { confusionOf } from "../metrics/confusion.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted, Counts } from "../metrics/counts.ts";
import { accuracyOf, classScoresOf, macroF1, weightedF1 } from "../metrics/f1.ts";
import { canonicalLabel, countLabels, majorityBaseline, renderLabel } from "./label-answer.ts";
import { PAPER_FORM } from "./prompt-form.ts";
import { clipSample, conversationParts, recordPrefixKey, turnSample } from "./prompt.ts";
import type { Sample, ScoredRow, Scores, Task } from "./task.ts";

const IDENTIFIER = "<emotion>";

const INSTRUCTION = "Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.";

export const emotion: Task = {
  name: "erc",
  identifier: IDENTIFIER,
  title: "Emotion recognition in conversation",
  protocol:
    "seven emotions, scikit-learn's weighted F1, macro F1 over the classes that occur; the label in any case with or without a full stop, anything else is wrong",
  answers: EMOTIONS.map(renderLabel),
  mainMetric: "weightedF1",
  maxNewTokens: 16,

  samples: (record, { emotionPrompt } = PAPER_FORM) => (emotionPrompt === "dialogue" ? dialogueSamples(record) : utteranceSamples(record)),

  parse: (response) => canonicalLabel(response, EMOTIONS),

  count,
  score,

  baselines: (samples) => majorityBaseline(samples, score),
};

/** The paper's: an utterance without speaker and context. */
function utteranceSamples(record: EmtRecord): readonly Sample[] {
  return record.utterances.flatMap((utterance) => {
    if (utterance.emotion === undefined) return [];
    return [clipSample({ task: "erc", record, utterance, identifier: IDENTIFIER, instruction: INSTRUCTION, target: renderLabel(utterance.emotion) })];
  });
}

/** Ours: the dialogue is the prefix that its utterances share; a branch names its utterance once more. No label is shown. */
function dialogueSamples(record: EmtRecord): readonly Sample[] {
  const shared = { task: "erc", record, prefixKey: recordPrefixKey("dialogue", record), prefix: conversationParts(OPENING, record), identifier: IDENTIFIER, question: INSTRUCTION } as const;
  return record.utterances.flatMap((utterance, i) => (utterance.emotion === undefined ? [] : [turnSample({ ...shared, utterance, number: i + 1, unit: utterance.id, target: renderLabel(utterance.emotion) })]));
}

const OPENING = "Below is a conversation containing multiple utterances from different speakers.\nInput conversation:";

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
