/** @file ERI, emotion reason inference: a short text from cues to the emotion. */
import { bleuOf, countBleu } from "../metrics/bleu.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted, Counts } from "../metrics/counts.ts";
import { ratio } from "../metrics/ratio.ts";
import { rougeLOfRow } from "../metrics/rouge-l.ts";
import type { TextRow } from "../metrics/text-row.ts";
import { emotionNamed } from "./emotion-words.ts";
import { parseRows, withFailures } from "./parsed-rows.ts";
import { clipSample } from "./prompt.ts";
import { answerByRule, mostFrequent } from "./rules.ts";
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
  count,
  score,

  baselines: ({ train, test }) => {
    const reason = mostFrequentReason(train.map(({ target }) => target));
    return reason === undefined ? {} : { majority: score(answerByRule(test, () => reason)) };
  },
};

function count(rows: readonly ScoredRow[]): Counted<Scores> {
  const parsed = parseRows(rows, parseReason);
  return withFailures(parsed, { rows: parsed.map(({ gold, predicted }) => countReason({ reference: gold, response: predicted ?? "" })), scoresOf });
}

function score(rows: readonly ScoredRow[]): Scores {
  return scoreCounted(count(rows));
}

/** One row, whether its reference names an emotion, whether the response names the same, ROUGE-L, and what BLEU counts. */
function countReason(row: TextRow): Counts {
  const gold = emotionNamed(row.reference);
  return Float64Array.from([1, Number(gold !== undefined), Number(gold !== undefined && emotionNamed(row.response) === gold), rougeLOfRow(row), ...countBleu(row)]);
}

function scoresOf(counts: Counts): Omit<Scores, "parseFailures"> {
  const [n = 0, naming = 0, right = 0, rouge = 0] = counts;
  return { metrics: { emotionAccuracy: ratio(right, naming), rougeL: ratio(rouge, n), bleu4: bleuOf(counts.subarray(4)), namingReferences: ratio(naming, n) } };
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
