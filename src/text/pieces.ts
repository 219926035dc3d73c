/** @file Pieces: a prompt before it is tokens. Control tokens, text and media places are told apart here and never searched for in strings. */
import type { MediaSlot } from "./encoded-sample.ts";
import type { Before, Tokenizer } from "./tokenizer.ts";

export type Piece =
  | { readonly kind: "control"; readonly token: string }
  | { readonly kind: "text"; readonly text: string }
  | ({ readonly kind: "media"; readonly token: string } & Omit<MediaSlot, "position">);

export const control = (token: string): Piece => ({ kind: "control", token });
export const text = (value: string): Piece => ({ kind: "text", text: value });

/**
 * Ids of a run of pieces, which stands at the start of a sequence or goes on its text, and its media slots. Equal to tokenising the whole string, with one difference: a control token
 * that is merely spelled out in a text (a transcript with `<|im_end|>` in it) stays text.
 */
export function encodePieces(pieces: readonly Piece[], tokenizer: Tokenizer, start: "start" | "text"): { readonly ids: number[]; readonly slots: readonly MediaSlot[] } {
  const ids: number[] = [];
  const slots: MediaSlot[] = [];
  let pending = "";
  let before: Before = start;
  const flush = (): void => {
    if (pending === "") return;
    ids.push(...tokenizer.encode(pending, before));
    pending = "";
    before = "text";
  };
  for (const piece of joinTexts(pieces)) {
    if (piece.kind === "control") {
      tokenizer.idOf(piece.token); // Without the token its spelling would silently become text.
      pending += piece.token;
    } else if (piece.kind === "media") {
      flush();
      const { modality, clip, count, offset } = piece;
      slots.push({ modality, clip, position: ids.length, count, offset });
      ids.push(...new Array<number>(count).fill(tokenizer.idOf(piece.token)));
      before = "control";
    } else {
      const [first = "", ...rest] = cutControlSpellings(piece.text, tokenizer.controlTokens);
      pending += first;
      for (const part of rest) {
        flush();
        pending = part;
      }
    }
  }
  flush();
  return { ids, slots };
}

/** Texts side by side become one, so that tokens form across them as they would in the whole string. */
function joinTexts(pieces: readonly Piece[]): readonly Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (piece.kind === "text" && last?.kind === "text") joined[joined.length - 1] = text(last.text + piece.text);
    else joined.push(piece);
  }
  return joined;
}

/** `value` in parts, cut after the first character of every spelled-out control token. */
function cutControlSpellings(value: string, controlTokens: readonly string[]): string[] {
  const cuts = controlTokens
    .filter((token) => token.length > 1)
    .flatMap((token) => occurrences(value, token).map((start) => start + 1))
    .sort((a, b) => a - b);
  return [0, ...cuts].map((start, i) => value.slice(start, cuts[i]));
}

function occurrences(value: string, token: string): number[] {
  const starts: number[] = [];
  for (let start = value.indexOf(token); start >= 0; start = value.indexOf(token, start + 1)) starts.push(start);
  return starts;
}
