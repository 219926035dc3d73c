/** @file What m2se needs around the backends: Node, ffmpeg, ffprobe, disk. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../core/errors.ts";
import { findTool, type ToolName } from "../media/tools.ts";
import type { DiskReport, NodeReport, ProgramReport } from "./report.ts";

/** @param version - `process.versions.node`; the oldest supported is package.json's. */
export async function examineNode(version: string): Promise<NodeReport> {
  const manifest: unknown = JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8"));
  const { engines } = manifest as { readonly engines: { readonly node: string } };
  const needed = engines.node.replace(/^>=/, "");
  return { version, needed, ok: isAtLeast(version, needed) };
}

/** Compares `20.20.2` with `20.11`, part by part. */
export function isAtLeast(version: string, needed: string): boolean {
  const [got, wanted] = [version, needed].map((text) => text.split(".").map(Number));
  const difference = wanted?.map((part, i) => (got?.[i] ?? 0) - part).find((part) => part !== 0);
  return (difference ?? 0) >= 0;
}

export interface ExaminedProgram extends ProgramReport {
  /** Why none was found. */
  readonly why?: string;
}

/** The program as every command would find it. */
export async function examineProgram(name: ToolName, environment: Readonly<Record<string, string | undefined>>): Promise<ExaminedProgram> {
  try {
    const { path, source } = await findTool(name, environment);
    return { name, found: { path, source, version: await versionOf(path) } };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, why: error.problems[0]?.what ?? error.message };
  }
}

/** From `ffmpeg version 5.1.6-0+deb12u1 Copyright ...`. */
function versionOf(path: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(path, ["-version"], { timeout: 20_000, windowsHide: true }, (_, stdout) => resolve(/ version (\S+)/.exec(stdout)?.[1] ?? "unknown"));
  });
}

/** The file system that a folder is on. */
export async function examineDisk(folder: string): Promise<DiskReport> {
  const { bavail, bsize } = await statfs(folder);
  const writable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
  return { folder, writable, freeBytes: bavail * bsize };
}
