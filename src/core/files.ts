/** @file Writing that is either done or not there: temporary file, flush, rename. */
import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "./errors.ts";

/** Writes a whole file atomically; readers see the old content or the new one, never a part. */
export async function writeFileAtomic(path: string, content: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const chunks = typeof content === "string" ? [Buffer.from(content, "utf8")] : content instanceof Uint8Array ? [content] : content;
  try {
    await makeFolder(dirname(path));
    const file = await open(temporary, "wx");
    try {
      for await (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // what failed first is the reason to tell
    throw describeSystemError(error, path);
  }
}

/**
 * Makes a folder and its parents; one that exists is left as it is. Node's own recursive mkdir calls a read-only file
 * system "no such file", and never ends in a folder like /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" && dirname(path) !== path) {
      await makeFolder(dirname(path));
      await mkdir(path).catch((second: unknown) => ignoreExisting(second, path));
    } else {
      await ignoreExisting(error, path);
    }
  }
}

/** Another process may have made it, and a read-only file system may hold it already. */
async function ignoreExisting(error: unknown, path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) throw error;
}

/** Whether a file or folder was not found. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** A file-system failure as a UserError that says what to do; other errors unchanged. */
export function describeSystemError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reasons: Readonly<Record<string, string>> = {
    ENOSPC: "the disk is full. Free some space and run the command again",
    EDQUOT: "the disk quota is used up. Free some space and run the command again",
    EACCES: "permission denied",
    EPERM: "operation not permitted",
    EROFS: "the file system is read-only",
    ENOENT: "no such file or folder",
    ENOTDIR: "this path, or a parent of it, is a file, not a folder",
    EEXIST: "a file is in the way of this path",
    EISDIR: "this is a folder, a file was expected",
  };
  const reason = reasons[code];
  return reason === undefined ? error : new UserError({ kind: "SystemError", where: path, what: reason }, { cause: error });
}

/** JSON with a final newline, as every JSON file of ours is written. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
