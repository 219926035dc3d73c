/** @file What stands behind the names of the cases. */
import type { BenchCase } from "./bench-case.ts";
import type { CaseName } from "./case-names.ts";
import { greedyDecoding } from "./cases/greedy-decoding.ts";
import { checkpointedLoraStep, loraStep } from "./cases/lora-step.ts";
import { tinyStep } from "./cases/tiny-step.ts";
import { visionTower } from "./cases/vision-tower.ts";

/** Describes a case; no weight is made yet. */
export async function benchCase(name: CaseName): Promise<BenchCase> {
  return CASES[name]();
}

const CASES = {
  "train-128": () => loraStep(128),
  "train-512": () => loraStep(512),
  "train-2048": () => loraStep(2048),
  "train-2048-checkpointed": () => checkpointedLoraStep(2048),
  "train-tiny": tinyStep,
  "vision-448": visionTower,
  decode: greedyDecoding,
} as const satisfies Record<CaseName, () => BenchCase | Promise<BenchCase>>;
