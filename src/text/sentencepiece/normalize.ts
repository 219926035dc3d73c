/** @file Text as SentencePiece's algorithms see it: Unicode rules, spaces as U+2581, a dummy space where a word begins the text. */
import { compileCharsMap, type FindRule } from "./chars-map.ts";
import type { SentencePieceModel } from "./model.ts";
import { symbolFinder } from "./symbols.ts";

export const SPACE = "\u2581";

/** Where the dummy space goes is the caller's to say: only text that begins a sequence has one. */
export type Normalize = (text: string, dummySpace: "add" | "omit") => string;

/** @throws Error - when the model's rules are damaged. */
export function normalizerOf({ normalizer: spec, pieces }: Pick<SentencePieceModel, "normalizer" | "pieces">): Normalize {
  const findRule = compileCharsMap(spec.charsMap);
  const findSymbol = symbolFinder(pieces);
  const space = spec.escapesSpaces ? SPACE : " ";
  return (text, dummySpace) => {
    const parts = normalizedParts(text, { findRule, findSymbol });
    const kept = spec.removesExtraSpaces ? withoutExtraSpaces(parts) : parts;
    if (kept.length === 0) return "";
    const escaped = kept.join("").replaceAll(" ", space);
    const body = spec.removesExtraSpaces ? withoutTrailing(escaped, space) : escaped;
    if (dummySpace === "omit") return body;
    return spec.spaceIsSuffix ? body + space : space + body;
  };
}

interface Finders {
  readonly findRule: FindRule;
  readonly findSymbol: (text: string, at: number) => string | undefined;
}

/** The text in the units that rules act on: a symbol of the user's, a rule's whole replacement, or a character. */
function normalizedParts(text: string, { findRule, findSymbol }: Finders): string[] {
  const bytes = Buffer.from(text, "utf8"); // a lone surrogate becomes U+FFFD
  const characters = bytes.toString("utf8");
  const parts: string[] = [];
  let byteAt = 0;
  for (let at = 0; at < characters.length; ) {
    const symbol = findSymbol(characters, at);
    const rule = symbol === undefined ? findRule(bytes, byteAt) : undefined;
    const replaced = symbol ?? (rule === undefined ? String.fromCodePoint(characters.codePointAt(at) ?? 0) : bytes.toString("utf8", byteAt, byteAt + rule.length));
    parts.push(rule === undefined ? replaced : Buffer.from(rule.replacement).toString("utf8"));
    at += replaced.length;
    byteAt += Buffer.byteLength(replaced);
  }
  return parts;
}

/** Spaces in front go, runs of spaces become one. */
function withoutExtraSpaces(parts: readonly string[]): string[] {
  const kept: string[] = [];
  for (const part of parts) {
    const isAfterSpace = kept.at(-1)?.endsWith(" ") ?? true;
    const rest = isAfterSpace ? part.replace(/^ +/, "") : part;
    if (rest !== "") kept.push(rest);
  }
  return kept;
}

/** Once spaces are escaped, a text's own U+2581 at its end counts as one: the original's way. */
function withoutTrailing(text: string, space: string): string {
  let end = text.length;
  while (text.endsWith(space, end)) end -= space.length;
  return text.slice(0, end);
}
