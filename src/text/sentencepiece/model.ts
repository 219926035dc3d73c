/**
 * @file A SentencePiece model (tokenizer.model): pieces with their scores, and how text is made ready for them.
 * @see sentencepiece_model.proto, whose field numbers stand here.
 */
import { readFields, type Field } from "./protobuf.ts";

/** In the order of the file's numbers, 1 and on. */
const KINDS = ["normal", "unknown", "control", "user-defined", "unused", "byte"] as const;
export type PieceKind = (typeof KINDS)[number];

export interface VocabularyPiece {
  readonly text: string;
  /** float32: a log-probability (unigram), or minus the rank of the merge (BPE). */
  readonly score: number;
  readonly kind: PieceKind;
}

export interface SentencePieceModel {
  readonly algorithm: "unigram" | "bpe";
  /** By id. */
  readonly pieces: readonly VocabularyPiece[];
  readonly unknownId: number;
  /** Whether characters outside the vocabulary become their UTF-8 bytes, the pieces <0x00> to <0xFF>. */
  readonly hasByteFallback: boolean;
  /** What an unknown piece decodes to. */
  readonly unknownSurface: string;
  readonly normalizer: NormalizerSpec;
}

export interface NormalizerSpec {
  /** Rules of Unicode normalisation, compiled; empty: none. */
  readonly charsMap: Uint8Array;
  readonly addsDummyPrefix: boolean;
  readonly removesExtraSpaces: boolean;
  readonly escapesSpaces: boolean;
  /** Puts the dummy space behind the text. */
  readonly spaceIsSuffix: boolean;
}

/**
 * The model in these bytes.
 *
 * @throws Error - saying what is wrong with the file.
 */
export function parseSentencePieceModel(bytes: Uint8Array): SentencePieceModel {
  const pieces: VocabularyPiece[] = [];
  let trainer = new Map<number, Field["value"]>();
  let normalizer = new Map<number, Field["value"]>();
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) pieces.push(parsePiece(messageOf(value, "piece"), pieces.length));
    else if (number === 2) trainer = tableOf(messageOf(value, "trainer_spec"));
    else if (number === 3) normalizer = tableOf(messageOf(value, "normalizer_spec"));
  }
  if (pieces.length === 0) throw new Error("it holds no pieces");
  const algorithm = { 1: "unigram", 2: "bpe" } as const;
  const type = integer(trainer, 3, 1);
  if (type !== 1 && type !== 2) throw new Error(`its model type is ${type}, only unigram (1) and bpe (2) are read`);
  const unknownId = pieces.findIndex(({ kind }) => kind === "unknown");
  if (unknownId < 0) throw new Error("it has no unknown piece");
  const charsMap = normalizer.get(2);
  return {
    algorithm: algorithm[type],
    pieces,
    unknownId,
    hasByteFallback: integer(trainer, 35, 0) === 1,
    unknownSurface: string(trainer, 44, " \u2047 "),
    normalizer: {
      charsMap: charsMap instanceof Uint8Array ? charsMap : new Uint8Array(),
      addsDummyPrefix: integer(normalizer, 3, 1) === 1,
      removesExtraSpaces: integer(normalizer, 4, 1) === 1,
      escapesSpaces: integer(normalizer, 5, 1) === 1,
      spaceIsSuffix: integer(trainer, 24, 0) === 1,
    },
  };
}

function parsePiece(bytes: Uint8Array, id: number): VocabularyPiece {
  const fields = tableOf(bytes);
  const score = fields.get(2);
  const kind = KINDS[integer(fields, 3, 1) - 1];
  if (kind === undefined) throw new Error(`piece ${id} is of kind ${integer(fields, 3, 1)}, expected 1 to ${KINDS.length}`);
  return { text: string(fields, 1, ""), score: score instanceof Uint8Array ? new DataView(score.buffer, score.byteOffset).getFloat32(0, true) : 0, kind };
}

/** The last value of every field, which is the one that counts where a field is not a list. */
function tableOf(bytes: Uint8Array): Map<number, Field["value"]> {
  return new Map([...readFields(bytes)].map(({ number, value }) => [number, value]));
}

function messageOf(value: Field["value"], name: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new Error(`its ${name} is a number`);
}

function integer(fields: ReadonlyMap<number, Field["value"]>, number: number, otherwise: number): number {
  const value = fields.get(number);
  return typeof value === "number" ? value : otherwise;
}

function string(fields: ReadonlyMap<number, Field["value"]>, number: number, otherwise: string): string {
  const value = fields.get(number);
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : otherwise;
}
