/**
 * @file A folder of files that can be made again, at most so many bytes: what was not used for longest is removed. Files
 * are written atomically and never changed, so several processes may share the folder. A file's time is that of its last use.
 */
import { readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describeSystemError, isMissing, writeFileAtomic } from "./files.ts";

/** Share of the budget that is left full when files are removed: removing has to look at every file. */
const TRIM_TO = 0.9;
/** What may be written, as a share of the budget, before the folder is looked at again: others write too. */
const LOOK_AFTER = 0.05;
/** A temporary file of this age was left by a process that was killed. */
const STALE_MS = 3_600_000;

interface Found {
  readonly name: string;
  readonly bytes: number;
  readonly usedMs: number;
}

export interface DiskCacheOptions {
  readonly folder: string;
  /** Budget of all files together. */
  readonly mostBytes: number;
  /** Subfolders that belong to the cache; nothing else in the folder is touched. */
  readonly kinds: readonly string[];
}

export class DiskCache {
  readonly folder: string;
  readonly #options: DiskCacheOptions;
  readonly #names: ReadonlySet<string>;
  /** As of the last look, and written since. */
  #bytes: number;
  #writtenSince = 0;
  #trimming: Promise<void> = Promise.resolve();
  #removed = 0;
  #damaged = 0;

  private constructor(options: DiskCacheOptions, found: readonly Found[]) {
    this.folder = options.folder;
    this.#options = options;
    this.#names = new Set(found.map(({ name }) => name));
    this.#bytes = sizeOf(found);
  }

  /** Opens the folder, which need not exist. @throws UserError (SystemError): no permission, or not a folder. */
  static async open(options: DiskCacheOptions): Promise<DiskCache> {
    const cache = new DiskCache(options, await lookInto(options));
    await cache.#trimIfFull();
    return cache;
  }

  /** Names of the files that were there when the cache was opened. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Files removed by this process to stay within the budget. */
  get removed(): number {
    return this.#removed;
  }

  /** Files that this process found damaged. */
  get damaged(): number {
    return this.#damaged;
  }

  /** To be called by whoever finds that a file does not hold what was written. */
  countDamaged(): void {
    this.#damaged += 1;
  }

  async has(name: string): Promise<boolean> {
    return stat(join(this.folder, name)).then(
      () => true,
      (error: unknown) => {
        if (isMissing(error)) return false;
        throw describeSystemError(error, this.folder);
      },
    );
  }

  /** The file's content, marked as used now; undefined when it is not there. */
  async read(name: string): Promise<Buffer | undefined> {
    const path = join(this.folder, name);
    const content = await readFile(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw describeSystemError(error, this.folder);
    });
    const now = new Date();
    // Another process may have removed it meanwhile, and a folder that can only be read is of use, too.
    if (content !== undefined) await utimes(path, now, now).catch(() => undefined);
    return content;
  }

  /** @throws UserError (SystemError): disk full, no permission. */
  async write(name: string, parts: readonly Uint8Array[]): Promise<void> {
    await writeFileAtomic(join(this.folder, name), parts);
    const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#bytes += bytes;
    this.#writtenSince += bytes;
    await this.#trimIfFull();
  }

  async #trimIfFull(): Promise<void> {
    const { mostBytes } = this.#options;
    const isDue = (): boolean => this.#bytes > mostBytes || this.#writtenSince > LOOK_AFTER * mostBytes;
    if (!isDue()) return;
    this.#trimming = this.#trimming.then(() => (isDue() ? this.#trim() : undefined));
    await this.#trimming;
  }

  async #trim(): Promise<void> {
    const { mostBytes } = this.#options;
    const found = [...(await lookInto(this.#options))].sort((a, b) => a.usedMs - b.usedMs);
    this.#bytes = sizeOf(found);
    this.#writtenSince = 0;
    if (this.#bytes <= mostBytes) return;
    for (const { name, bytes } of found) {
      if (this.#bytes <= TRIM_TO * mostBytes) return;
      await removeFile(join(this.folder, name));
      this.#bytes -= bytes;
      this.#removed += 1;
    }
  }
}

/** All files of the cache; temporary ones of killed processes are removed. */
async function lookInto({ folder, kinds }: DiskCacheOptions): Promise<Found[]> {
  const found: Found[] = [];
  for (const kind of kinds) {
    const entries = await readdir(join(folder, kind), { recursive: true, withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw describeSystemError(error, folder);
    });
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: 0 })); // removed by another process meanwhile
      if (!entry.name.endsWith(".tmp")) found.push({ name: path.slice(folder.length + 1), bytes: size, usedMs: mtimeMs });
      else if (mtimeMs > 0 && Date.now() - mtimeMs > STALE_MS) await removeFile(path);
    }
  }
  return found;
}

async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch((error: unknown) => {
    throw describeSystemError(error, path);
  });
}

function sizeOf(found: readonly Found[]): number {
  return found.reduce((sum, { bytes }) => sum + bytes, 0);
}
