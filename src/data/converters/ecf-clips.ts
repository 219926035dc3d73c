/** @file Where an ECF utterance's clip is: among ECF's own clips, among MELD's through the mapping, or nowhere. */
import { join } from "node:path";
import { inFolder, walkFolders } from "../files/walk.ts";
import type { Split } from "../record.ts";
import type { BuildOptions } from "../build/options.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent } from "./converter.ts";
import type { EcfMapping } from "./ecf-mapping.ts";
import { indexMeldClips } from "./meld-clips.ts";
import { SPLITS } from "../record.ts";

export interface EcfClips {
  readonly notices: readonly ConverterEvent[];
  /** Path relative to the media root; of a clip that is not there, where it would be; undefined when there are no clips at all. `key` is `dia3utt1`. */
  pathOf(split: Split, key: string): string | undefined;
}

export interface EcfClipsInput {
  readonly mediaRoot: string;
  readonly mapping: EcfMapping | undefined;
  readonly source: BuildOptions["ecf"]["clips"];
}

const MAX_DEPTH = 5;
const CLIP = /^dia\d+utt\d+\.(mp4|mkv|webm|avi|mov)$/i;

export async function indexEcfClips({ mediaRoot, mapping, source }: EcfClipsInput): Promise<EcfClips> {
  const own = source === "auto" || source === "own" ? await ownClips(mediaRoot) : new Map<string, string>();
  const meld = (source === "auto" || source === "meld") && mapping !== undefined ? await indexMeldClips(mediaRoot, "plain") : undefined;
  const hasMeld = meld !== undefined && SPLITS.some((split) => meld.has(split));
  const folder = [...own.values()][0]?.replace(/\/?[^/]*$/, "") ?? "";
  const notices: ConverterEvent[] = [];
  if (own.size === 0 && !hasMeld) notices.push(notice("no-clips", mediaRoot, `no clips of ECF${mapping === undefined ? "" : " or MELD"} below the media root: the records are text only`));
  else notices.push(notice("input", mediaRoot, `${own.size} clips of ECF's own${hasMeld ? ", and MELD's through the mapping" : ""}`));
  if (source === "meld" && mapping === undefined) notices.push(notice("missing", join(mediaRoot, "all_data_pair_ECFvsMELD.txt"), "ecf.clips=meld needs this file, which is not below the root"));
  const meldPath = (key: string): string | undefined => {
    const [, split, name] = mapping?.clipOf(key)?.split("/") ?? [];
    const known = SPLITS.find((word) => word === split);
    return known === undefined || name === undefined || meld?.has(known) !== true ? undefined : meld.pathOf(known, name);
  };
  return { notices, pathOf: (_, key) => own.get(key) ?? meldPath(key) ?? (own.size > 0 ? inFolder(folder, `${key}.mp4`) : undefined) };
}

async function ownClips(mediaRoot: string): Promise<ReadonlyMap<string, string>> {
  const clips = new Map<string, string>();
  for await (const { path, files } of walkFolders(mediaRoot, MAX_DEPTH)) {
    for (const name of files) {
      const key = CLIP.test(name) ? name.slice(0, name.lastIndexOf(".")).toLowerCase() : undefined;
      if (key !== undefined && !clips.has(key)) clips.set(key, inFolder(path, name));
    }
  }
  return clips;
}
