/** @file config.json of a folder as JSON, or a message that says what is in its place. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { UserError, type Problem } from "../../core/errors.ts";
import { describeSystemError, isMissing } from "../../core/files.ts";

export interface ConfigFile {
  readonly path: string;
  readonly json: unknown;
}

/**
 * The file of a folder.
 *
 * @param hint - what the folder ought to be, for a message about one that is missing.
 * @throws UserError - CheckpointError when folder or file is missing or the file is no JSON.
 */
export async function readConfigFile(folder: string, hint: string): Promise<ConfigFile> {
  const path = join(folder, "config.json");
  const text = await readFile(path, "utf8").catch(async (error: unknown) => {
    if (!isMissing(error)) throw describeSystemError(error, path);
    const hasFolder = await stat(folder).then(() => true, () => false);
    throw new UserError({ kind: "CheckpointError", where: hasFolder ? path : folder, what: hasFolder ? "no such file" : "no such folder", hint }, { cause: error });
  });
  try {
    return { path, json: JSON.parse(text) };
  } catch (error) {
    throw new UserError(configFault(path, `not valid JSON (${error instanceof Error ? error.message : "unreadable"})`), { cause: error });
  }
}

/** The config, or every field that is missing, of the wrong type, or does not fit the others. */
export function checkedConfig<T>(parsed: z.ZodSafeParseResult<T>, path: string, faultsOf: (config: T) => readonly string[]): T {
  const faults = parsed.success ? faultsOf(parsed.data) : parsed.error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`);
  if (parsed.success && faults.length === 0) return parsed.data;
  throw new UserError(faults.map((what) => configFault(path, what)));
}

/** The first of the `architectures` that the file names. */
export function architectureOf(json: unknown): string | undefined {
  const architectures: unknown = typeof json === "object" && json !== null && "architectures" in json ? json.architectures : undefined;
  const first: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  return typeof first === "string" ? first : undefined;
}

function configFault(where: string, what: string): Problem {
  return { kind: "CheckpointError", where, what, hint: "See the config.json of the model's publisher for the field names." };
}
