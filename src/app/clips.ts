/** @file The clips that samples look at, decoded, with the user's policy for bad ones. */
import type { InputModality } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { streamReports } from "../core/reports.ts";
import type { Utterance } from "../data/record.ts";
import type { Clip } from "../media/clip.ts";
import { type LoadClipsOptions, type LoadedClips, loadClips } from "../media/load-clips.ts";
import type { Sample } from "../tasks/task.ts";
import type { Experiment } from "./experiment.ts";

export interface LoadedSamples {
  readonly samples: readonly Sample[];
  readonly clips: ReadonlyMap<string, Clip>;
  /** Samples left out because a clip of theirs cannot be read. */
  readonly unreadable: readonly Sample[];
}

/** Samples that were left out, counted by reason; empty when there are none. */
export function dropsByReason(unreadable: readonly Sample[]): Readonly<Record<string, number>> {
  return unreadable.length === 0 ? {} : { "unreadable media": unreadable.length };
}

export interface ClipLoading {
  readonly signal?: AbortSignal;
  /** Absent: every clip is decoded again. */
  readonly cacheFolder?: string | undefined;
}

/** How far the decoding of clips has come. */
export interface ClipsEvent {
  readonly kind: "clips";
  readonly done: number;
  readonly total: number;
}

/** A load is told in at most so many steps: enough for a line on a screen, few enough for a log. */
const EVENTS = 100;

/**
 * Decodes every clip that the samples name and tells how it goes, beginning with none done; silent when there are none.
 *
 * @throws UserError with every bad file, unless `data.onBad` is drop: then the samples that need it are left out and counted.
 */
export async function* loadSampleClips(experiment: Experiment, samples: readonly Sample[], loading: ClipLoading): AsyncGenerator<ClipsEvent, LoadedSamples> {
  const { config, dataset, clipSpec } = experiment;
  const modalities = inputsOf(experiment);
  const utterances = new Map(samples.flatMap(clipsOf).map((utterance) => [utterance.id, utterance]));
  const wanted = modalities.includes("video") || modalities.includes("audio") ? [...utterances.values()].filter(({ media }) => media !== undefined) : [];
  const { clips, failures } = yield* loadAndTell({
    sources: wanted.map((utterance) => ({ id: utterance.id, ...dataset.mediaPath(utterance) })),
    spec: clipSpec,
    modalities,
    workers: config.data.workers,
    ...loading,
  });
  if (failures.size === 0) return { samples, clips, unreadable: [] };
  if (config.data.onBad === "error") throw new UserError([...failures.values()].flatMap(({ problems }) => problems));
  const isUnreadable = (sample: Sample): boolean => clipsOf(sample).some(({ id }) => failures.has(id));
  return { samples: samples.filter((sample) => !isUnreadable(sample)), clips, unreadable: samples.filter(isUnreadable) };
}

async function* loadAndTell({ signal, ...options }: LoadClipsOptions): AsyncGenerator<ClipsEvent, LoadedClips> {
  const total = options.sources.length;
  if (total > 0) yield { kind: "clips", done: 0, total };
  const share = (done: number): number => Math.floor((done * EVENTS) / total);
  return yield* streamReports<ClipsEvent, LoadedClips>((report, isLeft) => {
    const onProgress = ({ done }: { readonly done: number }): void => {
      if (share(done) > share(done - 1)) report({ kind: "clips", done, total });
    };
    return loadClips({ ...options, signal: signal === undefined ? isLeft : AbortSignal.any([signal, isLeft]), onProgress });
  });
}

/** The inputs that are switched on and that the model has a tower for. */
export function inputsOf({ config, model }: Pick<Experiment, "config" | "model">): readonly InputModality[] {
  return config.data.modalities.filter((modality) => modality !== "audio" || model.config.audio_config !== undefined);
}

function clipsOf({ prefix, instruction }: Sample): Utterance[] {
  return [...prefix, ...instruction].flatMap((part) => (part.kind === "clip" ? [part.utterance] : []));
}
