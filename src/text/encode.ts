/**
 * @file Sample -> EncodedSample. A sample is tokenised in three runs: shared prefix, instruction with assistant header,
 * answer with end token. Those are the borders at which training and inference cut alike (a prefix is computed once and
 * shared; generation starts after the header), so the tokens of a prompt are the same in both by construction.
 * Labels are shifted here and nowhere else.
 */
import type { InputModality } from "../config/schema.ts";
import { invariant } from "../core/errors.ts";
import type { Utterance } from "../data/record.ts";
import type { Part, Sample } from "../tasks/task.ts";
import { answerPieces, beforeAnswer, beforeUser } from "./chat-template.ts";
import type { ChatTemplate } from "./chat-template.ts";
import { IGNORE_INDEX } from "./encoded-sample.ts";
import type { EncodedSample, EncodedSegment } from "./encoded-sample.ts";
import { control, encodePieces, text } from "./pieces.ts";
import type { Piece } from "./pieces.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Placeholder tokens per medium; 0 where the model has no tower for it. */
export interface MediaTokens {
  readonly framesPerClip: number;
  readonly tokensPerFrame: number;
  readonly tokensPerSound: number;
}

/** What carries labels: answers with their end, or prompts too, but for media places. */
export type Learned = "answers" | "everything";

/** With nothing learned the branch stays open after the assistant header. */
export type Supervision = Learned | "nothing";

export interface EncodeOptions {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly system: string;
  readonly mediaTokens: MediaTokens;
  readonly modalities: readonly InputModality[];
  readonly supervise: Supervision;
}

/**
 * The samples in order. Samples of equal `prefixKey` hold the same prefix object, encoded once; its last token predicts
 * nothing, for each branch goes on in its own way.
 */
export function encodeSamples(samples: readonly Sample[], options: EncodeOptions): EncodedSample[] {
  const prefixes = new Map<string, EncodedSegment>();
  return samples.map((sample) => {
    const prefix = prefixes.get(sample.prefixKey) ?? encodePrefix(sample, options);
    prefixes.set(sample.prefixKey, prefix);
    return withBranch(sample, prefix, options);
  });
}

/** Ids of an answer with its end token: what follows the assistant header. Label scoring hangs these under a branch. */
export function encodeAnswer(answer: string, { tokenizer, template }: Pick<EncodeOptions, "tokenizer" | "template">): Int32Array {
  return Int32Array.from(encodePieces(answerPieces(template, answer), tokenizer, "text").ids);
}

function encodePrefix(sample: Sample, options: EncodeOptions): EncodedSegment {
  const { tokenizer, template, system } = options;
  const { ids, slots } = encodePieces([...beforeUser(template, system), ...renderParts(sample.prefix, options)], tokenizer, "start");
  const start = tokenizer.startIds;
  return promptSegment([...start, ...ids], slots.map((slot) => ({ ...slot, position: slot.position + start.length })), options);
}

function withBranch(sample: Sample, prefix: EncodedSegment, options: EncodeOptions): EncodedSample {
  const { ids, slots } = encodePieces([...renderParts(sample.instruction, options), ...beforeAnswer(options.template)], options.tokenizer, "text");
  const answer = options.supervise === "nothing" ? new Int32Array(0) : encodeAnswer(sample.target, options);
  const branch = promptSegment([...ids, ...answer], slots, options);
  // The one shift: the position before an answer token predicts it; the end token predicts nothing.
  branch.labels.set(answer, ids.length - 1);
  invariant(options.supervise === "nothing" || answer.length > 0, () => `sample ${sample.id} has no supervised token`);
  const { id, task, unit, prefixKey } = sample;
  return { id, task, unit, prefixKey, prefix, branch, answerTokens: answer.length };
}

function promptSegment(ids: readonly number[], slots: EncodedSegment["slots"], { supervise }: EncodeOptions): EncodedSegment {
  const inputIds = Int32Array.from(ids);
  const labels = new Int32Array(ids.length).fill(IGNORE_INDEX);
  if (supervise === "everything") {
    labels.set(inputIds.subarray(1));
    for (const { position, count } of slots) labels.fill(IGNORE_INDEX, Math.max(0, position - 1), position + count - 1);
  }
  return { inputIds, labels, slots };
}

function renderParts(parts: readonly Part[], options: EncodeOptions): Piece[] {
  return parts.flatMap((part): Piece[] => {
    switch (part.kind) {
      case "text":
        return [text(part.text)];
      case "transcript":
        return options.modalities.includes("text") ? [text(part.text)] : [];
      case "clip":
        return [...renderFrames(part.utterance, options), ...renderSound(part.utterance, options)];
      default:
        return part satisfies never;
    }
  });
}

/** `Frame1: <img>..</img>` and so on, one line per frame, as InternVL's model card writes a video. */
function renderFrames({ id, media }: Utterance, { modalities, mediaTokens: { framesPerClip, tokensPerFrame } }: EncodeOptions): Piece[] {
  if (media?.video === undefined || !modalities.includes("video") || tokensPerFrame === 0) return [];
  return Array.from({ length: framesPerClip }, (_, frame): Piece[] => [
    text(`Frame${frame + 1}: `),
    control("<img>"),
    { kind: "media", token: PICTURE, modality: "video", clip: id, count: tokensPerFrame, offset: frame * tokensPerFrame },
    control("</img>"),
    text("\n"),
  ]).flat();
}

/** A clip without a sound file of its own is heard through its video. */
function renderSound({ id, media }: Utterance, { tokenizer, modalities, mediaTokens: { tokensPerSound } }: EncodeOptions): Piece[] {
  if ((media?.audio ?? media?.video) === undefined || !modalities.includes("audio") || tokensPerSound === 0) return [];
  const place = { kind: "media", modality: "audio", clip: id, count: tokensPerSound, offset: 0 } as const;
  return [text("Audio: "), ...(tokenizer.controlTokens.includes(SOUND) ? [control("<audio>"), { ...place, token: SOUND }, control("</audio>")] : [{ ...place, token: PICTURE }]), text("\n")];
}

const PICTURE = "<IMG_CONTEXT>";
/** Published InternVL2 vocabularies lack it. Features take the place of whatever token stands there: a picture's will do, and brackets, which the model would have to learn, are left out. */
const SOUND = "<AUDIO_CONTEXT>";
