/** @file The clips of a run: each is taken from memory, from the cache on disk, or decoded, whenever it is asked for; no more of them are held than fit. */
import { setMaxListeners } from "node:events";
import type { DiskCache } from "../core/disk-cache.ts";
import { UserError, invariant } from "../core/errors.ts";
import { type MemoryBudget, MemoryShelf } from "../core/memory-cache.ts";
import { clipFileName, type ClipKeys, clipKeys, readCachedClip, writeCachedClip } from "./clip-cache.ts";
import type { Clip } from "./clip.ts";
import { loadClip } from "./load-clip.ts";
import type { ClipFiles, LoadClipOptions } from "./load-clip.ts";

export interface ClipSource extends ClipFiles {
  /** Utterance id. */
  readonly id: string;
}

export interface ClipStoreOptions extends Pick<LoadClipOptions, "spec" | "modalities"> {
  /** Without it everything is decoded, again when it does not fit into memory. */
  readonly cache?: DiskCache | undefined;
  readonly memory: MemoryBudget;
  /** `nothing`: what is decoded is passed on and not written into the cache. */
  readonly writes: "decoded clips" | "nothing";
}

export interface SurveyOptions {
  readonly sources: readonly ClipSource[];
  /** Clips decoded at the same time. */
  readonly workers: number;
  /** Whether a clip that is not in the cache is known to be readable all the same. */
  readonly isKnown?: (keys: ClipKeys) => boolean;
  readonly signal?: AbortSignal | undefined;
  /** After each clip, in the order of completion. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** How often each happened; `rebuilt`: the cache entry was damaged and made again. */
export type ClipCounts = Readonly<Record<"cached" | "decoded" | "rebuilt", number>>;

/** Neither memory nor the cache change a clip. */
export class ClipStore {
  readonly #options: ClipStoreOptions;
  readonly #shelf: MemoryShelf<Clip>;
  readonly #sources = new Map<string, ClipSource>();
  readonly #keys = new Map<string, ClipKeys>();
  readonly #counts = { cached: 0, decoded: 0, rebuilt: 0 };

  constructor(options: ClipStoreOptions) {
    this.#options = options;
    this.#shelf = new MemoryShelf(options.memory);
  }

  /** Of the clips that were read so far. */
  get counts(): ClipCounts {
    return { ...this.#counts };
  }

  /**
   * Makes the sources known, and sure that each can be read: what is not in the cache is decoded, and kept there.
   *
   * @returns what the user has to repair, by utterance id, in the order of the sources; whether to stop or to drop is the caller's.
   * @throws what is not one file's fault: a missing program, a full disk, the abort reason. All workers have ended then.
   */
  async survey({ sources, workers, isKnown = () => false, signal, onProgress }: SurveyOptions): Promise<ReadonlyMap<string, UserError>> {
    const failures = new Map<string, UserError>();
    let done = 0;
    for (const source of sources) this.add(source);
    await eachAtOnce(sources, { workers, signal }, async ({ id }, either) => {
      const failure = await this.#makeSure(id, isKnown, either).then(() => undefined, fileFault);
      if (failure !== undefined) failures.set(id, failure);
      done += 1;
      onProgress?.({ done, total: sources.length });
    });
    return new Map(sources.flatMap(({ id }) => (failures.has(id) ? [[id, failures.get(id)!] as const] : [])));
  }

  add(source: ClipSource): void {
    this.#sources.set(source.id, source);
  }

  /** @throws UserError (MediaError) when a file cannot be read. */
  async keys(id: string, signal?: AbortSignal): Promise<ClipKeys> {
    const keys = this.#keys.get(id) ?? (await clipKeys(this.#request(id, signal)));
    this.#keys.set(id, keys);
    return keys;
  }

  /** The clip; kept in memory while there is room. @throws UserError (MediaError) when it cannot be decoded. */
  async clip(id: string, signal?: AbortSignal): Promise<Clip> {
    const clip = this.#shelf.get(id) ?? (await this.passing(id, signal));
    this.#shelf.set(id, clip, (clip.pixels?.byteLength ?? 0) + (clip.mel?.byteLength ?? 0));
    return clip;
  }

  /** As `clip`, for somebody who needs it once: it takes no room in memory. */
  async passing(id: string, signal?: AbortSignal): Promise<Clip> {
    const held = this.#shelf.get(id);
    if (held !== undefined) return held;
    const { cache, writes } = this.#options;
    if (cache === undefined) return this.#decode(id, signal);
    const { clip: key } = await this.keys(id, signal);
    const cached = await readCachedClip(cache, key);
    if (cached !== "absent" && cached !== "corrupt") {
      this.#counts.cached += 1;
      return cached;
    }
    if (cached === "corrupt") cache.countDamaged();
    const clip = await this.#decode(id, signal, cached === "corrupt" ? "rebuilt" : "decoded");
    if (writes === "decoded clips") await writeCachedClip(cache, key, clip);
    return clip;
  }

  async #decode(id: string, signal: AbortSignal | undefined, counted: "decoded" | "rebuilt" = "decoded"): Promise<Clip> {
    const clip = await loadClip(this.#request(id, signal));
    this.#counts[counted] += 1;
    return clip;
  }

  async #makeSure(id: string, isKnown: (keys: ClipKeys) => boolean, signal: AbortSignal): Promise<void> {
    const { cache } = this.#options;
    if (cache !== undefined) {
      const keys = await this.keys(id, signal);
      if (isKnown(keys) || (await cache.has(clipFileName(keys.clip)))) return;
    }
    await this.clip(id, signal);
  }

  #request(id: string, signal: AbortSignal | undefined): LoadClipOptions {
    const source = this.#sources.get(id);
    invariant(source !== undefined, () => `clip ${id} is not known`);
    const { spec, modalities } = this.#options;
    return { video: source.video, audio: source.audio, spec, modalities, signal };
  }
}

/** A media error is the result for its clip; everything else stops the whole. */
export function fileFault(error: unknown): UserError {
  if (error instanceof UserError && error.problems.every(({ kind }) => kind === "MediaError")) return error;
  throw error;
}

/** Works through the items, so many at a time. The first error stops all, and is thrown when all have ended. */
async function eachAtOnce<T>(items: readonly T[], { workers, signal }: { readonly workers: number; readonly signal: AbortSignal | undefined }, work: (item: T, signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  setMaxListeners(0, either); // every worker's programs listen; behind ten, Node would warn of a leak
  const queue = items.values();
  const ends = await Promise.allSettled(
    Array.from({ length: Math.min(workers, items.length) }, async () => {
      try {
        for (const item of queue) {
          either.throwIfAborted();
          await work(item, either);
        }
      } catch (error) {
        stop.abort(error); // the other workers' results would be for nothing
        throw error;
      }
    }),
  );
  if (ends.some(({ status }) => status === "rejected")) throw either.reason;
}
