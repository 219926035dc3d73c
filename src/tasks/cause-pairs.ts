/** @file ECPE, emotion-cause pair extraction: which utterances caused the emotion of the target utterance? */
import { invariant, UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { EMOTIONS } from "../data/record.ts";
import type { Emotion, EmtRecord, Utterance } from "../data/record.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted } from "../metrics/counts.ts";
import type { EmotionPair } from "../metrics/pairs.ts";
import { countPairs, PAIR_EMOTIONS, pairScoresOf } from "../metrics/pairs.ts";
import { parsePairs, renderPairs } from "./cause-answer.ts";
import { candidateAnswers, likelyPairs } from "./cause-candidates.ts";
import { excerptAround, shiftPairs, type Shown } from "./cause-excerpt.ts";
import { parseRows, withFailures } from "./parsed-rows.ts";
import { PAPER_FORM } from "./prompt-form.ts";
import type { PromptForm } from "./prompt-form.ts";
import { clipParts, conversationParts, recordPrefixKey, sampleId, text, turnParts, turnSample } from "./prompt.ts";
import { answerByRule, mostFrequent } from "./rules.ts";
import { goldOf, type Sample, type ScoredRow, type Scores, type Task } from "./task.ts";

/** The released test file has no identifier for this task; this one is ours. */
const IDENTIFIER = "<cause>";

export const causePairs: Task = {
  name: "ecpe",
  identifier: IDENTIFIER,
  title: "Emotion-cause pair extraction",
  protocol:
    "ECAC 2024 subtask 2 counting per target utterance, targets without a cause included, duplicate pairs once, neutral pairs ignored; an unparsed response counts as no pair; gold emotions in the prompt unless data.causePrompt is emotions-asked",
  weighing: {
    candidates: (sample) => {
      const { number, emotion } = targetOf(sample);
      return candidateAnswers({ number, ...turnsOf(sample), emotions: emotion === undefined ? PAIR_EMOTIONS : [emotion] });
    },
    choose: likelyPairs,
  },
  mainMetric: "f1",
  maxNewTokens: 96,
  samples,
  parse: (response) => {
    const pairs = parsePairs(response);
    return pairs === undefined ? undefined : renderPairs(pairs);
  },
  restore: (response, { excerpt }) => (excerpt === undefined ? response : shiftPairs(response, excerpt.shift)),
  count,
  score,
  baselines: ({ train, test }) => {
    const usual = mostFrequentEmotion(train);
    const offsets = (wanted: readonly number[]): Scores => score(answerByRule(test, (sample) => answerOffsets(sample, wanted, usual)));
    return { targetItself: offsets([0]), previousTurn: offsets([-1]), targetAndPreviousTurn: offsets([-1, 0]) };
  },
};

/**
 * One sample per non-neutral utterance of a record with annotated pairs (of one with `targets`, those only), or per
 * utterance when emotions are asked for; they share the conversation as their prefix, or what stands before their excerpts.
 */
function samples(record: EmtRecord, { causePrompt, causeTurns }: PromptForm = PAPER_FORM): readonly Sample[] {
  const { pairs } = record;
  if (pairs === undefined) return [];
  checkPairs(record, pairs);
  const isGiven = causePrompt === "emotions-given";
  const markOf = ({ emotion }: Utterance): string => (isGiven ? `_${emotion}` : "");
  const opening = isGiven ? OPENING : OPENING_ASKED;
  const question = isGiven ? "The emotion-cause indices of the target utterance are:" : "The emotion-cause pairs of the target utterance are:";
  const shared = { task: "ecpe", record, unit: record.id, prefixKey: recordPrefixKey("conversation", record), identifier: IDENTIFIER, question } as const;
  const prefix = causeTurns === undefined ? conversationParts(opening, record, markOf) : [text(`${opening}\n`)];
  return record.utterances.flatMap((utterance, i) => {
    const { emotion } = utterance;
    if (emotion === undefined || (isGiven && emotion === "neutral") || record.targets?.includes(i + 1) === false) return [];
    const causes = pairs.filter(({ emotionUtterance }) => emotionUtterance === i + 1).map((pair) => ({ ...pair, emotion }));
    const turn = { ...shared, prefix, utterance, mark: markOf(utterance) };
    if (causeTurns === undefined) return [turnSample({ ...turn, number: i + 1, target: renderPairs(causes) })];
    // What an outline leaves out is where an emotion shows that the prompt does not give.
    const saysTarget = !isGiven && causeTurns.show === "outline";
    return [excerptSample({ ...turn, shown: excerptAround(record, i + 1, causeTurns, markOf), saysTarget, causes })];
  });
}

/** A sample whose instruction shows the target among the turns around it, and says it once more only where those leave its words out. */
function excerptSample(input: ExcerptInput): Sample {
  const { record, utterance, shown, saysTarget, mark, identifier, question, causes, ...shared } = input;
  const { number } = shown;
  const asked = saysTarget ? turnParts(utterance, { number, mark }) : [text(`${number}${mark}.`)];
  const near = renderPairs(causes.filter(({ causeUtterance }) => shown.shows(causeUtterance)));
  return {
    ...shared,
    id: sampleId(utterance, shared.task),
    recordId: record.id,
    instruction: [...clipParts(utterance), ...shown.parts, text("Target utterance:"), ...asked, text(`\n${identifier} ${question}`)],
    target: shiftPairs(near, -shown.shift),
    excerpt: { shift: shown.shift, gold: renderPairs(causes) },
  };
}

interface ExcerptInput extends Pick<Sample, "task" | "unit" | "prefixKey" | "prefix"> {
  readonly record: EmtRecord;
  readonly utterance: Utterance;
  readonly mark: string;
  readonly shown: Shown;
  readonly saysTarget: boolean;
  readonly identifier: string;
  readonly question: string;
  readonly causes: readonly EmotionPair[];
}

/**
 * The paper's prompt up to the conversation. Two changes make it a prefix that all targets share: how to answer comes
 * before the conversation, and the list of candidates (the turns before the target once more) is left out; it never
 * bounded the answers, half of which are the target itself.
 */
const OPENING = [
  "Below is a conversation containing multiple utterances from different speakers, ",
  "along with the corresponding emotion label for each utterance. ",
  "Your task is to identify the indices of the candidate utterances that elicited the emotion in the target utterance.",
  'You need to return the answer as, for example, "3_surprise,1", ',
  "which means that the emotion of surprise in the third sentence is related to the first sentence, ",
  "and if the emotion is related to more than one sentence, separate the sentences with “;”.",
  "Input conversation:",
].join("\n");

/** Without labels in the conversation; ours. */
const OPENING_ASKED = [
  "Below is a conversation containing multiple utterances from different speakers. ",
  "Your task is to identify the emotion of the target utterance and the indices of the utterances that elicited it.",
  'You need to return the answer as, for example, "3_surprise,1;3_surprise,2", ',
  'which means that the surprise in the third sentence is related to the first and the second; or "None.".',
  "Input conversation:",
].join("\n");

function count(rows: readonly ScoredRow[]): Counted<Scores> {
  const parsed = parseRows(rows, parsePairs);
  return withFailures(parsed, {
    rows: parsed.map(({ gold, predicted }) => countPairs({ gold, predicted: predicted ?? [] })),
    scoresOf: (sum) => {
      const { perClass, ...metrics } = pairScoresOf(sum);
      return { metrics: { ...metrics }, perClass };
    },
  });
}

function score(rows: readonly ScoredRow[]): Scores {
  return scoreCounted(count(rows));
}

/** Of the pairs in the answers; undefined when there is none. */
function mostFrequentEmotion(train: readonly Sample[]): Emotion | undefined {
  const words = train.flatMap((sample) => (parsePairs(goldOf(sample)) ?? []).map(({ emotion }) => emotion));
  const most = mostFrequent(words);
  return EMOTIONS.find((name) => name === most);
}

/** The answer that names the turns at these distances from the target, as far as they exist, with the emotion that the prompt gives, else with the usual one. */
function answerOffsets(sample: Sample, offsets: readonly number[], usual: Emotion | undefined): string {
  const { emotion = usual, ...target } = targetOf(sample);
  if (emotion === undefined) return renderPairs([]);
  const number = target.number + (sample.excerpt?.shift ?? 0);
  const causes = offsets.map((offset) => number + offset).filter((cause) => cause >= 1);
  return renderPairs(causes.map((causeUtterance) => ({ emotionUtterance: number, emotion, causeUtterance })));
}

/** Number of the target utterance, and its emotion if the prompt gives it; read from the prompt as a model would. */
function targetOf(sample: Sample): { readonly number: number; readonly emotion?: Emotion } {
  const prompt = sample.instruction.map((part) => (part.kind === "text" ? part.text : "")).join("");
  const [, number, word] = /^Target utterance:(\d+)(?:_([a-z]+))?\./m.exec(prompt) ?? [];
  const emotion = EMOTIONS.find((name) => name === word);
  invariant(number !== undefined && (emotion === undefined) === (word === undefined), () => `no target utterance in the prompt of ${sample.id}`);
  return { number: Number(number), ...(emotion === undefined ? {} : { emotion }) };
}

/** Numbers of the first and the last turn that the prompt shows; the target, which may be said once more, is one of them. */
function turnsOf({ prefix, excerpt, instruction }: Sample): { readonly first: number; readonly last: number } {
  const shown = excerpt === undefined ? prefix : instruction;
  const numbers = shown.flatMap((part) => (part.kind === "text" ? (/^(\d+)(?:_[a-z]+)?\. /.exec(part.text)?.[1] ?? []) : []));
  return { first: Number(numbers[0] ?? 1), last: Math.max(0, ...numbers.map(Number)) };
}

/** @throws UserError with everything that makes the pairs contradict the conversation. */
function checkPairs({ id, utterances }: EmtRecord, pairs: NonNullable<EmtRecord["pairs"]>): void {
  const problem = (what: string, hint?: string): Problem => ({ kind: "DataError", where: `record ${id}`, what, ...(hint === undefined ? {} : { hint }) });
  const unlabelled = utterances
    .filter(({ emotion }) => emotion === undefined)
    .map((utterance) => problem(`utterance ${utterance.id} has no emotion, but the record has emotion-cause pairs`, "The prompt lists every utterance's emotion: label them all, or leave out pairs."));
  const wrong = pairs.flatMap(({ emotionUtterance, causeUtterance }) => {
    const pair = `the pair (${emotionUtterance}, ${causeUtterance})`;
    const largest = Math.max(emotionUtterance, causeUtterance);
    if (largest > utterances.length) return [problem(`${pair} names an utterance that does not exist. Got ${largest}, expected 1 to ${utterances.length}`)];
    const isNeutral = utterances[emotionUtterance - 1]?.emotion === "neutral";
    return isNeutral ? [problem(`${pair} gives a cause to utterance ${emotionUtterance}, which is neutral`)] : [];
  });
  if (unlabelled.length + wrong.length > 0) throw new UserError([...unlabelled, ...wrong]);
}
