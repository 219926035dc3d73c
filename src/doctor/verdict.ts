/** @file Whether a backend's numbers are right. */
import type { SelfTest } from "./self-test.ts";
import { STEP_LIMITS } from "./step-check.ts";

/** Products in reduced precision (TF32) are within it, mistakes are not. */
const PRODUCT_LIMIT = 1e-2;

/** Undefined when the self-test is passed, else what is wrong. */
export function judge({ matmul, step }: Pick<SelfTest, "matmul" | "step">): string | undefined {
  const wrong = [
    exceeds(step.loss, STEP_LIMITS.loss) ? `the loss of a training step ${distance(step.loss, "the reference's")}` : undefined,
    exceeds(step.gradient, STEP_LIMITS.gradient) ? `the gradient of ${step.worst} ${distance(step.gradient, "the reference's")}` : undefined,
    exceeds(matmul.error, PRODUCT_LIMIT) ? `a matrix product of ${matmul.size} x ${matmul.size} ${distance(matmul.error, "the right one")}` : undefined,
  ].filter((text) => text !== undefined);
  return wrong.length === 0 ? undefined : wrong.join("; ");
}

function exceeds(value: number | null, limit: number): boolean {
  return value === null || value > limit;
}

function distance(value: number | null, from: string): string {
  return value === null ? "is not a number" : `differs from ${from} by ${value.toExponential(0)} (relative)`;
}
