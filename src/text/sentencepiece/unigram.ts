/**
 * @file SentencePiece's unigram model: the most probable way to cut a text (Viterbi), added up in float32 as the original
 * does, so that near ties fall alike.
 * @see sentencepiece, src/unigram_model.cc, EncodeOptimized
 */
import type { SentencePieceModel, VocabularyPiece } from "./model.ts";

/** A character without a piece costs this much more than the least probable piece. */
const UNKNOWN_PENALTY = 10;

interface Best {
  readonly score: number;
  /** Start of the last piece, in UTF-16 units. */
  readonly start: number;
}

/** Cuts a normalised text into pieces; one that is not in the vocabulary is a single character. */
export function unigramSegmenter({ pieces }: Pick<SentencePieceModel, "pieces">): (text: string) => string[] {
  const usable = new Map(pieces.filter(({ kind }) => kind === "normal" || kind === "user-defined").map((piece) => [piece.text, piece]));
  const longest = [...usable.keys()].reduce((most, text) => Math.max(most, text.length), 1);
  const scores = pieces.filter(({ kind }) => kind === "normal").map(({ score }) => score);
  const lowest = scores.reduce((a, b) => Math.min(a, b), Infinity);
  const highest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
  return (text) => {
    const best: (Best | undefined)[] = new Array<Best | undefined>(text.length + 1).fill(undefined);
    best[0] = { score: 0, start: -1 };
    const offer = (start: number, end: number, score: number): void => {
      const total = Math.fround((best[start]?.score ?? 0) + score);
      const known = best[end];
      if (known === undefined || total > known.score) best[end] = { score: total, start };
    };
    for (let start = 0; start < text.length; ) {
      const characterEnd = start + String.fromCodePoint(text.codePointAt(start) ?? 0).length;
      let hasSingle = false;
      for (let end = characterEnd; end <= Math.min(text.length, start + longest); end++) {
        const piece = usable.get(text.slice(start, end));
        if (piece === undefined) continue;
        offer(start, end, scoreOf(piece, highest));
        hasSingle ||= end === characterEnd;
      }
      if (!hasSingle) offer(start, characterEnd, unknownScore);
      start = characterEnd;
    }
    return pathTo(text, best);
  };
}

/** What the user defined is always taken: a bonus for every byte. */
function scoreOf({ text, score, kind }: VocabularyPiece, highest: number): number {
  return kind === "user-defined" ? Math.fround(Math.fround(Buffer.byteLength(text) * highest) - 0.1) : score;
}

function pathTo(text: string, best: readonly (Best | undefined)[]): string[] {
  const path: string[] = [];
  for (let end = text.length; end > 0; ) {
    const start = best[end]?.start ?? 0;
    path.push(text.slice(start, end));
    end = start;
  }
  return path.reverse();
}
