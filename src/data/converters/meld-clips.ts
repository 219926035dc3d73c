/** @file Where MELD's clips are: the names `dia{D}_utt{U}.mp4` below a folder, told apart by the split in their folder's path. */
import { basename, join, resolve } from "node:path";
import { inFolder, walkFolders } from "../files/walk.ts";
import type { Split } from "../record.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent } from "./converter.ts";
import { knownDefect } from "./known.ts";
import { splitInPath } from "./words.ts";

export interface MeldClips {
  readonly notices: readonly ConverterEvent[];
  /** Whether there is any clip of the split. */
  has(split: Split): boolean;
  /** Path relative to the media root; of a clip that is not there, where it would be. `key` is `dia0_utt0`. */
  pathOf(split: Split, key: string): string;
  /** Clips that no row names, in order of their names. */
  withoutRow(split: Split, rows: ReadonlySet<string>): readonly { readonly file: string; readonly known: boolean }[];
}

const MAX_DEPTH = 5;
const CLIP = /^(final_videos_test)?(dia\d+_utt\d+)\.(mp4|mkv|webm|avi|mov)$/i;

/** Reads the folders once; the names are kept, some megabytes for all of MELD. */
export async function indexMeldClips(mediaRoot: string, finalVideos: "plain" | "final"): Promise<MeldClips> {
  const plain = new Map<Split, Map<string, string>>();
  const final = new Map<Split, Map<string, string>>();
  const notices: ConverterEvent[] = [];
  for await (const { path, files } of walkFolders(mediaRoot, MAX_DEPTH)) {
    const clips = files.flatMap(matchOf);
    const stubs = files.filter((name) => name.startsWith("._") && name.endsWith(".mp4")).length;
    if (stubs > 0) notices.push(notice("input", join(mediaRoot, path), `${stubs} AppleDouble stubs (._*.mp4) are no clips and are ignored`));
    if (clips.length === 0) continue;
    const split = splitInPath(path === "" ? basename(resolve(mediaRoot)) : path);
    if (split === undefined) {
      notices.push(notice("unknown-split", join(mediaRoot, path), `${clips.length} clips in a folder whose path names no split (train, dev, test) are not used`));
      continue;
    }
    for (const { key, name, isFinal } of clips) {
      const edition = isFinal ? final : plain;
      const ofSplit = edition.get(split) ?? new Map<string, string>();
      edition.set(split, ofSplit);
      if (!ofSplit.has(key)) ofSplit.set(key, inFolder(path, name));
    }
  }
  const twice = [...final].flatMap(([split, clips]) => [...clips.keys()].filter((key) => plain.get(split)?.has(key) === true)).length;
  const finals = [...final.values()].reduce((sum, { size }) => sum + size, 0);
  if (finals > 0) notices.push(notice("input", mediaRoot, `${finals} final_videos_test clips, ${twice} of them beside a plain one: meld.finalVideos=${finalVideos} decides which is used`));
  const [first, second] = finalVideos === "final" ? [final, plain] : [plain, final];
  return {
    notices,
    has: (split) => plain.has(split) || final.has(split),
    pathOf: (split, key) => first.get(split)?.get(key) ?? second.get(split)?.get(key) ?? inFolder(folderOf(plain.get(split) ?? final.get(split)), `${key}.mp4`),
    withoutRow: (split, rows) =>
      [...new Map([...(second.get(split) ?? []), ...(first.get(split) ?? [])])]
        .filter(([key]) => !rows.has(key))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, file]) => ({ file: join(mediaRoot, file), known: knownDefect(`meld/${split}/${key}`)?.concerns === "no-row" })),
  };
}

function matchOf(name: string): { readonly key: string; readonly name: string; readonly isFinal: boolean }[] {
  const [, prefix, key] = CLIP.exec(name) ?? [];
  return key === undefined ? [] : [{ key: key.toLowerCase(), name, isFinal: prefix !== undefined }];
}

/** The folder of the first clip of a split: where a missing one should have been. */
function folderOf(clips: ReadonlyMap<string, string> | undefined): string {
  const [first = ""] = clips?.values() ?? [];
  return first.includes("/") ? first.slice(0, first.lastIndexOf("/")) : "";
}
