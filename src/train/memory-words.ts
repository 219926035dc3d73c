/** @file What is said of memory that is missing: errors, warnings, and what would need less. No model code is loaded for it. */
import type { DeviceLimits } from "../backend/device-limits.ts";
import type { Problem } from "../core/errors.ts";
import type { MemoryEstimate } from "./memory-estimate.ts";
import type { LargeTensor, Saving, StageFit, StageNeed } from "./memory-fit.ts";

type NeedAndFit = Pick<StageNeed, "estimate"> & StageFit;

/** Why the stages cannot be trained, to be thrown together; empty when they can, or when that is not known. */
export function fitProblems(fits: readonly NeedAndFit[], limits: DeviceLimits): Problem[] {
  const large = new Map(fits.flatMap(({ tooLarge }) => tooLarge).map((tensor) => [`${tensor.name} ${tensor.bytes}`, tensor]));
  return [
    ...[...large.values()].map((tensor) => largeProblem(tensor, limits)),
    ...fits.filter(({ verdict }) => verdict === "exceeds").map((fit) => memoryProblem(fit, limits)),
  ];
}

function largeProblem({ name, shape, bytes }: LargeTensor, { of, largestTensor = 0 }: DeviceLimits): Problem {
  return {
    kind: "ConfigError",
    where: "memory",
    what: `${name} is a tensor too large for ${of}. Got ${shape.map((side) => side.toLocaleString("en")).join(" x ")} float32 = ${gigabytes(bytes / 1e6)}, expected at most ${gigabytes(largestTensor / 1e6)}`,
    hint: name.endsWith("largest batch") ? "Use a smaller budget.rowsPerBatch or budget.rowTokens, or --backend onnxruntime, which has no such limit." : "Use --backend onnxruntime or tensorflow, which have no such limit, or a smaller model.",
  };
}

function memoryProblem({ stage, estimate, savings }: NeedAndFit, { of, memory }: DeviceLimits): Problem {
  const { weights, gradients, moments, activations, peak, least } = estimate;
  return {
    kind: "ConfigError",
    where: "memory",
    what: `stage ${stage} does not fit into ${of}. Got about ${gigabytes(peak)}, ${gigabytes(least)} at the very least (weights ${gigabytes(weights)}, gradients ${gigabytes(gradients)}, AdamW ${gigabytes(moments)}, activations ${gigabytes(activations.intermediates)} or with gradient checkpointing ${gigabytes(activations.inputs)}), expected at most ${gigabytes((memory?.bytes ?? 0) / 1e6)} (${memory?.source ?? ""})`,
    hint: savingsHint(estimate, savings),
  };
}

function savingsHint({ peak }: MemoryEstimate, savings: readonly Saving[]): string {
  if (savings.length === 0) return "Use a smaller model, or a device with more memory.";
  return `What would need less: ${savings.map((saving) => renderSaving(saving, peak)).join("; ")}.`;
}

/** `budget.gradientCheckpointing: true saves 30.6 GB (about 64.1 GB)`. */
export function renderSaving({ setting, peak }: Saving, before: number): string {
  return peak < before ? `${setting} saves ${gigabytes(before - peak)} (about ${gigabytes(peak)})` : `${setting} needs about ${gigabytes(peak)}`;
}

/** The warning about a stage that may not fit; undefined where there is none to give. */
export function fitWarning({ stage, estimate, verdict, savings }: NeedAndFit, limits: DeviceLimits): string | undefined {
  if (verdict !== "close" || limits.memory === undefined) return undefined;
  const { least, most } = estimate;
  return `stage ${stage} may not fit: ${gigabytes(least)} to ${gigabytes(most)} of the ${gigabytes(limits.memory.bytes / 1e6)} of ${limits.of} (${limits.memory.source}). ${savingsHint(estimate, savings)}`;
}

function gigabytes(megabytes: number): string {
  return megabytes < 995 ? `${Math.ceil(megabytes)} MB` : `${(megabytes / 1000).toFixed(megabytes < 9995 ? 2 : 1)} GB`;
}
