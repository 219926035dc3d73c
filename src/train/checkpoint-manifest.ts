/** @file manifest.json of a checkpoint: sizes and hashes of its files, written last. A folder without one does not count. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import { sha256, sha256File } from "../core/hash.ts";
import { jsonOrUndefined } from "../core/json.ts";

const MANIFEST = "manifest.json";

const manifestSchema = z.strictObject({
  format: z.literal("m2se-checkpoint"),
  version: z.literal(1),
  files: z.array(z.strictObject({ name: z.string().regex(/^[a-z-]+\.(safetensors|json)$/), bytes: z.number().int().nonnegative(), sha256: z.string() })).min(1),
});
type Manifest = z.infer<typeof manifestSchema>;

/** Describes the named files of a folder, then writes the manifest. Returns the checkpoint's hash, as `verifyManifest` does. */
export async function writeManifest(folder: string, names: readonly string[]): Promise<string> {
  const files = await Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size, sha256: await sha256File(join(folder, name)) })));
  const manifest: Manifest = { format: "m2se-checkpoint", version: 1, files };
  const text = toJson(manifest);
  await writeFileAtomic(join(folder, MANIFEST), text);
  return sha256(text);
}

/** Whether the manifest is there and every file has its size; content is not read. */
export async function isComplete(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, MANIFEST), "utf8").catch(() => undefined);
  const manifest = text === undefined ? undefined : parseManifest(text);
  if (manifest === undefined) return false;
  const sizes = await Promise.all(manifest.files.map(({ name }) => fileBytes(join(folder, name))));
  return manifest.files.every(({ bytes }, i) => bytes === sizes[i]);
}

/**
 * Checks every byte of a checkpoint against its manifest.
 *
 * @returns the checkpoint's own hash, which descends from the hashes of its files.
 * @throws UserError - CheckpointError when the folder is no checkpoint of ours, is incomplete, or a file was changed.
 */
export async function verifyManifest(folder: string): Promise<string> {
  const path = join(folder, MANIFEST);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) throw fault(folder, `Got no ${MANIFEST}, expected a finished checkpoint`, "A checkpoint is a folder like RUN/stage-2/step-000200; this is none, or writing it was cut off: name another one.");
  const manifest = parseManifest(text);
  if (manifest === undefined) throw fault(path, "Got a manifest of another format, expected m2se-checkpoint version 1", "The folder was made by another program or version: use the one that made it.");
  for (const { name, bytes, sha256: expected } of manifest.files) {
    const file = join(folder, name);
    const actual = await fileBytes(file);
    if (actual !== bytes) throw damaged(file, actual === undefined ? `Got no file, expected ${bytes} bytes` : `Got ${actual} bytes, expected ${bytes}`);
    if ((await sha256File(file)) !== expected) throw damaged(file, "the content differs from what was written (SHA-256)");
  }
  return sha256(text);
}

function parseManifest(text: string): Manifest | undefined {
  return manifestSchema.safeParse(jsonOrUndefined(text)).data;
}

async function fileBytes(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  );
}

function damaged(where: string, what: string): UserError {
  return fault(where, what, "The checkpoint is damaged: delete its folder to go on from the one before.");
}

function fault(where: string, what: string, hint: string): UserError {
  return new UserError({ kind: "CheckpointError", where, what, hint });
}
