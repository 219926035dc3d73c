/** @file Text to ids and back with a SentencePiece model. Control pieces are never made from text. */
import { bpeSegmenter } from "./bpe.ts";
import type { SentencePieceModel } from "./model.ts";
import { normalizerOf, SPACE } from "./normalize.ts";
import { unigramSegmenter } from "./unigram.ts";

export interface SentencePieceProcessor {
  /** Ids of a text; `dummySpace` says whether it takes the model's dummy space, if the model has one. */
  encode(text: string, dummySpace: "add" | "omit"): number[];
  /** The text of ids; `dummySpace` "add": they were encoded with it, which is taken off again. Control pieces give nothing. */
  decode(ids: readonly number[], dummySpace: "add" | "omit"): string;
}

/** @throws Error - when the model is damaged. */
export function sentencePieceProcessor(model: SentencePieceModel): SentencePieceProcessor {
  const { pieces, unknownId, hasByteFallback, normalizer } = model;
  const normalize = normalizerOf(model);
  const segment = model.algorithm === "bpe" ? bpeSegmenter(model) : unigramSegmenter(model);
  const idOf = new Map(pieces.map(({ text }, id) => [text, id]).reverse() as [string, number][]);
  const isMade = (id: number): boolean => pieces[id]?.kind !== "control";
  const byteIds = byteTable(model);
  return {
    encode: (text, dummySpace) => {
      const ids: number[] = [];
      let endsUnknown = false;
      for (const piece of segment(normalize(text, normalizer.addsDummyPrefix ? dummySpace : "omit"))) {
        const id = idOf.get(piece) ?? unknownId;
        const isUnknown = id === unknownId || !isMade(id);
        if (isUnknown && hasByteFallback) ids.push(...Array.from(Buffer.from(piece, "utf8"), (byte) => byteIds[byte] ?? unknownId));
        else if (!isUnknown || !endsUnknown) ids.push(isUnknown ? unknownId : id); // a run of unknown characters is one piece
        endsUnknown = isUnknown;
      }
      return ids;
    },
    decode: (ids, dummySpace) => decodePieces(model, byteIds, ids, dummySpace),
  };
}

/** Id of every byte's piece. */
function byteTable({ pieces }: SentencePieceModel): readonly (number | undefined)[] {
  const table = new Array<number | undefined>(256).fill(undefined);
  for (const [id, { text, kind }] of pieces.entries()) if (kind === "byte") table[parseInt(text.slice(3, 5), 16)] = id;
  return table;
}

function decodePieces({ pieces, normalizer, unknownSurface }: SentencePieceModel, byteIds: readonly (number | undefined)[], ids: readonly number[], dummySpace: "add" | "omit"): string {
  const parts: Buffer[] = [];
  const takesSpaceOff = normalizer.removesExtraSpaces || (dummySpace === "add" && normalizer.addsDummyPrefix);
  let isBeginning = true;
  for (const id of ids) {
    const piece = pieces[id];
    if (piece === undefined || piece.kind === "control") continue;
    if (piece.kind === "byte") {
      parts.push(Buffer.from([byteIds.indexOf(id)]));
    } else if (piece.kind === "unknown") {
      parts.push(Buffer.from(unknownSurface));
    } else {
      const shown = isBeginning && takesSpaceOff && piece.text.startsWith(SPACE) ? piece.text.slice(1) : piece.text;
      parts.push(Buffer.from(shown.replaceAll(SPACE, " ")));
      // With extra spaces removed, all that lead are.
      if (shown === "" && normalizer.removesExtraSpaces) continue;
    }
    isBeginning = false;
  }
  return Buffer.concat(parts).toString("utf8");
}
