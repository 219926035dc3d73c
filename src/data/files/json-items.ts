/** @file The items of a JSON list or of a JSON lines file, one at a time: the file is never held as a whole. */
import { detectEncoding, textChunks, textLines } from "./text-file.ts";

export type JsonItem =
  /** Line in which the item begins, from 1. */
  | { readonly kind: "item"; readonly line: number; readonly value: unknown }
  | { readonly kind: "fault"; readonly line: number; readonly what: string };

/**
 * Items in file order. A file whose first character is `[` is a list, any other is JSON lines. A broken item is a fault
 * and the next one is read; a list that ends early is a fault at its last line.
 *
 * @throws UserError (SystemError) for a file that cannot be read.
 */
export async function* readJsonItems(path: string): AsyncGenerator<JsonItem> {
  const encoding = await detectEncoding(path);
  if (await startsAsList(path)) yield* listItems(textChunks(path, encoding));
  else yield* lineItems(textLines(path, encoding));
}

async function startsAsList(path: string): Promise<boolean> {
  for await (const chunk of textChunks(path, await detectEncoding(path))) {
    const first = chunk.trimStart()[0];
    if (first !== undefined) return first === "[";
  }
  return false;
}

async function* lineItems(lines: AsyncIterable<string>): AsyncGenerator<JsonItem> {
  let line = 0;
  for await (const text of lines) {
    line += 1;
    if (text.trim() !== "") yield parseItem(text, line);
  }
}

/** Finds the border of each item by its brackets and strings alone; what is between is JSON.parse's business. */
async function* listItems(chunks: AsyncIterable<string>): AsyncGenerator<JsonItem> {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let line = 1;
  let item = "";
  let itemLine = 0;
  let started = false;
  let ended = false;
  for await (const chunk of chunks) {
    let from = 0; // where the part of `chunk` begins that belongs to the item and is not in `item` yet
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk.charCodeAt(i);
      if (code === LINE_FEED) line += 1;
      if (inString) {
        if (escaped) escaped = false;
        else if (code === BACKSLASH) escaped = true;
        else if (code === QUOTE) inString = false;
        continue;
      }
      if (ended || code <= SPACE) continue;
      if (depth === 0) {
        depth = 1; // the list's own bracket
        from = i + 1;
        continue;
      }
      const closesList = depth === 1 && code === CLOSE_BRACKET;
      if (depth === 1 && (code === COMMA || closesList)) {
        if (started) yield parseItem(item + chunk.slice(from, i), itemLine);
        item = "";
        started = false;
        from = i + 1;
        ended = closesList;
        continue;
      }
      if (!started) {
        started = true;
        itemLine = line;
        from = i;
      }
      if (code === QUOTE) inString = true;
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    }
    if (started) item += chunk.slice(from);
  }
  if (started) yield { kind: "fault", line: itemLine, what: "the file ends inside this item" };
  else if (!ended) yield { kind: "fault", line, what: "the list is not closed: the file is cut off" };
}

function parseItem(text: string, line: number): JsonItem {
  try {
    return { kind: "item", line, value: JSON.parse(text) };
  } catch (error) {
    const repaired = withoutPythonNumbers(text);
    if (repaired !== text) return parseItem(repaired, line);
    return { kind: "fault", line, what: `this is not JSON: ${error instanceof Error ? error.message.replace(/\s+/g, " ").slice(0, 160) : String(error)}` };
  }
}

/** Python's json module writes NaN and Infinity (log probabilities), which JSON does not have: null takes their place. */
function withoutPythonNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (token) => (token.startsWith('"') ? token : "null"));
}

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
