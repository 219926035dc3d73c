/** @file The linear layer: the only place that knows LoRA. Weights keep the checkpoint's orientation, [out, in]. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { hasOwnKernel, type LinearParts, type Orientation, runLinearKernel } from "../backend/own-kernels.ts";
import { addDroppedAdapter } from "./dropped-adapter.ts";
import type { Params } from "./params.ts";

/** Adapter under a layer's name: A [rank, in] and B [out, rank]; y += scale B(A x). */
export const LORA_A = "lora_A.weight";
export const LORA_B = "lora_B.weight";
/** Scalar under a layer's name that scales its adapter: alpha / rank. */
export const LORA_SCALE = "lora_scale";

/** x W^T, plus the bias and the adapter where `params` has them; `x` is [rows, in], the result [rows, out]. */
export function linear(params: Params, name: string, x: Tensor): Tensor {
  return linears(params, [name], x)[0];
}

/** `linear` of several layers with the same input, which is read once for all adapters, forward and backward. */
export function linears<const N extends readonly string[]>(params: Params, names: N, x: Tensor): { readonly [I in keyof N]: Tensor } {
  const layers = names.map((name) => partsOf(params, name, x));
  const outputs = dropsAny(params, layers) ? droppedLinears(params, names, { layers, x }) : plainLinears(layers, x);
  // One output for every name.
  return outputs as unknown as { readonly [I in keyof N]: Tensor };
}

function plainLinears(layers: readonly LinearParts[], x: Tensor): Tensor[] {
  return hasOwnKernel("Linear", x) ? runLinearKernel(x, layers) : layers.map((parts) => composedLinear(parts, x));
}

function dropsAny(params: Params, layers: readonly LinearParts[]): boolean {
  return layers.some(({ adapter }) => adapter !== undefined) && params.drops("adapters");
}

/** Every adapter has a mask of its own, so that they cannot read x together. */
function droppedLinears(params: Params, names: readonly string[], { layers, x }: { readonly layers: readonly LinearParts[]; readonly x: Tensor }): Tensor[] {
  return tf.tidy(() => {
    const bases = plainLinears(layers.map(({ adapter: _, ...base }) => base), x);
    return bases.map((base, i) => {
      const [adapter, name = ""] = [layers[i]?.adapter, names[i]];
      return adapter === undefined ? base : addDroppedAdapter(base, { x, adapter, mask: () => params.dropoutMask("adapters", name, x.shape) });
    });
  });
}

/** `linears` of x and to results that are columns, [width, rows], where `orientation` says so. */
export function orientedLinears<const N extends readonly string[]>(params: Params, names: N, x: Tensor, orientation: Orientation): { readonly [I in keyof N]: Tensor } {
  const layers = names.map((name) => partsOf(params, name, x));
  const isFused = hasOwnKernel("LinearColumns", x) && !dropsAny(params, layers);
  const outputs = isFused ? runLinearKernel(x, layers, orientation) : composedOriented(params, names, x, orientation);
  return outputs as unknown as { readonly [I in keyof N]: Tensor };
}

function composedOriented(params: Params, names: readonly string[], x: Tensor, { columnsIn, columnsOut }: Orientation): Tensor[] {
  const outputs = linears(params, names, columnsIn ? tf.transpose(x) : x);
  return outputs.map((y) => (columnsOut ? tf.transpose(y) : y));
}

function partsOf(params: Params, name: string, x: Tensor): LinearParts {
  const weight = (hasOwnKernel("Linear", x) ? params.halves(`${name}.weight`) : undefined) ?? params.get(`${name}.weight`);
  const bias = params.has(`${name}.bias`) ? { bias: params.get(`${name}.bias`) } : {};
  if (!params.has(`${name}.${LORA_A}`)) return { weight, ...bias };
  return { weight, ...bias, adapter: { a: params.get(`${name}.${LORA_A}`), b: params.get(`${name}.${LORA_B}`), scale: params.get(`${name}.${LORA_SCALE}`) } };
}

function composedLinear({ weight, bias, adapter }: LinearParts, x: Tensor): Tensor {
  const base = tf.matMul(x, weight, false, true);
  const biased = bias === undefined ? base : tf.add(base, bias);
  if (adapter === undefined) return biased;
  const down = tf.matMul(x, adapter.a, false, true);
  return tf.add(biased, tf.matMul(tf.mul(down, adapter.scale), adapter.b, false, true));
}
