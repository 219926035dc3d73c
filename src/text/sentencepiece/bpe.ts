/**
 * @file SentencePiece's BPE: of all neighbours whose union is a piece, the pair with the highest score is joined, the
 * leftmost of equals, until none is left.
 * @see sentencepiece, src/bpe_model.cc
 */
import type { SentencePieceModel } from "./model.ts";
import { splitSymbols, symbolFinder } from "./symbols.ts";

/** Cuts a normalised text into pieces; one that is not in the vocabulary is a single character. */
export function bpeSegmenter({ pieces }: Pick<SentencePieceModel, "pieces">): (text: string) => string[] {
  const joinable = new Map(pieces.filter(({ kind }) => kind === "normal" || kind === "user-defined" || kind === "unused").map((piece) => [piece.text, piece]));
  const findSymbol = symbolFinder(pieces);
  return (text) => {
    const symbols = splitSymbols(text, findSymbol).map((part, i): Symbol => ({ ...part, previous: i - 1, next: i + 1 }));
    const halves = new Map<string, readonly [string, string]>();
    const queue = new PairQueue();
    const offer = (left: number, right: number): void => {
      const [a, b] = [symbols[left], symbols[right]];
      if (a === undefined || b === undefined || a.isSymbol || b.isSymbol) return;
      const piece = joinable.get(a.text + b.text);
      if (piece === undefined) return;
      queue.push({ left, right, score: piece.score, length: piece.text.length });
      if (piece.kind === "unused") halves.set(piece.text, [a.text, b.text]);
    };
    for (let i = 0; i + 1 < symbols.length; i++) offer(i, i + 1);
    for (let pair = queue.pop(); pair !== undefined; pair = queue.pop()) {
      const [a, b] = [symbols[pair.left], symbols[pair.right]];
      // One of the two was joined to another in the meantime.
      if (a === undefined || b === undefined || a.text === "" || b.text === "" || a.text.length + b.text.length !== pair.length) continue;
      a.text += b.text;
      b.text = "";
      a.next = b.next;
      const after = symbols[b.next];
      if (after !== undefined) after.previous = pair.left;
      offer(a.previous, pair.left);
      offer(pair.left, a.next);
    }
    return symbols.filter((symbol) => symbol.text !== "").flatMap((symbol) => takenApart(symbol.text, halves));
  };
}

interface Symbol {
  text: string;
  readonly isSymbol: boolean;
  previous: number;
  next: number;
}

/** A piece that may be passed on the way but not used is cut into what it was joined from. */
function takenApart(text: string, halves: ReadonlyMap<string, readonly [string, string]>): string[] {
  const parts = halves.get(text);
  return parts === undefined ? [text] : parts.flatMap((part) => takenApart(part, halves));
}

interface Pair {
  readonly left: number;
  readonly right: number;
  readonly score: number;
  /** Of both together when the pair was offered. */
  readonly length: number;
}

/** Binary heap: highest score first, then leftmost. */
class PairQueue {
  readonly #heap: Pair[] = [];

  push(pair: Pair): void {
    const heap = this.#heap;
    let at = heap.length;
    for (let parent = (at - 1) >> 1; at > 0 && comesFirst(pair, heap[parent]!); at = parent, parent = (at - 1) >> 1) heap[at] = heap[parent]!;
    heap[at] = pair;
  }

  pop(): Pair | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < heap.length && comesFirst(heap[child + 1]!, heap[child]!)) child++;
      if (child >= heap.length || !comesFirst(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function comesFirst(a: Pair, b: Pair): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
