/** @file A file of JSON lines that grows by a line per answer, and survives being cut off. */
import { open, readFile, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import type { z } from "zod";
import { UserError } from "../core/errors.ts";
import { describeSystemError, isMissing, makeFolder } from "../core/files.ts";
import { jsonOrUndefined } from "../core/json.ts";
import { readJsonl } from "../data/jsonl.ts";

export interface AnswerLines<T> {
  readonly lines: readonly T[];
  /** Opens the file, which need not exist, for more lines. */
  appender(): Promise<{ append(values: readonly T[]): Promise<void>; close(): Promise<void> }>;
}

/**
 * Reads what earlier runs wrote. A last line that was cut off while it was written does not count; it is removed once
 * lines are added.
 *
 * @throws UserError (DataError) with every other line that does not fit: the file is somebody's work, and stays as it is.
 */
export async function readAnswerLines<T>(path: string, schema: z.ZodType<T>): Promise<AnswerLines<T>> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (isMissing(error)) return "";
    throw describeSystemError(error, path);
  });
  const tail = text.slice(text.lastIndexOf("\n") + 1);
  const isCut = tail.startsWith(LINE_START.slice(0, tail.length)) && tail !== "" && jsonOrUndefined(tail) === undefined;
  const { lines, problems } = text === "" ? { lines: [], problems: [] } : await readJsonl(path, schema);
  const faults = isCut ? problems.filter(({ where }) => where !== `${path}:${text.split("\n").length}`) : problems;
  if (faults.length > 0) throw new UserError(faults.map((fault) => ({ ...fault, hint: "Correct the line, or name a new file: only lines of reasons are added to." })));
  return {
    lines: lines.map(({ value }) => value),
    appender: async () => {
      if (isCut) await guarded(path, () => truncate(path, Buffer.byteLength(text) - Buffer.byteLength(tail)));
      return openAppender(path, isCut || tail === "" ? "" : "\n");
    },
  };
}

const LINE_START = '{"id":"';

async function openAppender(path: string, separator: string): Promise<{ append(values: readonly unknown[]): Promise<void>; close(): Promise<void> }> {
  await guarded(path, () => makeFolder(dirname(path)));
  const file = await guarded(path, () => open(path, "a"));
  let before = separator;
  let last: Promise<void> = Promise.resolve();
  return {
    // One after the other: a line is never written into another.
    append: (values) => {
      const text = `${before}${values.map((value) => `${JSON.stringify(value)}\n`).join("")}`;
      before = "";
      last = last.then(() => guarded(path, () => file.appendFile(text)));
      return last;
    },
    close: async () => {
      await last.catch(() => undefined); // whoever appended was told
      await file.close();
    },
  };
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw describeSystemError(error, path);
  }
}
