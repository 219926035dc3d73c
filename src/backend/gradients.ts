/**
 * @file tfjs-core's gradients. Its Node build registers none, and the file that does is ESM with extensionless imports
 * inside a CommonJS package, which plain Node refuses. tsx's CommonJS loader reads it; the engine and its registries
 * are process-global, so the second copy of the op code it brings is harmless.
 */
import { getGradient, type GradConfig, registerGradient } from "@tensorflow/tfjs-core";
import { require as requireEsm } from "tsx/cjs/api";
import { OWN_GRADIENTS } from "./own-gradients.ts";

/** Registers the gradient of every tfjs-core op and of our kernels, which takes a second; a second call does nothing. Only training needs them. */
export function registerGradients(): void {
  // tfjs-node brings tfjs's gradients, but not ours.
  if (registered("BatchMatMul") === undefined) requireEsm("@tensorflow/tfjs-core/dist/register_all_gradients.js", import.meta.url);
  for (const config of OWN_GRADIENTS) if (registered(config.kernelName) === undefined) registerGradient(config);
}

/** tfjs's own declaration leaves out that an op may have no gradient. */
function registered(kernelName: string): GradConfig | undefined {
  return getGradient(kernelName);
}
