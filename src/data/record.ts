/**
 * @file EmtRecord: one dialogue (a single clip is a dialogue of one utterance) with its media and the labels of all
 * five tasks. No prompt text lives here. One JSON line per record; the schema is strict.
 */
import { z } from "zod";

export const SPLITS = ["train", "val", "test"] as const;
export type Split = (typeof SPLITS)[number];

/** MELD's and ECF's seven emotions, in the order the paper's prompt lists them. */
export const EMOTIONS = ["anger", "sadness", "surprise", "disgust", "joy", "neutral", "fear"] as const;
export type Emotion = (typeof EMOTIONS)[number];

export const POLARITIES = ["positive", "negative", "neutral"] as const;
export type Polarity = (typeof POLARITIES)[number];

/** What a builder found where an utterance's clip should be. Only the first two can be looked at as they are. */
export const MEDIA_STATUSES = ["ok", "no-audio", "too-short", "too-long", "unreadable", "no-file", "unsafe-path", "no-clips"] as const;
export type MediaStatus = (typeof MEDIA_STATUSES)[number];

const mediaSchema = z.strictObject({
  video: z.string().min(1).optional().describe("path of a video file, relative to the dataset's media root (dataset.json; without it the dataset's root)"),
  audio: z.string().min(1).optional().describe("path of a sound file; without it the sound of the video is used"),
});

export const utteranceSchema = z.strictObject({
  id: z.string().min(1).describe("unique in the dataset, e.g. dia3_utt1"),
  speaker: z.string().min(1).optional(),
  text: z.string().describe("transcript; may be empty"),
  media: mediaSchema.optional(),
  mediaStatus: z.enum(MEDIA_STATUSES).optional().describe("what the builder found; without media this says why the utterance is text only"),
  clip: z.string().min(1).optional().describe("the source's name of the clip, e.g. meld/test/dia0_utt0: one clip has one name in every dataset that took it over"),
  sentiment: z
    .strictObject({
      score: z.number().min(-3).max(3).optional().describe("MOSEI's scale"),
      polarity: z.enum(POLARITIES),
    })
    .optional(),
  emotion: z.enum(EMOTIONS).optional(),
  actionUnits: z
    .array(z.strictObject({ unit: z.string().regex(/^AU\d\d$/, "AU and two digits, e.g. AU06"), intensity: z.number().min(0).max(5) }))
    .optional()
    .describe("FACS action units of the peak frame, OpenFace's 0-5 scale"),
  expression: z.array(z.string().min(1)).optional().describe("phrases that describe the face, one per action unit (FER target)"),
  reason: z.string().min(1).optional().describe("why this emotion: face, voice, words, conclusion (ERI target)"),
  reasonOrigin: z.enum(["given", "model", "template"]).optional().describe("a reason that somebody wrote, or a language model, or one composed of the labels that are there"),
});

export const recordSchema = z.strictObject({
  id: z.string().min(1),
  source: z.string().min(1).describe("where it comes from: synthetic, meld, ecf, mosei, ..."),
  split: z.enum(SPLITS),
  utterances: z.array(utteranceSchema).min(1),
  pairs: z
    .array(z.strictObject({ emotionUtterance: z.number().int().min(1), causeUtterance: z.number().int().min(1) }))
    .optional()
    .describe("emotion-cause pairs, 1-based utterance numbers; absent = not annotated, empty = annotated, no pair"),
  targets: z.array(z.number().int().min(1)).min(1).optional().describe("the utterances whose causes are annotated, 1-based; absent = all"),
});

export type Utterance = z.infer<typeof utteranceSchema>;
export type EmtRecord = z.infer<typeof recordSchema>;
