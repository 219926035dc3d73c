/** @file Pieces that the user of SentencePiece's trainer defined: found whole in any text, before all else. */
import type { VocabularyPiece } from "./model.ts";

/** The longest user-defined piece that stands at a place of a text. */
export function symbolFinder(pieces: readonly VocabularyPiece[]): (text: string, at: number) => string | undefined {
  const byFirst = new Map<string, string[]>();
  for (const { text, kind } of pieces) {
    if (kind !== "user-defined" || text === "") continue;
    const first = text.charAt(0);
    byFirst.set(first, [...(byFirst.get(first) ?? []), text]);
  }
  for (const list of byFirst.values()) list.sort((a, b) => b.length - a.length);
  return (text, at) => byFirst.get(text.charAt(at))?.find((symbol) => text.startsWith(symbol, at));
}

/** The text in characters and user-defined pieces; the latter are never cut or joined. */
export function splitSymbols(text: string, findSymbol: ReturnType<typeof symbolFinder>): { readonly text: string; readonly isSymbol: boolean }[] {
  const parts: { text: string; isSymbol: boolean }[] = [];
  for (let at = 0; at < text.length; ) {
    const symbol = findSymbol(text, at);
    const part = symbol ?? String.fromCodePoint(text.codePointAt(at) ?? 0);
    parts.push({ text: part, isSymbol: symbol !== undefined });
    at += part.length;
  }
  return parts;
}
