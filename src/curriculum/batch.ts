/** @file Batch: several packed rows of equal length as flat arrays, with the clips whose features they hold. */
import { concatArrays } from "../core/arrays.ts";
import { invariant } from "../core/errors.ts";
import type { MediaTokens } from "../text/encode.ts";
import type { Modality } from "../text/encoded-sample.ts";
import type { PackedRow } from "./packed-row.ts";
import { seenUntil } from "./tree-mask.ts";

export interface Batch {
  readonly rows: readonly PackedRow[];
  /** B and S; every flat array below is [B * S], row after row. */
  readonly batchSize: number;
  readonly length: number;
  readonly inputIds: Int32Array;
  readonly labels: Int32Array;
  readonly positionIds: Int32Array;
  /** Position in its row; a query sees a key if key <= query < seenUntil[key]. The whole tree mask. */
  readonly seenUntil: Int32Array;
  /** Distinct clips with a video slot, then those with an audio slot; a clip's features are computed once per batch. */
  readonly videoClips: readonly string[];
  readonly audioClips: readonly string[];
  /**
   * -1 where the token's own embedding is used, else a row of the feature table
   * [videoClips.length * videoTokens + audioClips.length * audioTokens, D]: all video rows first, then audio.
   */
  readonly featureIndex: Int32Array;
  readonly supervisedTokens: number;
  readonly usedTokens: number;
}

/** Feature rows per clip: frames times tokens per frame, and tokens per sound. */
export interface FeatureRows {
  readonly videoTokens: number;
  readonly audioTokens: number;
}

/** Feature rows of a clip whose placeholders take that many tokens. */
export function featureRows({ framesPerClip, tokensPerFrame, tokensPerSound }: MediaTokens): FeatureRows {
  return { videoTokens: framesPerClip * tokensPerFrame, audioTokens: tokensPerSound };
}

/** Rows of equal length as one batch. */
export function buildBatch(rows: readonly PackedRow[], { videoTokens, audioTokens }: FeatureRows): Batch {
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const length = lengths[0] ?? 0;
  invariant(lengths.every((own) => own === length), () => `rows of ${lengths.join(", ")} tokens in one batch`);
  const videoClips = distinctClips(rows, "video");
  const audioClips = distinctClips(rows, "audio");
  const tables = {
    video: { first: firstRows(videoClips, 0, videoTokens), tokens: videoTokens },
    audio: { first: firstRows(audioClips, videoClips.length * videoTokens, audioTokens), tokens: audioTokens },
  } satisfies Record<Modality, FeatureTable>;
  return {
    rows,
    batchSize: rows.length,
    length,
    inputIds: concatArrays(Int32Array, rows.map(({ inputIds }) => inputIds)),
    labels: concatArrays(Int32Array, rows.map(({ labels }) => labels)),
    positionIds: concatArrays(Int32Array, rows.map(({ positionIds }) => positionIds)),
    seenUntil: concatArrays(Int32Array, rows.map(seenUntil)),
    videoClips,
    audioClips,
    featureIndex: concatArrays(Int32Array, rows.map((row) => featureIndex(row, tables))),
    supervisedTokens: rows.reduce((sum, row) => sum + row.supervisedTokens, 0),
    usedTokens: rows.reduce((sum, row) => sum + row.usedTokens, 0),
  };
}

interface FeatureTable {
  /** Clip -> its first row in the table. */
  readonly first: ReadonlyMap<string, number>;
  /** Rows per clip. */
  readonly tokens: number;
}

function featureIndex({ inputIds, slots }: PackedRow, tables: Record<Modality, FeatureTable>): Int32Array {
  const index = new Int32Array(inputIds.length).fill(-1);
  for (const { modality, clip, position, count, offset } of slots) {
    const { first, tokens } = tables[modality];
    const firstRow = first.get(clip);
    const end = offset + count;
    invariant(firstRow !== undefined && end <= tokens, () => `${modality} of clip ${clip}: rows ${offset} to ${end} of ${tokens}`);
    for (let i = 0; i < count; i++) index[position + i] = firstRow + offset + i;
  }
  return index;
}

function distinctClips(rows: readonly PackedRow[], modality: Modality): string[] {
  const slots = rows.flatMap((row) => row.slots).filter((slot) => slot.modality === modality);
  return [...new Set(slots.map(({ clip }) => clip))];
}

function firstRows(clips: readonly string[], start: number, tokens: number): ReadonlyMap<string, number> {
  return new Map(clips.map((clip, i) => [clip, start + i * tokens]));
}
