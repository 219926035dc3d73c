/** @file Training as the command line asks for it: stages one after another in a run directory, resumable at any step. */
import { join } from "node:path";
import { deviceLimits } from "../backend/device-limits.ts";
import { type ActiveBackend, selectBackend } from "../backend/select.ts";
import type { RunConfig, StageConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import { frozenBaseNotice } from "../model/frozen-base.ts";
import type { RunEvent } from "../train/events.ts";
import { stageFit, type StageNeed } from "../train/memory-fit.ts";
import { fitProblems, fitWarning } from "../train/memory-words.ts";
import { claimRunFolder } from "./claim-run-folder.ts";
import { CacheWatch } from "./cache-watch.ts";
import { dropsByReason, openClips, surveySamples } from "./clips.ts";
import { type Experiment, openExperiment, samplesOfRecord } from "./experiment.ts";
import { baseShapes, placeOf } from "./plan-run.ts";
import { frozenInAll, prepareStage, supervisionOf, tasksOf } from "./prepare-stage.ts";
import { provenance, trainingSource } from "./provenance.ts";
import { isFinished, mediaCacheFolder, openEventLog, stageFolder } from "./run-folder.ts";
import { runStage } from "./run-stage.ts";
import { adaptedStages } from "./stage-adapters.ts";
import { outlineSamples, sampleEncoder } from "./stage-samples.ts";

export interface TrainOptions {
  readonly config: RunConfig;
  /** Names, in order. */
  readonly stages: readonly string[];
  readonly runDir: string;
  readonly resume: boolean;
  readonly signal: AbortSignal;
}

/** Trains the stages in order; every event is also appended to the run's events.jsonl. */
export async function* trainRun(options: TrainOptions): AsyncGenerator<RunEvent> {
  const backend = await selectBackend(options.config.backend, options.config.precision);
  const experiment = await openExperiment(options.config);
  const release = await claimRunFolder(options);
  try {
    yield* logged(options.runDir, trainStages(options, { backend, experiment }));
  } finally {
    await release();
  }
}

/** The events, each written down before it is passed on. */
async function* logged(runDir: string, events: AsyncGenerator<RunEvent>): AsyncGenerator<RunEvent> {
  const log = await openEventLog(runDir);
  try {
    for await (const event of events) {
      await log.write(event);
      yield event;
    }
  } finally {
    await log.close();
  }
}

async function* trainStages(options: TrainOptions, { backend, experiment }: { backend: ActiveBackend; experiment: Experiment }): AsyncGenerator<RunEvent> {
  const { config, runDir, signal } = options;
  const stages = options.stages.map((name) => stageNamed(config, name));
  yield { kind: "run-start", backend: backend.name, device: backend.device, reason: backend.reason, stages: options.stages, seed: config.seed };
  const notice = frozenBaseNotice(config.model.frozenBase);
  if (notice !== undefined) yield { kind: "warning", message: notice };
  const madeWith = await provenance(experiment, backend);
  await writeFileAtomic(join(runDir, "provenance.json"), toJson(madeWith));
  const base = await baseShapes(experiment);
  const adapted = await adaptedStages(config, stages, base);
  const clips = await openClips(experiment, { folder: mediaCacheFolder(config, runDir) });
  const tasks = tasksOf(config, stages);
  const byRecord = experiment.dataset.records("train").map((record) => samplesOfRecord(record, tasks, config.data));
  const surveyed = yield* surveySamples(experiment, await outlineSamples(experiment, byRecord), { clips, frozen: frozenInAll(experiment, adapted), signal });
  for (const [reason, count] of Object.entries(dropsByReason(surveyed.unreadable))) yield { kind: "warning", message: `${count} samples left out: ${reason}` };
  const prepared = adapted.map(({ stage, shapes }) => ({ stage, prepared: prepareStage(experiment, stage, { surveyed, shapes, place: placeOf(backend) }) }));
  const unfinished = await Promise.all(prepared.map(async ({ stage, prepared: { need } }) => ((await isFinished(stageFolder(config, stage.name, runDir))) ? [] : [need])));
  yield* checkMemory(unfinished.flat(), backend);
  const watch = new CacheWatch();
  const source = await trainingSource(experiment, madeWith);
  const encoder = sampleEncoder(experiment, byRecord.flat());
  for (const each of prepared) {
    yield* runStage({ experiment, ...each, encode: encoder(supervisionOf(each.stage)), source, clips, watch, runDir, signal });
    if (signal.aborted) return;
  }
}

/**
 * Before a weight is loaded: warns of what may not fit.
 *
 * @throws UserError - ConfigError with what does not fit for certain, in numbers, and what would need less.
 */
function* checkMemory(needs: readonly StageNeed[], backend: ActiveBackend): Generator<RunEvent> {
  const limits = deviceLimits(backend);
  const fits = needs.map((need) => ({ ...need, ...stageFit(need, limits) }));
  const problems = fitProblems(fits, limits);
  if (problems.length > 0) throw new UserError(problems);
  for (const fit of fits) {
    const message = fitWarning(fit, limits);
    if (message !== undefined) yield { kind: "warning", message };
  }
}

function stageNamed({ stages }: RunConfig, name: string): StageConfig {
  const stage = stages.find((candidate) => candidate.name === name);
  if (stage === undefined) throw new Error(`internal error: no stage "${name}"`);
  return stage;
}
