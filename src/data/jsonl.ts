/** @file JSON lines: a strict reader that keeps going after a bad line, and a writer whose file appears only when it is whole. */
import { open, rename, rm } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { dirname } from "node:path";
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import type { z } from "zod";
import type { Problem } from "../core/errors.ts";
import { describeSystemError, makeFolder } from "../core/files.ts";
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
  let number = 0;
  try {
    for await (const text of createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity })) {
      number += 1;
      const content = number === 1 ? text.replace(/^\uFEFF/, "") : text;
      if (content.trim() === "") continue;
      const where = `${path}:${number}`;
      const result = parseLine(content, schema, where);
      if ("problems" in result) problems.push(...result.problems);
      else lines.push({ value: result.value, where });
    }
  } catch (error) {
    throw describeSystemError(error, path);
  }
  return { lines, problems };
}

export interface JsonlWriter {
  write(value: unknown): Promise<void>;
  /** Flushes and renames into place; before this the file at `path` is what it was. */
  commit(): Promise<void>;
  /** Throws away what was written; harmless after `commit`. */
  discard(): Promise<void>;
}

/** A writer that streams to a temporary file beside `path`. The caller ends it with `commit` or `discard`. */
export async function openJsonlWriter(path: string): Promise<JsonlWriter> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      throw describeSystemError(error, path);
    }
  };
  await guarded(() => makeFolder(dirname(path)));
  const file = await open(temporary, "wx").catch((error: unknown) => {
    throw describeSystemError(error, path);
  });
  let done = false;
  return {
    write: (value) => guarded(() => file.writeFile(`${JSON.stringify(value)}\n`)),
    commit: () =>
      guarded(async () => {
        await file.sync();
        await file.close();
        await rename(temporary, path);
        done = true;
      }),
    discard: () =>
      guarded(async () => {
        if (done) return;
        done = true;
        await file.close().catch(() => undefined); // commit may have closed it before its rename failed
        await rm(temporary, { force: true });
      }),
  };
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
