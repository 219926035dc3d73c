/**
 * @file CSV by header name, line by line: RFC 4180 quoting, any of four delimiters, any encoding that `text-file` knows.
 * Strict about rows (a row of another length is a fault with its line), lenient about what writers differ in.
 */
import { UserError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import { detectEncoding, textLines } from "./text-file.ts";
import type { Encoding } from "./text-file.ts";

export interface CsvRow {
  readonly kind: "row";
  /** Line of the file in which the row begins, from 1. */
  readonly line: number;
  /** The cell of a column; empty when the file has no such column. Trimmed: no format of ours has blanks at its borders. */
  readonly cell: (column: string) => string;
  /** The cell as a number, NaN when it is none or empty; where the delimiter is no comma, a comma may part the decimals. */
  readonly number: (column: string) => number;
}

export interface CsvFault {
  readonly kind: "fault";
  readonly line: number;
  /** What is wrong, without a full stop. */
  readonly what: string;
}

export interface CsvFile {
  readonly path: string;
  readonly encoding: Encoding;
  readonly delimiter: string;
  /** Header names, trimmed, case kept (OpenFace's x_0 and X_0 differ). */
  readonly columns: readonly string[];
  /** In file order, blank lines left out. To be read once. */
  readonly rows: AsyncIterable<CsvRow | CsvFault>;
}

const DELIMITERS = [",", ";", "\t", "|"] as const;

/** A quote that is not closed within so many lines was never meant to open a cell. */
const MAX_LINES_PER_ROW = 100;

/**
 * Opens a file whose header holds the required columns.
 *
 * @throws UserError - DataError: empty, or a header that lacks a required column under every delimiter.
 */
export async function openCsv(path: string, required: readonly string[]): Promise<CsvFile> {
  const encoding = await detectEncoding(path);
  const lines = numbered(textLines(path, encoding));
  const header = await nextNonBlank(lines);
  if (header === undefined) throw new UserError({ kind: "DataError", where: path, what: "this file is empty, expected a CSV file with a header row" });
  const { delimiter, columns, problem } = readHeader(path, header.text, required);
  if (problem !== undefined) {
    await lines.return(undefined); // closes the file
    throw problem;
  }
  return { path, encoding, delimiter, columns, rows: rowsOf(lines, { delimiter, columns }) };
}

interface Line {
  readonly text: string;
  readonly number: number;
}

async function* numbered(lines: AsyncIterable<string>): AsyncGenerator<Line, undefined, undefined> {
  let number = 0;
  for await (const text of lines) yield { text, number: (number += 1) };
  return undefined;
}

async function nextNonBlank(lines: AsyncGenerator<Line, undefined, undefined>): Promise<Line | undefined> {
  for (;;) {
    const next = await lines.next();
    if (next.done === true) return undefined;
    if (next.value.text.trim() !== "") return next.value;
  }
}

function readHeader(path: string, text: string, required: readonly string[]): { readonly delimiter: string; readonly columns: readonly string[]; readonly problem?: UserError } {
  const readings = DELIMITERS.map((delimiter) => {
    const cells = splitCells(text, delimiter);
    const columns = typeof cells === "string" ? [] : cells.map((cell) => cell.trim());
    return { delimiter, columns, missing: required.filter((name) => !columns.includes(name)) };
  });
  const best = readings.reduce((a, b) => (b.missing.length < a.missing.length ? b : a));
  const [missing] = best.missing;
  if (missing === undefined) return best;
  const what = `the header has no column ${best.missing.map((name) => `"${name}"`).join(", ")}, got ${quoteHeader(best.columns)}`;
  const hint = best.columns.length > 40 ? `Expected ${required.join(", ")}.` : didYouMean(missing, best.columns);
  return { ...best, problem: new UserError({ kind: "DataError", where: `${path}:1`, what, hint }) };
}

function quoteHeader(columns: readonly string[]): string {
  const text = columns.join(",");
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 97)}...` : text);
}

async function* rowsOf(lines: AsyncIterable<Line>, { delimiter, columns }: { readonly delimiter: string; readonly columns: readonly string[] }): AsyncGenerator<CsvRow | CsvFault> {
  const positions = new Map(columns.map((name, index) => [name, index]));
  let open: Line[] = [];
  const finish = (batch: readonly Line[], cells: readonly string[]): CsvRow | CsvFault => {
    const line = batch[0]?.number ?? 0;
    const extra = cells.length === columns.length + 1 && cells.at(-1)?.trim() === ""; // a delimiter at the end of the line
    if (cells.length !== columns.length && !extra) return { kind: "fault", line, what: `got ${cells.length} cells, expected ${columns.length} as in the header` };
    const cell = (column: string): string => cells[positions.get(column) ?? -1]?.trim() ?? "";
    return { kind: "row", line, cell, number: (column) => readNumber(cell(column), delimiter) };
  };
  const read = function* (line: Line): Generator<CsvRow | CsvFault> {
    if (open.length === 0 && line.text.trim() === "") return;
    open.push(line);
    const cells = splitCells(open.map(({ text }) => text).join("\n"), delimiter);
    if (cells === "open" && open.length < MAX_LINES_PER_ROW) return;
    const batch = open;
    open = [];
    if (cells === "open") yield* giveUp(batch);
    else if (cells === "stray") yield { kind: "fault", line: batch[0]?.number ?? 0, what: "a quoted cell goes on after its closing quote" };
    else yield finish(batch, cells);
  };
  /** The first line is at fault; those after it are rows of their own. */
  const giveUp = function* ([first, ...rest]: readonly Line[]): Generator<CsvRow | CsvFault> {
    if (first === undefined) return;
    yield { kind: "fault", line: first.number, what: "a quote is opened and never closed" };
    for (const line of rest) yield* read(line);
  };
  for await (const line of lines) yield* read(line);
  while (open.length > 0) {
    const batch = open;
    open = [];
    yield* giveUp(batch);
  }
}

function readNumber(text: string, delimiter: string): number {
  return text === "" ? Number.NaN : Number(delimiter === "," ? text : text.replace(/^([+-]?\d*),(\d+)$/, "$1.$2"));
}

/** The cells of a row; `open`: the text ends inside quotes; `stray`: text after a closing quote. A quote inside an unquoted cell is a letter. */
function splitCells(text: string, delimiter: string): readonly string[] | "open" | "stray" {
  if (!text.includes('"')) return text.split(delimiter);
  const cells: string[] = [];
  let at = 0;
  for (;;) {
    const quoted = /^[ ]*"/.exec(text.slice(at, at + 20));
    if (quoted === null) {
      const end = text.indexOf(delimiter, at);
      cells.push(text.slice(at, end < 0 ? undefined : end));
      if (end < 0) return cells;
      at = end + 1;
      continue;
    }
    const start = at + quoted[0].length;
    const close = closingQuote(text, start);
    if (close < 0) return "open";
    cells.push(text.slice(start, close).replaceAll('""', '"'));
    const rest = /^[ ]*/.exec(text.slice(close + 1))?.[0].length ?? 0;
    at = close + 1 + rest;
    if (at >= text.length) return cells;
    if (text[at] !== delimiter) return "stray";
    at += 1;
  }
}

function closingQuote(text: string, start: number): number {
  let at = text.indexOf('"', start);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}
