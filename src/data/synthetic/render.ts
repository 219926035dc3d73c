/** @file Renders a whole synthetic dataset: mp4 clips first, manifests next, dataset.json last. */
import { readdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { describeSystemError, isMissing, makeFolder, toJson, writeFileAtomic } from "../../core/files.ts";
import { resolveMediaTools } from "../../media/tools.ts";
import type { DatasetInfo } from "../dataset.ts";
import { openJsonlWriter } from "../jsonl.ts";
import { SPLITS } from "../record.ts";
import { FPS, SIDE, renderClip } from "./clip.ts";
import { encodeClip } from "./encode.ts";
import { scriptDataset } from "./script.ts";
import type { ClipScript, DialogueScript } from "./script.ts";

const CLIPS = "clips";

export interface SyntheticRequest {
  /** An empty or missing folder. */
  readonly root: string;
  /** Number of utterances, each a clip. */
  readonly clips: number;
  readonly seed: number;
  /** Stops after the clips that are being rendered. */
  readonly signal?: AbortSignal;
  /** Called after every clip. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/**
 * Writes a dataset that `openDataset` reads. Labels, pixels and samples depend on `clips` and `seed` alone; mp4 bytes also
 * on the ffmpeg that encodes. What fails or is stopped leaves the folder empty; a killed process leaves one without
 * dataset.json.
 *
 * @throws UserError when the folder holds something already, a number is out of range, or ffmpeg or the disk fails. The abort reason when `signal` fires.
 */
export async function renderSyntheticDataset({ root, clips, seed, ...watch }: SyntheticRequest): Promise<DatasetInfo> {
  const dialogues = scriptDataset({ clips, seed });
  await requireEmptyFolder(root);
  const { ffmpeg } = await resolveMediaTools();
  try {
    await makeFolder(join(root, CLIPS)).catch((error: unknown) => {
      throw describeSystemError(error, root);
    });
    await renderClips({ root, ffmpeg, clips: dialogues.flatMap((dialogue) => dialogue.clips), ...watch });
    return await writeManifests({ root, seed, dialogues });
  } catch (error) {
    for (const name of [CLIPS, ...SPLITS.map((split) => `${split}.jsonl`)]) await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined); // what failed first is the reason to tell
    throw error;
  }
}

async function writeManifests({ root, seed, dialogues }: { root: string; seed: number; dialogues: readonly DialogueScript[] }): Promise<DatasetInfo> {
  const counts: DatasetInfo["counts"] = {};
  for (const split of SPLITS) counts[split] = await writeSplit({ path: join(root, `${split}.jsonl`), dialogues: dialogues.filter(({ record }) => record.split === split) });
  const info = { name: "synthetic", source: "synthetic", seed, counts };
  await writeFileAtomic(join(root, "dataset.json"), toJson(info));
  return info;
}

async function requireEmptyFolder(root: string): Promise<void> {
  const found = await readdir(root).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw describeSystemError(error, root);
  });
  if (found.length === 0) return;
  throw new UserError({ kind: "ConfigError", where: root, what: `got a folder with ${found.length} entries, expected an empty or new one`, hint: "Choose another folder, or delete this one first." });
}

interface ClipsToRender extends Pick<SyntheticRequest, "root" | "signal" | "onProgress"> {
  readonly ffmpeg: string;
  readonly clips: readonly ClipScript[];
}

/** Drawing runs in sharp's threads and encoding in ffmpeg's process, so more clips than cores keep both busy. */
async function renderClips({ root, ffmpeg, clips, signal, onProgress }: ClipsToRender): Promise<void> {
  let next = 0;
  let done = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    for (let clip = clips[next++]; clip !== undefined && !failed; clip = clips[next++]) {
      try {
        signal?.throwIfAborted();
        const rendered = await renderClip(clip);
        await encodeClip({ ffmpeg, path: join(root, clip.video), side: SIDE, fps: FPS, ...rendered });
      } catch (error) {
        failed = true;
        throw error;
      }
      done += 1;
      onProgress?.({ done, total: clips.length });
    }
  };
  const finished = await Promise.allSettled(Array.from({ length: availableParallelism() + 1 }, work));
  for (const result of finished) if (result.status === "rejected") throw result.reason;
}

async function writeSplit({ path, dialogues }: { path: string; dialogues: readonly DialogueScript[] }): Promise<{ records: number; utterances: number }> {
  const writer = await openJsonlWriter(path);
  try {
    for (const { record } of dialogues) await writer.write(record);
    await writer.commit();
  } finally {
    await writer.discard();
  }
  return { records: dialogues.length, utterances: dialogues.reduce((sum, { record }) => sum + record.utterances.length, 0) };
}
