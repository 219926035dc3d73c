/**
 * @file Gradients of our kernels that have weights. tfjs asks for the gradient of every input on its own, so that a frozen weight's
 * is never computed. The others get theirs where they are called.
 */
import { type GradConfig, mul, sub, type Tensor } from "@tensorflow/tfjs-core";
import { columnSums } from "./column-sums.ts";
import { LINEAR_GRADIENTS } from "./linear-gradient.ts";
import { offersOwnKernel, runOwnKernel } from "./own-kernels.ts";

const rmsNorm: GradConfig = {
  kernelName: "RmsNorm",
  inputsToSave: ["x", "weight"],
  outputsToSave: [false, true],
  gradFunc: (dys, saved) => {
    const [dy] = dys as [Tensor, Tensor];
    const [x, weight, inverse] = saved as [Tensor, Tensor, Tensor];
    return {
      x: () => runOwnKernel("RmsNormGrad", { dy, x, weight, inverse })[0],
      weight: () => (offersOwnKernel("RmsNormWeightGrad") ? runOwnKernel("RmsNormWeightGrad", { dy, x, inverse })[0] : columnSums(mul(dy, mul(x, inverse)))),
    };
  },
};

const layerNorm: GradConfig = {
  kernelName: "LayerNorm",
  inputsToSave: ["x", "weight"],
  outputsToSave: [false, true, true],
  gradFunc: (dys, saved) => {
    const [dy] = dys as [Tensor, Tensor, Tensor];
    const [x, weight, mean, inverse] = saved as [Tensor, Tensor, Tensor, Tensor];
    return {
      x: () => runOwnKernel("LayerNormGrad", { dy, x, weight, mean, inverse })[0],
      weight: () => (offersOwnKernel("LayerNormWeightGrad") ? runOwnKernel("LayerNormWeightGrad", { dy, x, mean, inverse })[0] : columnSums(mul(dy, mul(sub(x, mean), inverse)))),
      bias: () => columnSums(dy),
    };
  },
};

export const OWN_GRADIENTS: readonly GradConfig[] = [rmsNorm, layerNorm, ...LINEAR_GRADIENTS];
