/** @file What may not change between stopping a stage and going on with it. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import { sha256 } from "../core/hash.ts";

/** Hash of everything that decides a step's numbers; the backend, the workers, the caches and gradient checkpointing do not. */
export function configHash(config: RunConfig, stage: StageConfig): string {
  return sha256(JSON.stringify(decisiveSettings(config, stage)));
}

/** The settings in which two configs differ for a stage: `seed: got 1, expected 42`. */
export function differingSettings(got: readonly [RunConfig, StageConfig], expected: readonly [RunConfig, StageConfig]): string[] {
  const [ours, theirs] = [leaves(decisiveSettings(...got)), leaves(decisiveSettings(...expected))];
  const paths = [...new Set([...theirs.keys(), ...ours.keys()])];
  return paths.filter((path) => ours.get(path) !== theirs.get(path)).map((path) => `${path}: got ${ours.get(path) ?? "nothing"}, expected ${theirs.get(path) ?? "nothing"}`);
}

function decisiveSettings({ seed, model, data, levels }: RunConfig, { checkpoints: _, ...stage }: StageConfig): object {
  const { gradientCheckpointing: __, ...budget } = stage.budget;
  const { root, frames, conversationClip, emotionPrompt, causePrompt, causeTurns, onBad, modalities, featureType } = data;
  return { seed, model, levels, stage: { ...stage, budget }, data: { root, frames, conversationClip, emotionPrompt, causePrompt, causeTurns, onBad, modalities, featureType } };
}

/** Every plain value as JSON, by its path. */
function leaves(value: unknown, path: readonly string[] = []): Map<string, string> {
  if (typeof value !== "object" || value === null) return new Map(value === undefined ? [] : [[path.join("."), JSON.stringify(value)]]);
  return new Map(Object.entries(value).flatMap(([key, child]) => [...leaves(child, [...path, key])]));
}
