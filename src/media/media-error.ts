/** @file MediaError: what is wrong with one media file, in words its owner can act on. */
import { stat } from "node:fs/promises";
import { UserError } from "../core/errors.ts";

/** A problem of one file; `what` is a sentence without a full stop. */
export function mediaError(path: string, what: string, options: { hint?: string; cause?: unknown } = {}): UserError {
  const hint = options.hint === undefined ? {} : { hint: options.hint };
  return new UserError({ kind: "MediaError", where: path, what, ...hint }, { cause: options.cause });
}

/** The error for a file or folder that the file system does not give. */
export function unreadable(path: string, error: unknown): UserError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "no such file",
    ENOTDIR: "no such file",
    EACCES: "permission denied",
    EPERM: "permission denied",
  };
  return mediaError(path, reasons[code] ?? `it cannot be read (${error instanceof Error ? error.message : String(error)})`, { cause: error });
}

/**
 * Whether the path is a regular file with content or a folder. Pipes and devices are refused: reading one may never end.
 *
 * @throws UserError (MediaError) for anything else.
 */
export async function statMedia(path: string): Promise<"file" | "folder"> {
  if (path.includes("\0")) throw mediaError(path.replaceAll("\0", "\\0"), "the file name contains a NUL byte");
  const stats = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (stats.isDirectory()) return "folder";
  if (!stats.isFile()) throw mediaError(path, "this is a pipe or a device, expected a regular file");
  if (stats.size === 0) throw mediaError(path, "the file is empty (0 bytes)");
  return "file";
}

/** The reason inside ffmpeg's or ffprobe's error output, shortest useful form. */
export function explainStderr(stderr: string): string {
  const known = REASONS.find(({ pattern }) => pattern.test(stderr));
  const lines = stderr.split(/\r?\n/).map(withoutAddress);
  const detail = lines.find((line) => line !== "" && !line.startsWith("file:")) ?? lines.findLast((line) => line !== "");
  if (known !== undefined) return known.reason;
  return detail === undefined ? "no reason given" : detail.slice(0, 300);
}

const REASONS: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /moov atom not found/, reason: "it is no mp4, or its end is cut off: the index is missing (moov atom not found)" },
  { pattern: /not (?:on|in) whitelist/i, reason: "its content is of a kind that is not accepted: playlists and other formats that open further files or addresses are refused" },
  { pattern: /does not contain any stream|matches no streams/, reason: "it has no such stream" },
  { pattern: /Invalid data found when processing input/, reason: "it is not a video or sound file, or it is damaged (invalid data found)" },
  { pattern: /Permission denied/, reason: "permission denied" },
  { pattern: /No space left on device/, reason: "the disk is full" },
];

/** ffmpeg starts its lines with `[mov,mp4 @ 0x55d0c0]`; the address differs from run to run. */
function withoutAddress(line: string): string {
  return line.replace(/^(\[[^\]]* @ 0x[0-9a-f]+\]\s*)+/, "").trim();
}
