/** @file What a user should know of the cache, told once. */
import type { DiskCache } from "../core/disk-cache.ts";

export interface CacheWarning {
  readonly kind: "warning";
  readonly message: string;
}

export class CacheWatch {
  #damaged = 0;
  #isRemovalTold = false;

  /** What happened since the last call. */
  *warnings(cache: DiskCache | undefined): Generator<CacheWarning> {
    if (cache === undefined) return;
    const { damaged, removed, folder } = cache;
    if (damaged > this.#damaged) yield { kind: "warning", message: `${damaged - this.#damaged} damaged files in the cache ${folder} were made again` };
    this.#damaged = damaged;
    if (removed > 0 && !this.#isRemovalTold) yield { kind: "warning", message: `the cache ${folder} is full: ${removed} files were removed, to be made again when they are needed; data.cacheGigabytes sets its size` };
    this.#isRemovalTold ||= removed > 0;
  }
}
