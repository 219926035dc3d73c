/** @file Our kernels on this backend, by name. */
import type { OwnKernel } from "../own-kernels.ts";
import { gelu, geluGrad, swiGlu, swiGluGrad } from "./fused-activations.ts";
import { crossEntropy, crossEntropyGrad } from "./fused-cross-entropy.ts";
import { linear, linearInputGrad } from "./fused-linear.ts";
import { linearColumns, linearColumnsInputGrad } from "./fused-linear-columns.ts";
import { layerNorm, layerNormGrad, rmsNorm, rmsNormGrad } from "./fused-norms.ts";
import { rope } from "./fused-rope.ts";
import type { Emitter } from "./kernels.ts";

export const OWN_EMITTERS: Readonly<Partial<Record<OwnKernel, Emitter>>> = {
  CrossEntropy: crossEntropy,
  CrossEntropyGrad: crossEntropyGrad,
  Gelu: gelu,
  GeluGrad: geluGrad,
  LayerNorm: layerNorm,
  LayerNormGrad: layerNormGrad,
  Linear: linear,
  LinearColumns: linearColumns,
  LinearColumnsInputGrad: linearColumnsInputGrad,
  LinearInputGrad: linearInputGrad,
  RmsNorm: rmsNorm,
  RmsNormGrad: rmsNormGrad,
  Rope: rope,
  SwiGlu: swiGlu,
  SwiGluGrad: swiGluGrad,
};
