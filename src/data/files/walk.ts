/** @file The files below a folder, folder by folder, links followed, loops not. */
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";

export interface Folder {
  /** Relative to the root with forward slashes; "" is the root itself. */
  readonly path: string;
  /** Names of the files in it, sorted. */
  readonly files: readonly string[];
}

/** Folders in order of their paths, parents before children, down to `maxDepth` below the root; hidden folders and unreadable ones are left out. */
export async function* walkFolders(root: string, maxDepth: number): AsyncGenerator<Folder> {
  const seen = new Set<string>();
  const visit = async function* (path: string, depth: number): AsyncGenerator<Folder> {
    const real = await realpath(join(root, path)).catch(() => undefined);
    if (real === undefined || seen.has(real)) return;
    seen.add(real);
    const entries = await readdir(real, { withFileTypes: true }).catch(() => []);
    const files: string[] = [];
    const folders: string[] = [];
    for (const entry of entries) {
      const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(real, entry.name))));
      if (!isFolder) files.push(entry.name);
      else if (!entry.name.startsWith(".")) folders.push(entry.name);
    }
    yield { path, files: files.sort() };
    if (depth === maxDepth) return;
    for (const name of folders.sort()) yield* visit(path === "" ? name : `${path}/${name}`, depth + 1);
  };
  yield* visit("", 0);
}

/** A file below its folder, with forward slashes. */
export function inFolder(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
