/** @file The features that a stage will need of its frozen towers, computed before its first step: clips are decoded ahead, and no later step waits for a tower. */
import { UserError } from "../core/errors.ts";
import { type StageSchedule, stepTrees } from "../curriculum/schedule.ts";
import type { Tower } from "../model/tower-states.ts";
import type { BatchSource } from "./batch-source.ts";
import type { RunClips } from "./clips.ts";
import { computeFeatures, type EncodingEvent } from "./compute-features.ts";

export interface StageFeatures {
  readonly schedule: StageSchedule;
  /** Finished steps. */
  readonly after: number;
  readonly frozen: readonly Tower[];
  readonly source: BatchSource;
  readonly clips: RunClips;
  readonly workers: number;
  readonly signal: AbortSignal;
}

/** Computes what is missing; the value is the seconds that it took. @throws UserError (MediaError) when a clip that was readable is not any more. */
export async function* computeStageFeatures({ schedule, after, frozen, clips: { store }, ...rest }: StageFeatures): AsyncGenerator<EncodingEvent, number> {
  const started = performance.now();
  const { failures } = yield* computeFeatures({ clips: clipsToCome(schedule, { after, frozen }), store, stored: "trusted", ...rest });
  if (failures.size > 0) throw new UserError([...failures.values()].flatMap(({ problems }) => problems));
  return (performance.now() - started) / 1000;
}

/** Clips of the steps behind `after`, in their order, with the frozen towers that look at each. */
export function clipsToCome(schedule: StageSchedule, { after, frozen }: Pick<StageFeatures, "after" | "frozen">): ReadonlyMap<string, readonly Tower[]> {
  const clips = new Map<string, Tower[]>();
  if (frozen.length === 0) return clips;
  for (let step = after + 1; step <= schedule.steps; step++) {
    for (const { modality, clip } of stepTrees(schedule, step).flat(2).flatMap((sample) => sample.clips)) {
      const towers = clips.get(clip) ?? [];
      if (frozen.includes(modality) && !towers.includes(modality)) clips.set(clip, [...towers, modality]);
    }
  }
  return clips;
}
