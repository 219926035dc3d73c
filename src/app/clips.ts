/** @file The clips that samples look at: found, made sure of with the user's policy for bad ones, and read when they are needed. */
import type { InputModality } from "../config/index.ts";
import { DiskCache } from "../core/disk-cache.ts";
import { UserError } from "../core/errors.ts";
import { MemoryBudget, MemoryShelf } from "../core/memory-cache.ts";
import { streamReports } from "../core/reports.ts";
import type { Utterance } from "../data/record.ts";
import { CLIP_FOLDER } from "../media/clip-cache.ts";
import { type ClipSource, ClipStore, type ClipStoreOptions, type SurveyOptions } from "../media/clip-store.ts";
import type { Tower } from "../model/tower-states.ts";
import type { Sample } from "../tasks/task.ts";
import type { Experiment } from "./experiment.ts";
import { hasStates, STATES_FOLDER, storedParts } from "./feature-cache.ts";

/** A run's clips, and where they and what frozen towers make of them is kept. */
export interface RunClips {
  readonly store: ClipStore;
  /** States of frozen towers in memory, which they share with the clips. */
  readonly states: MemoryShelf<Float32Array>;
  readonly cache: DiskCache | undefined;
}

export interface ClipPlace {
  /** Absent: nothing is kept on disk. */
  readonly folder?: string | undefined;
  readonly writes?: ClipStoreOptions["writes"];
}

/** Nothing is read but the names in the cache folder. @throws UserError (SystemError) when that cannot be read. */
export async function openClips(experiment: Pick<Experiment, "config" | "model" | "clipSpec">, { folder, writes = "decoded clips" }: ClipPlace): Promise<RunClips> {
  const { data } = experiment.config;
  const memory = new MemoryBudget(data.memoryGigabytes * 1e9);
  const cache = folder === undefined ? undefined : await DiskCache.open({ folder, mostBytes: data.cacheGigabytes * 1e9, kinds: [CLIP_FOLDER, STATES_FOLDER] });
  return { cache, states: new MemoryShelf(memory), store: new ClipStore({ spec: experiment.clipSpec, modalities: inputsOf(experiment), memory, cache, writes }) };
}

/** Samples in any form, and the clips that they use. */
export interface ClipUsers<T> {
  readonly samples: readonly T[];
  readonly clipsOf: (sample: T) => readonly string[];
  readonly sources: readonly ClipSource[];
}

export interface Surveyed<T> {
  readonly samples: readonly T[];
  /** Those that can be read. */
  readonly clips: readonly string[];
  /** Samples left out because a clip of theirs cannot be read. */
  readonly unreadable: readonly T[];
}

/** Samples that were left out, counted by reason; empty when there are none. */
export function dropsByReason(unreadable: readonly unknown[]): Readonly<Record<string, number>> {
  return unreadable.length === 0 ? {} : { "unreadable media": unreadable.length };
}

/** How far the reading of clips has come. */
export interface ClipsEvent {
  readonly kind: "clips";
  readonly done: number;
  readonly total: number;
}

export interface Survey {
  readonly clips: RunClips;
  /** Towers that are trained in none of what follows: a clip whose states any such tower left in the cache can be read. */
  readonly frozen?: readonly Tower[];
  readonly signal?: AbortSignal;
}

/**
 * Makes sure of every clip that the samples name and tells how it goes, beginning with none done; silent when there are none.
 *
 * @throws UserError with every bad file, unless `data.onBad` is drop: then the samples that need it are left out and counted.
 */
export async function* surveySamples<T>({ config: { data } }: Pick<Experiment, "config">, { samples, sources, clipsOf }: ClipUsers<T>, { clips: { store, cache }, frozen = [], signal }: Survey): AsyncGenerator<ClipsEvent, Surveyed<T>> {
  const stored = cache === undefined ? new Set<string>() : storedParts(cache);
  const failures = yield* surveyAndTell(store, { sources, workers: data.workers, isKnown: (keys) => hasStates(keys, { stored, frozen }), signal });
  const clips = sources.flatMap(({ id }) => (failures.has(id) ? [] : [id]));
  if (failures.size === 0) return { samples, clips, unreadable: [] };
  if (data.onBad === "error") throw new UserError([...failures.values()].flatMap(({ problems }) => problems));
  const isUnreadable = (sample: T): boolean => clipsOf(sample).some((id) => failures.has(id));
  return { samples: samples.filter((sample) => !isUnreadable(sample)), clips, unreadable: samples.filter(isUnreadable) };
}

/** The samples with the clips that they look at or listen to. */
export function clipUsers(experiment: ClipPlaces, samples: readonly Sample[]): ClipUsers<Sample> {
  return { samples, sources: clipSources(experiment, samples), clipsOf: (sample) => utterancesOf(sample).map(({ id }) => id) };
}

/** What tells where clips are, and which are wanted. */
export interface ClipPlaces extends Pick<Experiment, "config" | "model"> {
  readonly dataset: Pick<Experiment["dataset"], "mediaPath">;
}

/** The distinct clips that the samples look at or listen to. */
export function clipSources({ dataset, config, model }: ClipPlaces, samples: readonly Sample[]): ClipSource[] {
  const modalities = inputsOf({ config, model });
  if (!modalities.includes("video") && !modalities.includes("audio")) return [];
  const utterances = new Map(samples.flatMap(utterancesOf).map((utterance) => [utterance.id, utterance]));
  return [...utterances.values()].filter(({ media }) => media !== undefined).map((utterance) => ({ id: utterance.id, ...dataset.mediaPath(utterance) }));
}

/** A survey is told in at most so many steps: enough for a line on a screen, few enough for a log. */
const EVENTS = 100;

async function* surveyAndTell(store: ClipStore, { signal, ...options }: SurveyOptions): AsyncGenerator<ClipsEvent, ReadonlyMap<string, UserError>> {
  const total = options.sources.length;
  if (total > 0) yield { kind: "clips", done: 0, total };
  return yield* streamReports<ClipsEvent, ReadonlyMap<string, UserError>>((report, isLeft) => {
    const onProgress = ({ done }: { readonly done: number }): void => {
      if (isTold(done, total)) report({ kind: "clips", done, total });
    };
    return store.survey({ ...options, signal: signal === undefined ? isLeft : AbortSignal.any([signal, isLeft]), onProgress });
  });
}

/** Whether `done` of `total` is worth an event. */
export function isTold(done: number, total: number): boolean {
  const share = (count: number): number => Math.floor((count * EVENTS) / total);
  return share(done) > share(done - 1);
}

/** The inputs that are switched on and that the model has a tower for. */
export function inputsOf({ config, model }: Pick<Experiment, "config" | "model">): readonly InputModality[] {
  return config.data.modalities.filter((modality) => modality !== "audio" || model.config.audio_config !== undefined);
}

function utterancesOf({ prefix, instruction }: Sample): Utterance[] {
  return [...prefix, ...instruction].flatMap((part) => (part.kind === "clip" ? [part.utterance] : []));
}
