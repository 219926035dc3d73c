/** @file Text files of unknown encoding as a stream of lines; nothing is held but the line at hand. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { describeSystemError } from "../../core/files.ts";
import { controlsToWindows1252 } from "./cp1252.ts";

export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";

/**
 * UTF-16 when the file begins with its mark, UTF-8 when every byte fits it, else Windows-1252, in which every byte means
 * something: the last is a guess that the caller has to tell. Reads the file once.
 *
 * @throws UserError (SystemError) for a file that cannot be read.
 */
export async function detectEncoding(path: string): Promise<Encoding> {
  const mark = await readMark(path);
  if (mark[0] === 0xff && mark[1] === 0xfe) return "utf-16le";
  if (mark[0] === 0xfe && mark[1] === 0xff) return "utf-16be";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const chunk of byteChunks(path)) decoder.decode(chunk, { stream: true });
    decoder.decode();
    return "utf-8";
  } catch (error) {
    if (error instanceof TypeError) return "windows-1252";
    throw error;
  }
}

/** The text in pieces, without a byte order mark. */
export async function* textChunks(path: string, encoding: Encoding): AsyncGenerator<string> {
  if (encoding === "windows-1252") {
    for await (const chunk of byteChunks(path)) yield controlsToWindows1252(Buffer.from(chunk).toString("latin1"));
    return;
  }
  const decoder = new TextDecoder(encoding);
  for await (const chunk of byteChunks(path)) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

/** Lines without their ends: LF or CRLF, or CR alone in a file that begins so (spreadsheets of old Macs). */
export async function* textLines(path: string, encoding: Encoding): AsyncGenerator<string> {
  let rest = "";
  let end: "\n" | "\r" | undefined;
  for await (const chunk of textChunks(path, encoding)) {
    end ??= chunk.includes("\n") || !/\r[^]/.test(chunk) ? "\n" : "\r";
    const lines = (rest + chunk).split(end);
    rest = lines.pop() ?? "";
    for (const line of lines) yield withoutReturn(line);
  }
  if (rest !== "") yield withoutReturn(rest);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

async function readMark(path: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw describeSystemError(error, path);
  }
}

async function* byteChunks(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) yield chunk as Uint8Array;
  } catch (error) {
    throw describeSystemError(error, path);
  }
}
