/** @file A text file that appears only when it is whole: written beside its place, flushed, renamed. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { randomBytes } from "node:crypto";
import { describeSystemError, makeFolder } from "../../core/files.ts";

export interface TextWriter {
  write(text: string): Promise<void>;
  /** Flushes and renames into place; before this the file at `path` is what it was. */
  commit(): Promise<void>;
  /** Throws away what was written; harmless after `commit`. */
  discard(): Promise<void>;
}

/** So many characters are collected before they are written: a call to the system for every line would take most of the time. */
const BUFFERED = 1 << 16;

/** A writer that streams to a temporary file beside `path`. The caller ends it with `commit` or `discard`. */
export async function openTextWriter(path: string): Promise<TextWriter> {
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
  let pending = "";
  const flush = async (): Promise<void> => {
    const text = pending;
    pending = "";
    await file.writeFile(text);
  };
  return {
    write: async (text) => {
      pending += text;
      if (pending.length >= BUFFERED) await guarded(flush);
    },
    commit: () =>
      guarded(async () => {
        await flush();
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
