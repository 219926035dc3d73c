/**
 * @file The grammar of the transcripts. Feeling words carry the words' emotion, topic nouns tie a reaction to its cause, and
 * the frame tells the kind of turn. The test split uses other frames, made of the same words.
 */
import type { Rng } from "../../core/rng.ts";
import type { Emotion, Split } from "../record.ts";
import type { TurnKind } from "./shapes.ts";

/** `count` different topic nouns. */
export function drawTopics(count: number, random: Rng): readonly string[] {
  return random.shuffle(TOPICS).slice(0, count);
}

/** One utterance: what the turn does, about which topics, with which feeling in its words. */
export function speak({ kind, topics, emotion, split, random }: { kind: TurnKind; topics: readonly string[]; emotion: Emotion; split: Split; random: Rng }): string {
  const frame = random.pick(framesOf({ kind, split, topics: topics.length }));
  const filled = frame.replace(/\{(\w+)\}/g, (_, slot: string) => fillSlot({ slot, topics, emotion, random }));
  return filled.charAt(0).toUpperCase() + filled.slice(1);
}

/** The frames of a kind of turn; `held out` means the test split. */
export function framesOf({ kind, split, topics }: { kind: TurnKind; split: Split; topics: number }): readonly string[] {
  const frames = FRAMES[kind === "react" && topics === 2 ? "reactTwice" : kind];
  return split === "test" ? frames.heldOut : frames.seen;
}

const FEELINGS = {
  joy: ["happy", "glad", "delighted", "cheerful", "thrilled"],
  sadness: ["sad", "unhappy", "miserable", "heartbroken", "gloomy"],
  anger: ["angry", "furious", "mad", "outraged", "annoyed"],
  fear: ["afraid", "scared", "terrified", "frightened", "anxious"],
  disgust: ["disgusted", "sickened", "revolted", "nauseous", "repelled"],
  surprise: ["surprised", "amazed", "astonished", "stunned", "startled"],
  neutral: ["okay", "calm", "fine", "relaxed", "ready"],
} as const satisfies Record<Emotion, readonly string[]>;

const EXCLAMATIONS = { joy: "hooray", sadness: "alas", anger: "damn", fear: "help", disgust: "yuck", surprise: "wow", neutral: "well" } as const satisfies Record<Emotion, string>;

const TOPICS = [
  ..."keys exam letter car house dog cat phone ticket party wedding job cake soup garden river bridge concert game team".split(" "),
  ..."film book painting lamp door window coat ring watch bike boat train plane hotel kitchen roof fence piano guitar tree".split(" "),
] as const;
const PLACES = ["station", "market", "school", "office", "park", "beach"] as const;
const PEOPLE = ["brother", "sister", "mother", "father", "boss", "neighbor"] as const;
const DEEDS = ["sold", "moved", "changed", "took", "found", "showed", "bought", "drew"] as const;
const DAYS = ["Monday", "Tuesday", "Friday", "Sunday"] as const;

interface Frames {
  readonly seen: readonly string[];
  readonly heldOut: readonly string[];
}

