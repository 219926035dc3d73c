/** @file Many clips at once: from the cache or decoded, a bounded number at a time, kept in memory. */
import { setMaxListeners } from "node:events";
import { UserError } from "../core/errors.ts";
import { readCachedClip, clipKey, writeCachedClip } from "./clip-cache.ts";
import type { Clip } from "./clip.ts";
import { loadClip } from "./load-clip.ts";
import type { ClipFiles, LoadClipOptions } from "./load-clip.ts";

export interface ClipSource extends ClipFiles {
  /** Utterance id. */
  readonly id: string;
}

export interface LoadClipsOptions extends Pick<LoadClipOptions, "spec" | "modalities" | "signal"> {
  readonly sources: readonly ClipSource[];
  /** Clips decoded at the same time. */
  readonly workers: number;
  /** Folder of the clip cache; without it everything is decoded. */
  readonly cacheFolder?: string | undefined;
  /** After each clip, in the order of completion. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface LoadedClips {
  /** By utterance id, in the order of the sources. */
  readonly clips: ReadonlyMap<string, Clip>;
  /** What the user has to repair, by utterance id, in the same order; whether to stop or to drop is the caller's. */
  readonly failures: ReadonlyMap<string, UserError>;
  /** How often each happened; `rebuilt`: the cache entry was damaged and made again. */
  readonly counts: Readonly<Record<ClipOrigin, number>>;
}

type ClipOrigin = "cached" | "decoded" | "rebuilt";

/**
 * The clips of all sources. Neither the number of workers nor the cache changes a result.
 *
 * @throws what is not one file's fault: a missing program, a full disk, the abort reason. All workers have ended then.
 */
export async function loadClips({ sources, workers, cacheFolder, onProgress, signal, spec, modalities }: LoadClipsOptions): Promise<LoadedClips> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  setMaxListeners(0, either); // every worker's programs listen; behind ten, Node would warn of a leak
  const outcomes = new Array<{ clip: Clip; origin: ClipOrigin } | UserError | undefined>(sources.length);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < sources.length; i = next++) {
      const { video, audio } = sources[i] ?? {};
      outcomes[i] = await loadOne({ video, audio, spec, modalities, signal: either }, cacheFolder).catch(fileFault);
      done += 1;
      onProgress?.({ done, total: sources.length });
    }
  };
  const ends = await Promise.allSettled(
    Array.from({ length: Math.min(workers, sources.length) }, () =>
      work().catch((error: unknown) => {
        stop.abort(error); // the other workers' clips would be for nothing
        throw error;
      }),
    ),
  );
  if (ends.some(({ status }) => status === "rejected")) throw either.reason;
  return collect(sources, outcomes);
}

/** A media error is the result for its clip; everything else stops the whole. */
function fileFault(error: unknown): UserError {
  if (error instanceof UserError && error.problems.every(({ kind }) => kind === "MediaError")) return error;
  throw error;
}

async function loadOne(options: LoadClipOptions, cacheFolder: string | undefined): Promise<{ clip: Clip; origin: ClipOrigin }> {
  if (cacheFolder === undefined) return { clip: await loadClip(options), origin: "decoded" };
  const key = await clipKey(options);
  const cached = await readCachedClip(cacheFolder, key);
  if (cached !== "absent" && cached !== "corrupt") return { clip: cached, origin: "cached" };
  const clip = await loadClip(options);
  await writeCachedClip(cacheFolder, key, clip);
  return { clip, origin: cached === "corrupt" ? "rebuilt" : "decoded" };
}

function collect(sources: readonly ClipSource[], outcomes: readonly ({ clip: Clip; origin: ClipOrigin } | UserError | undefined)[]): LoadedClips {
  const clips = new Map<string, Clip>();
  const failures = new Map<string, UserError>();
  const counts = { cached: 0, decoded: 0, rebuilt: 0 };
  sources.forEach(({ id }, i) => {
    const outcome = outcomes[i];
    if (outcome instanceof UserError) failures.set(id, outcome);
    else if (outcome !== undefined) {
      clips.set(id, outcome.clip);
      counts[outcome.origin] += 1;
    }
  });
  return { clips, failures, counts };
}
