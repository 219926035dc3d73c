/** @file Feed-forward halves of the transformer layers; rows in, rows out. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { gelu, swiglu } from "./activation.ts";
import { hasOwnKernel } from "../backend/own-kernels.ts";
import { linear, linears, orientedLinears } from "./linear.ts";
import type { Params } from "./params.ts";

/** fc2(gelu(fc1(x))): InternViT's and Whisper's. */
export function geluMlp(params: Params, x: Tensor): Tensor {
  return linear(params, "fc2", gelu(linear(params, "fc1", x)));
}

export interface GatedNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** down(silu(gate(x)) * up(x)): Llama's and Qwen2's. */
export function gatedMlp(params: Params, names: GatedNames, x: Tensor): Tensor {
  const into = [names.gate, names.up] as const;
  const [rows = 0] = x.shape;
  if (!hasOwnKernel("LinearColumns", x) || !isFewRows(rows)) {
    const [gate, up] = linears(params, into, x);
    return linear(params, names.down, swiglu(gate, up));
  }
  const [gate, up] = orientedLinears(params, into, x, { columnsIn: false, columnsOut: true });
  const [output] = orientedLinears(params, [names.down], swiglu(gate, up), { columnsIn: true, columnsOut: false });
  return output;
}

/** One row alone is a product of its own kind; above, the weight on the left would be gone through more than once. */
function isFewRows(rows: number): boolean {
  return rows >= 2 && rows <= 128;
}
