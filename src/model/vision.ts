/**
 * @file InternViT: patch embedding, pre-norm layers with layer scale. No norm before the first layer, none after the last.
 * `params` are those under `vision_model`. Shapes: I tiles, Y X C height width channels, P patches, T = 1 + P, D width.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { attendRows } from "./attention.ts";
import type { VisionConfig } from "./config.ts";
import { runLayer } from "./layer.ts";
import { linear } from "./linear.ts";
import { geluMlp } from "./mlp.ts";
import { norm, rmsNorm } from "./norm.ts";
import type { Params } from "./params.ts";
import { interpolatePositions } from "./positions.ts";

/**
 * Hidden states [I, T, D] of normalised pixels [I, Y, X, C], class token first.
 *
 * @param layers - how many layers to run; 0 gives the embeddings.
 */
export function encodeImages(params: Params, config: VisionConfig, pixels_IYXC: Tensor, layers: number = config.num_hidden_layers): Tensor {
  let x_ITD = embedPatches(params, config, pixels_IYXC);
  for (let index = 0; index < layers; index++) x_ITD = visionLayer(params.scope(`encoder.layers.${index}`), config, x_ITD);
  return x_ITD;
}

/** Layers to run so that the result is hidden_states[select_layer] of the original (0: embeddings, -1: after the last). */
export function layersUpTo(selectLayer: number, config: VisionConfig): number {
  return selectLayer < 0 ? config.num_hidden_layers + 1 + selectLayer : selectLayer;
}

/** Rows and columns of patches of a picture. */
export function patchGrid(pixels_IYXC: Tensor, config: VisionConfig): [number, number] {
  const [, height = 0, width = 0] = pixels_IYXC.shape;
  return [height / config.patch_size, width / config.patch_size];
}

function embedPatches(params: Params, config: VisionConfig, pixels_IYXC: Tensor): Tensor {
  const size = config.patch_size;
  return runLayer({
    name: `vision-embed/p${size}`,
    params: params.scope("embeddings"),
    inputs: { x: pixels_IYXC },
    fn: (weights, { x }) => {
      const patches = patchesToTokens(weights, x, size);
      // The class token's row is zero before its offset is added: cheaper than repeating it for every tile.
      return [tf.add(tf.pad(patches, [[0, 0], [1, 0], [0, 0]]), tokenOffsets(weights, patchGrid(x, config)))];
    },
  });
}

/** [1, T, D]: what is added to the class token's place (its embedding included) and to every patch. */
function tokenOffsets(params: Params, grid: readonly [number, number]): Tensor {
  const stored = params.get("position_embedding");
  const [, tokens = 0, width = 0] = stored.shape;
  const classToken = tf.add(tf.slice(stored, [0, 0, 0], [1, 1, width]), params.get("class_embedding"));
  const patches = interpolatePositions(tf.reshape(tf.slice(stored, [0, 1, 0], [1, tokens - 1, width]), [tokens - 1, width]), grid);
  return tf.concat([classToken, tf.reshape(patches, [1, grid[0] * grid[1], width])], 1);
}

/** [I, P, D]: the patch convolution as one product, every patch flattened by (channel, row, column), the order of its weight. */
function patchesToTokens(params: Params, pixels: Tensor, size: number): Tensor {
  const [images = 0, height = 0, width = 0, channels = 0] = pixels.shape;
  const [rows, columns] = [height / size, width / size];
  const squares = tf.transpose(tf.reshape(pixels, [images, rows, size, columns, size, channels]), [0, 1, 3, 5, 2, 4]);
  const patches = tf.reshape(squares, [images * rows * columns, channels * size * size]);
  const kernel = params.get("patch_embedding.weight");
  const embedded = tf.matMul(patches, tf.reshape(kernel, [kernel.shape[0], channels * size * size]), false, true);
  const biased = params.has("patch_embedding.bias") ? tf.add(embedded, params.get("patch_embedding.bias")) : embedded;
  return tf.reshape(biased, [images, rows * columns, biased.shape[1] ?? 0]);
}

/** One layer, [I, T, D] to [I, T, D]; `params` are the layer's. */
export function visionLayer(params: Params, config: VisionConfig, x_ITD: Tensor): Tensor {
  const { num_attention_heads: numHeads, norm_type: kind, layer_norm_eps: eps, qk_normalization: hasQkNorm } = config;
  return runLayer({
    name: `vision-layer/h${numHeads}/${kind}/eps${eps}/qknorm-${hasQkNorm}`,
    params,
    inputs: { x: x_ITD },
    fn: (weights, { x }) => {
      const [images = 0, tokens = 0, width = 0] = x.shape;
      const rows = tf.reshape(x, [images * tokens, width]);
      const attended = selfAttention(weights.scope("attn"), norm(weights, "norm1", rows, { kind, eps }), { config, images });
      const between = tf.add(rows, tf.mul(attended, weights.get("ls1")));
      const fed = geluMlp(weights.scope("mlp"), norm(weights, "norm2", between, { kind, eps }));
      return [tf.reshape(tf.add(between, tf.mul(fed, weights.get("ls2"))), [images, tokens, width])];
    },
  });
}

/** `qkv` is [q | k | v], each with all heads; the 6B tower normalises q and k over the whole width. */
function selfAttention(params: Params, x: Tensor, { config, images }: { config: VisionConfig; images: number }): Tensor {
  const { num_attention_heads: numHeads, layer_norm_eps: eps, qk_normalization: hasQkNorm } = config;
  const [q, k, v] = threeParts(linear(params, "qkv", x));
  const query = hasQkNorm ? rmsNorm(q, params.get("q_norm.weight"), eps) : q;
  const key = hasQkNorm ? rmsNorm(k, params.get("k_norm.weight"), eps) : k;
  return linear(params, "proj", attendRows({ query, key, value: v }, { batchSize: images, numHeads }));
}

function threeParts(x: Tensor): [Tensor, Tensor, Tensor] {
  const [first, second, third] = tf.split(x, 3, 1);
  if (first === undefined || second === undefined || third === undefined) throw new Error("tf.split(x, 3) gave fewer than 3 parts");
  return [first, second, third];
}
