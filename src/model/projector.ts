/**
 * @file From a tower's states to decoder tokens: neighbours are joined along the channels, then an MLP maps them to the
 * decoder's width. Shapes: I tiles, P tokens, A sounds, T encoder positions, C channels.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { gelu } from "./activation.ts";
import { linear } from "./linear.ts";
import { DEFAULT_NORM_EPS, norm } from "./norm.ts";
import type { Params } from "./params.ts";

/** LayerNorm, Linear, GELU, Linear under the names 0, 1, 3 (2 is the activation): InternVL's mlp1. */
export function project(params: Params, x: Tensor): Tensor {
  const normed = norm(params, "0", x, { kind: "layer_norm", eps: DEFAULT_NORM_EPS });
  return linear(params, "3", gelu(linear(params, "1", normed)));
}

export interface PixelShuffleOptions {
  /** Rows and columns of patches. */
  readonly grid: readonly [number, number];
  /** Side of the square of patches that becomes one token: 1 / downsample_ratio. */
  readonly side: number;
  /** v1 leaves the tokens column by column, as the first InternVL checkpoints were trained. */
  readonly version: "v1" | "v2";
}

/** [I, rows * columns, C] patches as [I * P, side^2 * C]; channel (dy * side + dx) * C + c holds patch (dy, dx) of the square. */
export function pixelShuffle(x: Tensor, { grid: [rows, columns], side, version }: PixelShuffleOptions): Tensor {
  const [images = 0, patches = 0, channels = 0] = x.shape;
  const squares = tf.reshape(x, [images, rows / side, side, columns / side, side, channels]);
  const order = version === "v2" ? [0, 1, 3, 2, 4, 5] : [0, 3, 1, 2, 4, 5];
  return tf.reshape(tf.transpose(squares, order), [(images * patches) / side ** 2, side ** 2 * channels]);
}

/** [A, T, C] positions as [A * ceil(T / size), size * C]: `size` successive ones joined, the last group filled up with zeros. */
export function stackFrames(x: Tensor, size: number): Tensor {
  const [sounds = 0, positions = 0, channels = 0] = x.shape;
  const tokens = Math.ceil(positions / size);
  const missing = tokens * size - positions;
  const filled = missing === 0 ? x : tf.pad(x, [[0, 0], [0, missing], [0, 0]]);
  return tf.reshape(filled, [sounds * tokens, size * channels]);
}