/** {event} is a clause that states the topic, {topic} and {second} name it, {feeling} and {oh} carry the emotion. */
const FRAMES = {
  self: {
    seen: [
      "{event}, and I am so {feeling}.",
      "I am {feeling} because {event}.",
      "{oh}, {event} and that makes me {feeling}.",
      "today {event}, so I feel {feeling}.",
      "{oh}, I feel so {feeling} because {event}.",
      "because {event}, I am so {feeling} today.",
      "I feel {feeling}, today {event}.",
      "{event}, {oh}, that makes me so {feeling}.",
      "so {event}, and now I feel {feeling}.",
      "it makes me {feeling} that {event}.",
      "{oh}, now I am {feeling}, {event}.",
      "you know, {event} and I feel so {feeling}.",
    ],
    heldOut: ["today I am so {feeling} because {event}.", "{oh}, {event}, so I am {feeling}.", "{event}, and that makes me feel so {feeling}."],
  },
  event: {
    seen: [
      "by the way, {event}.",
      "just so you know, {event}.",
      "I heard that {event}.",
      "today {event}.",
      "you know, {event}.",
      "I know that {event} today.",
      "{event}, just so you know.",
      "{event}, by the way.",
      "now I heard that {event}.",
    ],
    heldOut: ["by the way, I heard that {event}.", "just so you know, today {event}."],
  },
  react: {
    seen: [
      "I am so {feeling} about the {topic}.",
      "{oh}, the {topic} makes me {feeling}.",
      "hearing about the {topic} makes me feel {feeling}.",
      "really, I feel {feeling} about the {topic}.",
      "{oh}, I am {feeling} when I think about the {topic}.",
      "the {topic}, {oh}, now I feel {feeling}.",
      "now the {topic} makes me so {feeling}.",
      "I feel so {feeling} when I think about the {topic}.",
      "about the {topic}, I am really {feeling}.",
      "really, the {topic}, I am so {feeling}.",
      "{oh}, really, I am {feeling} hearing about the {topic}.",
      "it makes me {feeling} to think about the {topic}.",
    ],
    heldOut: ["really, the {topic} makes me feel so {feeling}.", "{oh}, I feel so {feeling} about the {topic}.", "hearing about the {topic}, I am {feeling}."],
  },
  reactTwice: {
    seen: [
      "I am so {feeling} about the {topic} and the {second}.",
      "{oh}, the {topic} and the {second} make me {feeling}.",
      "hearing about the {topic} and the {second}, I feel {feeling}.",
      "now the {topic} and the {second} make me so {feeling}.",
      "the {topic} and the {second}, {oh}, I am {feeling}.",
      "I feel {feeling} when I think about the {topic} and the {second}.",
      "really, I am so {feeling} hearing about the {topic} and the {second}.",
    ],
    heldOut: ["{oh}, I feel {feeling} about the {topic} and the {second}.", "really, the {topic} and the {second} make me feel so {feeling}."],
  },
  announce: {
    seen: [
      "you will never guess what happened, I am so {feeling}.",
      "{oh}, listen to what happened, I feel {feeling}.",
      "guess what happened to me, I am {feeling}.",
      "listen, something happened and I feel so {feeling}.",
      "I am so {feeling}, guess what happened.",
      "something happened, {oh}, I feel {feeling}.",
      "{oh}, I am so {feeling}, you will never guess what happened.",
      "I feel {feeling}, listen to what happened to me.",
    ],
    heldOut: ["{oh}, guess what happened, I feel so {feeling}.", "listen, you will never guess what happened to me, I am {feeling}."],
  },
  small: {
    seen: [
      "people at the {place} look {feeling} on {day}.",
      "see you at the {place} on {day}, stay {feeling}.",
      "were you {feeling} at the {place} on {day}?",
      "{oh}, the {place} looks {feeling} on {day}.",
      "on {day} you look {feeling} at the {place}.",
      "at the {place} people were {feeling} on {day}.",
      "{oh}, see you on {day}, people look {feeling}.",
      "do people look {feeling} at the {place}?",
      "you were {feeling} on {day} at the {place}.",
      "on {day} the {place} looks so {feeling}.",
    ],
    heldOut: ["on {day} people look {feeling} at the {place}.", "{oh}, were people at the {place} {feeling} on {day}?"],
  },
} as const satisfies Record<TurnKind | "reactTwice", Frames>;

/** Clauses that state a topic. */
const EVENTS = ["my {person} {deed} the {topic} at the {place}", "the {person} {deed} my {topic} near the {place}"] as const;

function fillSlot({ slot, topics, emotion, random }: { slot: string; topics: readonly string[]; emotion: Emotion; random: Rng }): string {
  const again = (text: string): string => text.replace(/\{(\w+)\}/g, (_, inner: string) => fillSlot({ slot: inner, topics, emotion, random }));
  switch (slot) {
    case "feeling":
      return random.pick(FEELINGS[emotion]);
    case "oh":
      return EXCLAMATIONS[emotion];
    case "event":
      return again(random.pick(EVENTS));
    case "topic":
      return topics[0] ?? "";
    case "second":
      return topics[1] ?? "";
    case "place":
      return random.pick(PLACES);
    case "person":
      return random.pick(PEOPLE);
    case "deed":
      return random.pick(DEEDS);
    case "day":
      return random.pick(DAYS);
    default:
      throw new Error(`internal error: unknown slot {${slot}}`);
  }
}
