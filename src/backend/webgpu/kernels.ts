/** @file Our kernels on this backend, by name. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { OwnKernel } from "../own-kernels.ts";
import { gelu, geluGrad, swiglu, swigluGrad } from "./activations.ts";
import { adamw } from "./adamw.ts";
import { columnSums, layerNormWeightGrad, rmsNormWeightGrad } from "./columnwise.ts";
import { copyRows } from "./copy-rows.ts";
import { dropoutMask } from "./dropout.ts";
import { crossEntropy, crossEntropyGrad } from "./cross-entropy.ts";
import { attention, attentionGrad } from "./attention.ts";
import { widenHalves } from "./halves.ts";
import { columnsProduct, linear, linearDown, linearInputGrad } from "./linear.ts";
import { batchMatMul } from "./matmul.ts";
import { layerNorm, layerNormGrad, rmsNorm, rmsNormGrad } from "./norms.ts";
import { rope, ropeRows } from "./rope.ts";
import { squareSums } from "./square-sums.ts";
import { sumRows } from "./sum-rows.ts";

export interface KernelCall {
  readonly backend: WebGPUBackend;
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attributes: NamedAttrMap;
}

export type WebGpuKernel = (call: KernelCall) => TensorInfo | TensorInfo[];

/** Kernels of `own-kernels.ts`. */
export const OWN_KERNELS: Readonly<Partial<Record<OwnKernel, WebGpuKernel>>> = {
  Attention: attention,
  AttentionGrad: attentionGrad,
  ColumnsProduct: columnsProduct,
  Linear: linear,
  LinearDown: linearDown,
  LinearInputGrad: linearInputGrad,
  TreeAttention: attention,
  TreeAttentionGrad: attentionGrad,
  AdamW: adamw,
  ColumnSums: columnSums,
  CopyRows: copyRows,
  CrossEntropy: crossEntropy,
  CrossEntropyGrad: crossEntropyGrad,
  DropoutMask: dropoutMask,
  Gelu: gelu,
  GeluGrad: geluGrad,
  LayerNorm: layerNorm,
  LayerNormGrad: layerNormGrad,
  LayerNormWeightGrad: layerNormWeightGrad,
  RmsNorm: rmsNorm,
  RmsNormGrad: rmsNormGrad,
  RmsNormWeightGrad: rmsNormWeightGrad,
  Rope: rope,
  RopeRows: ropeRows,
  SquareSums: squareSums,
  SumRows: sumRows,
  SwiGlu: swiglu,
  SwiGluGrad: swigluGrad,
  WidenHalves: widenHalves,
};

/** Kernels of tfjs's that are wrong or slow there. */
export const REPLACED_KERNELS: Readonly<Record<string, WebGpuKernel>> = {
  BatchMatMul: batchMatMul,
};
