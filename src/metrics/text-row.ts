/** @file Texts to compare, and the words that text metrics count. */

export interface TextRow {
  readonly reference: string;
  readonly response: string;
}

/** Lower-case words between white space; punctuation stays on its word. */
export function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().split(/\s+/).filter((word) => word !== "");
}
