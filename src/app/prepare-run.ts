/** @file Filling the cache: what frozen towers make of every clip of a dataset, computed once before the stages and evaluations that share it. */
import { selectBackend } from "../backend/select.ts";
import type { RunConfig } from "../config/index.ts";
import { type Problem, UserError } from "../core/errors.ts";
import type { ClipSource } from "../media/clip-store.ts";
import { TASK_NAMES } from "../tasks/task.ts";
import { openBatchSource } from "./batch-source.ts";
import { CacheWatch, type CacheWarning } from "./cache-watch.ts";
import { clipSources, openClips, type RunClips } from "./clips.ts";
import { computeFeatures, type EncodingEvent } from "./compute-features.ts";
import { openStreamedExperiment, samplesOfRecord, type StreamedExperiment } from "./experiment.ts";
import { type FrozenWeights, frozenWeights, loadFrozenWeights } from "./frozen-weights.ts";
import { baseShapes } from "./plan-run.ts";
import { tasksOf } from "./prepare-stage.ts";
import { mediaCacheFolder } from "./run-folder.ts";

/** The `index`-th of `count` parts of the clips, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface PrepareOptions {
  readonly config: RunConfig;
  /** Whose cache is filled where the config names none, and where stages are looked for that trained a tower. */
  readonly runDir: string;
  /** Absent: all clips. */
  readonly shard?: Shard;
  readonly signal: AbortSignal;
}

export type PrepareEvent =
  | { readonly kind: "prepare-start"; readonly backend: string; readonly device: string; readonly folder: string; readonly frozen: readonly FrozenWeights[] }
  | EncodingEvent
  | CacheWarning
  | PreparedEvent;

/** Features: outputs of one tower for one clip. */
export interface PreparedEvent {
  readonly kind: "prepared";
  readonly folder: string;
  /** Clips that are done; fewer than all after a stop. */
  readonly clips: number;
  readonly computed: number;
  /** Features that were there already, and those of damaged files, which were computed again. */
  readonly present: number;
  readonly rebuilt: number;
  readonly unreadable: number;
  /** Written. */
  readonly bytes: number;
  readonly seconds: number;
}

/**
 * Computes what is missing, clip by clip; a second run finds everything. The signal stops it between two clips.
 *
 * @throws UserError with every clip that cannot be read when the others are done, unless `data.onBad` is drop: then they are counted.
 */
export async function* prepareRun({ config, runDir, shard, signal }: PrepareOptions): AsyncGenerator<PrepareEvent> {
  const started = performance.now();
  const backend = await selectBackend(config.backend, config.precision);
  const experiment = await openStreamedExperiment(config);
  const folder = mediaCacheFolder(config, runDir);
  const frozen = await frozenWeights(experiment, await baseShapes(experiment));
  yield { kind: "prepare-start", backend: backend.name, device: backend.device, folder, frozen };
  if (frozen.length === 0) yield { kind: "warning", message: "every stage trains all towers that have an input: there is nothing to prepare" };
  const clips = await openClips(experiment, { folder, writes: "nothing" });
  const sources = partOf(frozen.length === 0 ? [] : await sourcesOf(experiment, frozen), shard);
  const tally = { clips: 0, computed: 0, present: 0, rebuilt: 0, bytes: 0, unreadable: new Map<string, UserError>() };
  for (const group of frozen) {
    if (!signal.aborted) yield* prepareGroup({ experiment, clips, sources, group, runDir, signal, tally });
  }
  yield* new CacheWatch().warnings(clips.cache);
  const { unreadable, ...counts } = tally;
  if (unreadable.size > 0 && config.data.onBad === "drop") yield { kind: "warning", message: `${unreadable.size} clips left out: unreadable media` };
  yield { kind: "prepared", folder, ...counts, unreadable: unreadable.size, seconds: (performance.now() - started) / 1000 };
  if (unreadable.size > 0 && config.data.onBad === "error") throw new UserError([...unreadable.values()].flatMap(({ problems }): readonly Problem[] => problems));
}

/** Clips of the training split that the stages look at, and of the others all that could be asked about. */
async function sourcesOf(experiment: StreamedExperiment, frozen: readonly FrozenWeights[]): Promise<ClipSource[]> {
  const { config, dataset } = experiment;
  const trained = tasksOf(config, config.stages.filter(({ name }) => frozen.some((group) => group.stages.includes(name))));
  const sources = new Map<string, ClipSource>();
  for await (const record of dataset.stream()) {
    for (const source of clipSources(experiment, samplesOfRecord(record, record.split === "train" ? trained : TASK_NAMES, config.data))) sources.set(source.id, source);
  }
  return [...sources.values()];
}

/** Every `count`-th clip, beginning with the `index`-th: all shards have about as much to do. */
function partOf(sources: readonly ClipSource[], shard: Shard | undefined): readonly ClipSource[] {
  return shard === undefined ? sources : sources.filter((_, i) => i % shard.count === shard.index - 1);
}

interface Tally {
  clips: number;
  computed: number;
  present: number;
  rebuilt: number;
  bytes: number;
  readonly unreadable: Map<string, UserError>;
}

interface GroupTask extends Pick<PrepareOptions, "runDir" | "signal"> {
  readonly experiment: StreamedExperiment;
  readonly clips: RunClips;
  readonly sources: readonly ClipSource[];
  readonly group: FrozenWeights;
  /** Added to. */
  readonly tally: Tally;
}

async function* prepareGroup({ experiment, clips, sources, group, runDir, signal, tally }: GroupTask): AsyncGenerator<EncodingEvent | CacheWarning> {
  const { towers, stages, trainedBy } = group;
  const params = await loadFrozenWeights(experiment, group, runDir);
  if (params === undefined) {
    yield { kind: "warning", message: `${stages.join(", ")}: the ${towers.join(" and ")} tower is trained by ${trainedBy} first, which is not finished in ${runDir}; prepare again when it is` };
    return;
  }
  try {
    const source = await openBatchSource({ experiment, clips, params, frozen: towers });
    for (const one of sources) clips.store.add(one);
    const wanted = new Map(sources.map(({ id }) => [id, towers] as const));
    const { done, failures } = yield* computeFeatures({ clips: wanted, source, store: clips.store, stored: "checked", workers: experiment.config.data.workers, signal });
    for (const [id, failure] of failures) tally.unreadable.set(id, failure);
    const { computed, read, rebuilt, bytes } = source.counts;
    tally.clips = Math.max(tally.clips, done - failures.size);
    tally.computed += computed;
    tally.present += read;
    tally.rebuilt += rebuilt;
    tally.bytes += bytes;
  } finally {
    params.dispose();
  }
}
