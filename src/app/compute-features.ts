/** @file What frozen towers make of many clips, as far as it is missing: clips are decoded ahead by several programs while the towers are at work. */
import { UserError } from "../core/errors.ts";
import { mapInOrder } from "../data/build/in-order.ts";
import { fileFault } from "../media/clip-store.ts";
import type { Clip } from "../media/clip.ts";
import type { Tower } from "../model/tower-states.ts";
import type { BatchSource } from "./batch-source.ts";
import { isTold, type RunClips } from "./clips.ts";

/** How far it has come. */
export interface EncodingEvent {
  readonly kind: "encoding";
  readonly done: number;
  readonly total: number;
}

export interface FeaturesToCompute {
  /** Utterance ids of known clips, and the towers that look at each. */
  readonly clips: ReadonlyMap<string, readonly Tower[]>;
  readonly source: BatchSource;
  readonly store: RunClips["store"];
  /** What is on disk already: read and checked, or taken to be whole until it is needed. */
  readonly stored: "checked" | "trusted";
  /** Clips decoded at the same time. */
  readonly workers: number;
  /** Stops between two clips. */
  readonly signal: AbortSignal;
}

export interface ComputedFeatures {
  /** Clips that are done, those that could not be read included. */
  readonly done: number;
  /** What the user has to repair, by utterance id. */
  readonly failures: ReadonlyMap<string, UserError>;
}

/** Tells how far it is, beginning with none done; silent when there is nothing to do. */
export async function* computeFeatures(task: FeaturesToCompute): AsyncGenerator<EncodingEvent, ComputedFeatures> {
  const { clips, source, stored, signal } = task;
  const failures = new Map<string, UserError>();
  const total = clips.size;
  let done = 0;
  if (total > 0) yield { kind: "encoding", done, total };
  for await (const { id, missing, decoded } of decodedAhead(task)) {
    if (signal.aborted) break;
    if (decoded instanceof UserError) failures.set(id, decoded);
    else await source.states(id, stored === "checked" ? (clips.get(id) ?? []) : missing, { decoded });
    if (isTold(++done, total)) yield { kind: "encoding", done, total };
  }
  return { done, failures };
}

interface ReadyClip {
  readonly id: string;
  readonly missing: readonly Tower[];
  /** Absent where nothing is missing. */
  readonly decoded: Clip | UserError | undefined;
}

function decodedAhead({ clips, source, store, workers, signal }: FeaturesToCompute): AsyncGenerator<ReadyClip> {
  return mapInOrder(stream(clips), workers + 1, async ([id, towers]): Promise<ReadyClip> => {
    try {
      const missing = await source.missing(id, towers, signal);
      return { id, missing, decoded: missing.length === 0 ? undefined : await store.passing(id, signal) };
    } catch (error) {
      if (signal.aborted) return { id, missing: [], decoded: undefined }; // cut off: nobody will ask for it
      return { id, missing: [], decoded: fileFault(error) };
    }
  });
}

async function* stream<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}
