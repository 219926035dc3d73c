/** @file The script of a synthetic dataset: every label and everything a renderer needs, from the seed alone; no media yet. */
import { UserError } from "../../core/errors.ts";
import { rng } from "../../core/rng.ts";
import { phrasesOf } from "../action-units.ts";
import { EMOTIONS, SPLITS } from "../record.ts";
import type { Emotion, EmtRecord, Split, Utterance } from "../record.ts";
import { drawChannels, sentimentOf } from "./channels.ts";
import type { Shown } from "./channels.ts";
import { drawExpression } from "./expression.ts";
import type { Activations } from "./expression.ts";
import { identitiesOf } from "./identity.ts";
import type { Identity } from "./identity.ts";
import { explain } from "./reason.ts";
import { drawShape, isEmotional, topicCount } from "./shapes.ts";
import type { Turn } from "./shapes.ts";
import { drawTopics, speak } from "./words.ts";

/** What a renderer draws and sounds for one utterance. */
export interface ClipScript {
  /** The utterance's id. */
  readonly id: string;
  /** Path of the video under the dataset's root. */
  readonly video: string;
  readonly shown: Shown;
  readonly activations: Activations;
  /** 0..1, how strongly the voice shows its emotion. */
  readonly strength: number;
  readonly identity: Identity;
  readonly seconds: number;
  readonly seed: number;
}

export interface DialogueScript {
  readonly record: EmtRecord;
  readonly clips: readonly ClipScript[];
}

const MIN_CLIPS = 6;
/** Days of rendering; scripts are held in memory. */
const MAX_CLIPS = 1_000_000;

/**
 * Dialogues with exactly `clips` utterances in all: 80 % train, 7 % val, 13 % test, but at least two utterances each.
 *
 * @throws UserError when `clips` or `seed` is not a whole number in range.
 */
export function scriptDataset({ clips, seed }: { readonly clips: number; readonly seed: number }): readonly DialogueScript[] {
  requireWhole({ name: "--clips", value: clips, least: MIN_CLIPS, most: MAX_CLIPS });
  requireWhole({ name: "--seed", value: seed, least: 0, most: Number.MAX_SAFE_INTEGER });
  const val = Math.max(2, Math.round(0.07 * clips));
  const test = Math.max(2, Math.round(0.13 * clips));
  const sizes = { train: clips - val - test, val, test } satisfies Record<Split, number>;
  return SPLITS.flatMap((split) => scriptSplit({ split, clips: sizes[split], seed }));
}

function scriptSplit({ split, clips, seed }: { split: Split; clips: number; seed: number }): DialogueScript[] {
  const nextEmotion = emotionDeck(split, seed);
  const identities = identitiesOf(split, seed);
  const dialogues: DialogueScript[] = [];
  let left = clips;
  while (left > 0) {
    const index = dialogues.length + 1;
    const size = drawSize(left, rng(seed, "size", split, index).uniform());
    left -= size;
    dialogues.push(scriptDialogue({ id: `${split}${String(index).padStart(4, "0")}`, split, size, seed, identities, nextEmotion }));
  }
  return dialogues;
}

interface DialogueRequest {
  readonly id: string;
  readonly split: Split;
  readonly size: number;
  readonly seed: number;
  readonly identities: readonly Identity[];
  readonly nextEmotion: () => Emotion;
}

function scriptDialogue({ id, split, size, seed, identities, nextEmotion }: DialogueRequest): DialogueScript {
  const random = rng(seed, "dialogue", id);
  const turns = drawShape(size, random);
  const topics = drawTopics(topicCount(turns), random);
  const looks = random.shuffle(identities);
  const names = random.shuffle(NAMES);
  const scripted = turns.map((turn, index) => {
    const gold = isEmotional(turn.kind) ? nextEmotion() : "neutral";
    const [identity, speaker] = [looks[turn.speaker], names[turn.speaker]];
    if (identity === undefined || speaker === undefined) throw new Error("internal error: fewer than two looks or names");
    return scriptUtterance({ id: `${id}_utt${index + 1}`, split, turn, gold, topics, seed, identity, speaker });
  });
  const pairs = turns.flatMap(({ causes }, index) => causes.map((cause) => ({ emotionUtterance: index + 1, causeUtterance: cause + 1 })));
  return { record: { id, source: "synthetic", split, utterances: scripted.map(({ utterance }) => utterance), pairs }, clips: scripted.map(({ clip }) => clip) };
}

interface UtteranceRequest {
  readonly id: string;
  readonly split: Split;
  readonly turn: Turn;
  readonly gold: Emotion;
  readonly topics: readonly string[];
  readonly seed: number;
  readonly identity: Identity;
  readonly speaker: string;
}

function scriptUtterance({ id, split, turn, gold, topics, seed, identity, speaker }: UtteranceRequest): { utterance: Utterance; clip: ClipScript } {
  const random = rng(seed, "utterance", id);
  const strength = Math.round(100 * random.uniform()) / 100;
  const shown = drawChannels(gold, random);
  const activations = drawExpression(shown.face, strength, random);
  const units = Object.keys(activations);
  const video = `clips/${id}.mp4`;
  const text = speak({ kind: turn.kind, topics: turn.topics.map((topic) => topics[topic] ?? ""), emotion: shown.words, split, random });
  const reason = explain({ shown, gold, activations, random });
  const utterance: Utterance = {
    id,
    speaker,
    text,
    media: { video },
    sentiment: sentimentOf(gold, strength),
    emotion: gold,
    actionUnits: units.map((unit) => ({ unit, intensity: Math.round(50 * (activations[unit] ?? 0)) / 10 })),
    // A face at rest has nothing to describe: without phrases it is no sample of the facial expression task.
    ...(units.length === 0 ? {} : { expression: units.map((unit) => phrasesOf(unit)[0] ?? unit) }),
    reason,
  };
  return { utterance, clip: { id, video, shown, activations, strength, identity, seconds: 1.5 + 0.5 * random.uniform(), seed } };
}

/** The six emotions in random order, over and over: they stay balanced in every split, however small. */
function emotionDeck(split: Split, seed: number): () => Emotion {
  const emotions = EMOTIONS.filter((emotion) => emotion !== "neutral");
  let deck: Emotion[] = [];
  let round = 0;
  return () => {
    if (deck.length === 0) deck = rng(seed, "emotions", split, (round += 1)).shuffle(emotions);
    return deck.pop() ?? "joy";
  };
}

/** 2 to 6 turns, never leaving a single turn over. */
function drawSize(left: number, draw: number): number {
  const sizes = [2, 3, 3, 4, 4, 5, 5, 6].filter((size) => size <= left && left - size !== 1);
  const size = sizes[Math.floor(draw * sizes.length)];
  if (size === undefined) throw new Error(`internal error: no dialogue size fits ${left} turns`);
  return size;
}

const NAMES = ["Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Henry", "Ida", "Jack", "Kate", "Leo"] as const;

function requireWhole({ name, value, least, most }: { name: string; value: number; least: number; most: number }): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new UserError({ kind: "ConfigError", where: name, what: `got ${value}, expected a whole number from ${least} to ${most}` });
}
