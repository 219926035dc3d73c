/**
 * @file What frozen towers make of clips, on disk beside the decoded clips, content-addressed: a name says which part of
 * which clip (media bytes, sampling, preprocessing) and which tower (weights, arithmetic, number type).
 */
import { basename, join } from "node:path";
import { parseEntry, renderEntry } from "../core/cache-entry.ts";
import type { DiskCache } from "../core/disk-cache.ts";
import { decodeFloats, encodeFloats, type FloatType } from "../core/half-floats.ts";
import { sha256 } from "../core/hash.ts";
import type { ClipKeys } from "../media/clip-cache.ts";
import { type Tower, TOWERS } from "../model/tower-states.ts";

/** Where the states lie in a cache folder. */
export const STATES_FOLDER = "states";
const ENDING = ".states";

export interface TowerIdentity {
  readonly hash: string;
  /** Backends round differently, each precision too. */
  readonly backend: string;
  readonly precision: string;
  readonly type: FloatType;
}

/** Lower-case hex. */
export function towerKey({ hash, backend, precision, type }: TowerIdentity): string {
  return sha256(JSON.stringify({ hash, backend, precision, type }));
}

export interface StatesPlace {
  /** Key of the clip's part; see `clipKeys`. */
  readonly part: string;
  readonly tower: string;
  readonly type: FloatType;
}

/** The numbers; "absent" when they were never stored, "corrupt" when the file is not what was written, or not so many numbers. */
export async function readStates(cache: DiskCache, place: StatesPlace, count: number): Promise<Float32Array | "absent" | "corrupt"> {
  const content = await cache.read(statesFileName(place));
  if (content === undefined) return "absent";
  const states = parseEntry(content, entryKey(place), ["states"])?.states;
  const values = states && decodeFloats(states, place.type);
  return values?.length === count ? values : "corrupt";
}

export async function hasStatesFile(cache: DiskCache, place: StatesPlace): Promise<boolean> {
  return cache.has(statesFileName(place));
}

/** Returns the bytes written. @throws UserError (SystemError): disk full, no permission. */
export async function writeStates(cache: DiskCache, place: StatesPlace, values: Float32Array): Promise<number> {
  const entry = renderEntry(entryKey(place), { states: encodeFloats(values, place.type) });
  await cache.write(statesFileName(place), entry);
  return entry.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Parts of clips whose states of any tower were in the cache when it was opened. */
export function storedParts({ names }: DiskCache): ReadonlySet<string> {
  return new Set([...names].flatMap((name) => (name.endsWith(ENDING) ? [basename(name).split("-", 1)[0] ?? ""] : [])));
}

/** Whether every part of a clip that is wanted belongs to a frozen tower, and some tower's states of it are stored. */
export function hasStates(keys: ClipKeys, { stored, frozen }: { readonly stored: ReadonlySet<string>; readonly frozen: readonly Tower[] }): boolean {
  const wanted = TOWERS.filter((tower) => keys[tower] !== undefined);
  return wanted.length > 0 && wanted.every((tower) => frozen.includes(tower) && stored.has(keys[tower] ?? ""));
}

function entryKey({ part, tower }: StatesPlace): string {
  return `${part}-${tower}`;
}

/** Two levels, so that no folder gets too many files. */
function statesFileName(place: StatesPlace): string {
  return join(STATES_FOLDER, place.part.slice(0, 2), `${entryKey(place)}${ENDING}`);
}
