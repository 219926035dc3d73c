/** @file JSON lines: a strict reader that keeps going after a bad line, and a writer whose file appears only when it is whole. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { z } from "zod";
import type { Problem } from "../core/errors.ts";
import { describeSystemError } from "../core/files.ts";
import { openTextWriter } from "./files/text-writer.ts";
import type { TextWriter } from "./files/text-writer.ts";
import { describeIssue } from "./issues.ts";

export interface JsonlLine<T> {
  readonly value: T;
  /** `path:line`, for messages about this value. */
  readonly where: string;
}

/** The valid values of a file in order, and one problem per fault of the others; blank lines do not count. */
export async function readJsonl<T>(path: string, schema: z.ZodType<T>): Promise<{ readonly lines: readonly JsonlLine<T>[]; readonly problems: readonly Problem[] }> {
  const lines: JsonlLine<T>[] = [];
  const problems: Problem[] = [];
  for await (const line of streamJsonl(path, schema)) {
    if ("problems" in line) problems.push(...line.problems);
    else lines.push(line);
  }
  return { lines, problems };
}

/** As `readJsonl`, one line at a time. */
export async function* streamJsonl<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<JsonlLine<T> | { readonly problems: readonly Problem[]; readonly where: string }> {
  let number = 0;
  try {
    for await (const text of createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity })) {
      number += 1;
      const content = number === 1 ? text.replace(/^\uFEFF/, "") : text;
      if (content.trim() === "") continue;
      const where = `${path}:${number}`;
      const result = parseLine(content, schema, where);
      yield "problems" in result ? { ...result, where } : { value: result.value, where };
    }
  } catch (error) {
    throw describeSystemError(error, path);
  }
}

export interface JsonlWriter extends Omit<TextWriter, "write"> {
  write(value: unknown): Promise<void>;
}

/** A writer that streams to a temporary file beside `path`. The caller ends it with `commit` or `discard`. */
export async function openJsonlWriter(path: string): Promise<JsonlWriter> {
  const writer = await openTextWriter(path);
  return { ...writer, write: (value) => writer.write(`${JSON.stringify(value)}\n`) };
}

function parseLine<T>(text: string, schema: z.ZodType<T>, where: string): { readonly value: T } | { readonly problems: readonly Problem[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problems: [{ kind: "DataError", where, what: `this line is not JSON: ${reason}`, hint: "Every line holds one whole JSON object; check for a cut-off last line." }] };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { value: parsed.data };
  return { problems: parsed.error.issues.map((issue) => ({ kind: "DataError", where, ...describeIssue(issue, json) })) };
}
