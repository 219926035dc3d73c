/** @file Learning-rate schedule: linear warm-up, then cosine, linear or no decay down to a floor. */

export interface Schedule {
  readonly kind: "cosine" | "linear" | "constant";
  /** Share of the steps with rising learning rate. */
  readonly warmup: number;
  /** Learning rate that the decay tends to, as a share of the peak. */
  readonly floor: number;
}

/**
 * Share of the peak learning rate in a step.
 *
 * @param step - 1 for the first update, `totalSteps` for the last. No update is wasted: the first is above zero, and the
 * last is one step short of the floor.
 */
export function learningRateFactor({ kind, warmup, floor }: Schedule, step: number, totalSteps: number): number {
  // Less a rounding error: 0.07 of 100 steps is 7, not 8.
  const warmupSteps = Math.ceil(warmup * totalSteps - 1e-9);
  if (step <= warmupSteps) return step / warmupSteps;
  if (kind === "constant") return 1;
  const progress = (step - 1 - warmupSteps) / (totalSteps - warmupSteps);
  const decay = kind === "cosine" ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress;
  return floor + (1 - floor) * decay;
}
