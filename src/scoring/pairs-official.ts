/** @file ECPE as the official program of SemEval-2024 task 3, subtask 2 scores it: pairs of whole conversations. */
import { UserError } from "../core/errors.ts";
import { EMOTIONS } from "../data/record.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted } from "../metrics/counts.ts";
import { countPairs, pairScoresOf } from "../metrics/pairs.ts";
import type { EmotionPair } from "../metrics/pairs.ts";
import type { Alignment } from "./align.ts";
import { counted, NOTHING_AMISS } from "./align.ts";
import type { PairConversation, Refusal } from "./pair-conversations.ts";
import { causesByRule, mapRules } from "./pair-rules.ts";
import type { PairRule } from "./pair-rules.ts";
import type { ProtocolScores, Scoring } from "./protocol.ts";

export interface OfficialPairsInput {
  readonly gold: readonly PairConversation[];
  readonly predictions: readonly PairConversation[];
  /** What is wrong with the predictions by themselves. */
  readonly refusals: readonly Refusal[];
  /** What to do where the official program ends with an error. */
  readonly onRefusal: "error" | "count";
}

/**
 * @throws UserError with everything that the official program refuses, unless it is to be counted: then a missing
 * conversation has no pairs, a repeated one those of all its copies, and a pair that cannot be read is left out.
 */
export function officialPairs({ gold, predictions, refusals, onRefusal }: OfficialPairsInput): { readonly scoring: Scoring; readonly alignment: Alignment } {
  const byId = groupById(predictions);
  const goldIds = new Set(gold.map(({ id }) => id));
  const missing = gold.filter(({ id }) => !byId.has(id));
  const all = [...refusals, ...missingRefusal(missing, gold.length)];
  if (onRefusal === "error" && all.length > 0) throw new UserError(withHint(all));
  const rows = gold.map((conversation) => ({ gold: conversation.pairs, predicted: (byId.get(conversation.id) ?? []).flatMap(({ pairs }) => pairs), unread: (byId.get(conversation.id) ?? []).reduce((sum, { unread }) => sum + unread, 0) }));
  const repeated = [...byId].filter(([id, copies]) => copies.length > 1 && goldIds.has(id)).map(([id]) => `${id}`);
  return {
    scoring: {
      counting:
        "ECAC evaluate.py, subtask 2: conversation, both utterances and emotion must match; a pair counts once; neutral pairs are ignored; 1e-8 is added to every denominator; *_pair over all pairs, weighted_* over six emotions by their gold pairs",
      counted: countConversations(rows),
      units: gold.map(({ id }) => `${id}`),
      unit: "conversation",
      baselines: baselines(gold),
      notes: [
        ...(all.length === 0 ? [] : [`the official program would refuse these predictions (${all.length} reasons, first: ${all[0]?.what ?? ""})`]),
        ...(hasEmotions(gold) ? ["the baselines know the gold emotions of all utterances"] : ["no baselines: they need the utterances' emotions, which this gold file does not hold"]),
      ],
      unanswered: 0,
    },
    alignment: {
      by: "id",
      ...NOTHING_AMISS,
      missing: counted(missing.map(({ id }) => `${id}`)),
      repeated: counted(repeated),
      superfluous: counted([...byId.keys()].filter((id) => !goldIds.has(id)).map(String)),
    },
  };
}

interface ConversationRow {
  readonly gold: readonly EmotionPair[];
  readonly predicted: readonly EmotionPair[];
  readonly unread: number;
}

/** The official program's six numbers under its names. */
function countConversations(rows: readonly ConversationRow[]): Counted<ProtocolScores> {
  return {
    rows: rows.map(({ gold, predicted, unread }) => Float64Array.from([unread, ...countPairs({ gold, predicted })])),
    scoresOf: (sum) => {
      const scores = pairScoresOf(sum.subarray(1));
      return {
        metrics: {
          precision_pair: scores.precision,
          recall_pair: scores.recall,
          f1_pair: scores.f1,
          weighted_precision: scores.weightedPrecision,
          weighted_recall: scores.weightedRecall,
          weighted_f1: scores.weightedF1,
        },
        perClass: scores.perClass,
        parseFailures: sum[0] ?? 0,
      };
    },
  };
}

/** Rules that know the gold emotions, on every utterance with one. */
function baselines(gold: readonly PairConversation[]): Readonly<Record<string, ProtocolScores>> {
  if (!hasEmotions(gold)) return {};
  const predicted = (rule: PairRule, { utterances }: PairConversation): EmotionPair[] =>
    utterances.flatMap(({ number, emotion: word }) => {
      const emotion = EMOTIONS.find((name) => name === word);
      return emotion === undefined || emotion === "neutral" ? [] : causesByRule(rule, number).map((causeUtterance) => ({ emotionUtterance: number, emotion, causeUtterance }));
    });
  return mapRules((rule) => scoreCounted(countConversations(gold.map((conversation) => ({ gold: conversation.pairs, predicted: predicted(rule, conversation), unread: 0 })))));
}

function hasEmotions(gold: readonly PairConversation[]): boolean {
  return gold.length > 0 && gold.every(({ utterances }) => utterances.length > 0 && utterances.every(({ emotion }) => emotion !== undefined));
}

function missingRefusal(missing: readonly PairConversation[], total: number): readonly Refusal[] {
  const [first] = missing;
  if (first === undefined) return [];
  const shown = missing.slice(0, 5).map(({ id }) => id).join(", ");
  return [{ kind: "DataError", where: "predictions", what: `${missing.length} of ${total} conversations are missing, first: ${shown} (the official program: "Conversation ${first.id} are missing!")` }];
}

function withHint(problems: readonly Refusal[]): readonly Refusal[] {
  return problems.map((problem, i) => (i === problems.length - 1 ? { ...problem, hint: "The official program gives no score here. With --lenient what is missing or unreadable counts as wrong." } : problem));
}

function groupById(conversations: readonly PairConversation[]): ReadonlyMap<number, readonly PairConversation[]> {
  const groups = new Map<number, PairConversation[]>();
  for (const conversation of conversations) {
    const group = groups.get(conversation.id);
    if (group === undefined) groups.set(conversation.id, [conversation]);
    else group.push(conversation);
  }
  return groups;
}
