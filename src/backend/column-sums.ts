/** @file Sums over all axes but the last, as a bias's gradient is. */
import { sum, type Tensor } from "@tensorflow/tfjs-core";
import { hasOwnKernel, runOwnKernel } from "./own-kernels.ts";

/** [..., D] as [D]. */
export function columnSums(x: Tensor): Tensor {
  if (hasOwnKernel("ColumnSums", x)) return runOwnKernel("ColumnSums", { x })[0];
  return sum(x, Array.from({ length: x.rank - 1 }, (_, axis) => axis));
}
