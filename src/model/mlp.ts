/** @file Feed-forward halves of the transformer layers; rows in, rows out. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { gelu, swiglu } from "./activation.ts";
import { linear, linears } from "./linear.ts";
import type { Params } from "./params.ts";

/** fc2(gelu(fc1(x))): InternViT's and Whisper's. */
export function geluMlp(params: Params, x: Tensor): Tensor {
  return linear(params, "fc2", gelu(linear(params, "fc1", x)));
}

/** down(silu(gate(x)) * up(x)): Llama's and Qwen2's. */
export function gatedMlp(params: Params, x: Tensor): Tensor {
  const [gate, up] = linears(params, ["gate_proj", "up_proj"], x);
  return linear(params, "down_proj", swiglu(gate, up));
}
