/** @file ERI, emotion reason inference: a short text from cues to the emotion. */
import { answerByRule, mostFrequent } from "./rules.ts";
import { accuracy } from "../metrics/accuracy.ts";
import { bleu4 } from "../metrics/bleu.ts";
import { ratio } from "../metrics/ratio.ts";
import { rougeL } from "../metrics/rouge-l.ts";
import { emotionNamed } from "./emotion-words.ts";
import { countUnparsed, parseRows } from "./parsed-rows.ts";
import { clipSample } from "./prompt.ts";
import type { ScoredRow, Scores, Task } from "./task.ts";

const IDENTIFIER = "<reason>";

export const emotionReason: Task = {
  name: "eri",
  identifier: IDENTIFIER,
  title: "Emotion reason inference",
  protocol:
    "emotionAccuracy: the last emotion word of the response against the last of the reference, over references that name one (their share: namingReferences); rougeL: sentence F1, bleu4: corpus, mteval smoothing; lower-case words between blanks",
  mainMetric: "emotionAccuracy",
  maxNewTokens: 160,

  samples: (record) =>
    record.utterances.flatMap((utterance) => {
      if (utterance.reason === undefined) return [];
      const instruction = "What is the emotional state of the person in the video? Please tell me the reason.";
      return [clipSample({ task: "eri", record, utterance, identifier: IDENTIFIER, instruction, target: utterance.reason })];
    }),

  parse: parseReason,
  score,

  baselines: ({ train, test }) => {
    const reason = mostFrequentReason(train.map(({ target }) => target));
    return reason === undefined ? {} : { majority: score(answerByRule(test, () => reason)) };
  },
};

function score(rows: readonly ScoredRow[]): Scores {
  const parsed = parseRows(rows, parseReason);
  const texts = parsed.map(({ gold, predicted }) => ({ reference: gold, response: predicted ?? "" }));
  const naming = texts.flatMap(({ reference, response }) => {
    const gold = emotionNamed(reference);
    return gold === undefined ? [] : [{ gold, predicted: emotionNamed(response) }];
  });
  return {
    metrics: {
      emotionAccuracy: accuracy(
        naming.map(({ gold }) => gold),
        naming.map(({ predicted }) => predicted),
      ),
      rougeL: rougeL(texts),
      bleu4: bleu4(texts),
      namingReferences: ratio(naming.length, texts.length),
    },
    parseFailures: countUnparsed(parsed),
  };
}

/** Any text but none. */
function parseReason(response: string): string | undefined {
  const reason = response.trim();
  return reason === "" ? undefined : reason;
}

/** The most frequent reason of the most frequent emotion. */
function mostFrequentReason(reasons: readonly string[]): string | undefined {
  const emotion = mostFrequent(reasons.map((reason) => emotionNamed(reason) ?? ""));
  return mostFrequent(reasons.filter((reason) => (emotionNamed(reason) ?? "") === emotion));
}
