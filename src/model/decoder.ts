/**
 * @file The decoder: pre-norm layers with rotary grouped-query attention and a gated MLP, then a final RMSNorm.
 * `params` are those under `language_model`.
 * Shapes: B batch row, S sequence, D width, N heads, K key/value heads, H head size, P past positions, L = P + S.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import { attend, headRows, mergedRows, mergeHeads, splitHeads } from "./attention.ts";
import type { Tiling } from "./attention-tiles.ts";
import type { BatchMask } from "./batch-mask.ts";
import { runBlock } from "./block.ts";
import { attendWithPast } from "./cached-attention.ts";
import type { LlmConfig } from "./config.ts";
import { decoderLayout, rotaryShape, type DecoderLayout } from "./decoder-layout.ts";
import { fusedAttention } from "./fused-attention.ts";
import { runLayer } from "./layer.ts";
import { headShape, type HeadShape } from "./layouts/layout.ts";
import { rmsNorm } from "./norm.ts";
import type { Params } from "./params.ts";
import { rope, ropeRows, ropeTables } from "./rope.ts";

interface DecoderTokens {
  readonly embeds_BSD: Tensor;
  /** [B * S], inside the segment, not inside the row. */
  readonly positionIds: Int32Array;
  /** One entry per layer; absent: nothing came before. */
  readonly past?: readonly LayerCache[];
}

interface WholeBias {
  /** [B, S, L]: 0 where a position may look, -1e9 where not. The past comes first along L. */
  readonly bias_BSL: Tensor;
}

/** Rows without a past may come with the mask of a batch. */
export type DecoderInputs = DecoderTokens & (WholeBias | BatchMask);

/** Keys, already rotated, and values of a layer: [B, K, P, H]. */
export interface LayerCache extends Readonly<Record<string, Tensor>> {
  readonly key: Tensor;
  readonly value: Tensor;
}

/** Hidden states [B, S, D] after the final norm. */
export function decode(params: Params, config: LlmConfig, inputs: DecoderInputs): Tensor {
  return tf.tidy(() => runDecoder(params, config, inputs, "hidden").hidden_BSD);
}

/** As `decode`, with the keys and values of the new positions alone: a cache adds them to its past. */
export function decodeWithCache(params: Params, config: LlmConfig, inputs: DecoderInputs): { hidden_BSD: Tensor; fresh: LayerCache[] } {
  return tf.tidy(() => runDecoder(params, config, inputs, "hidden-and-cache"));
}

type Output = "hidden" | "hidden-and-cache";

function runDecoder(params: Params, config: LlmConfig, inputs: DecoderInputs, output: Output): { hidden_BSD: Tensor; fresh: LayerCache[] } {
  const layout = decoderLayout(config);
  const spec = { ...layerSpec(config, output), tiling: "tiling" in inputs ? inputs.tiling : undefined };
  const mask = maskTensors(inputs);
  const [batchSize = 0] = inputs.embeds_BSD.shape;
  const tables = ropeTables(inputs.positionIds, { batchSize, ...rotaryShape(config, layout) });
  const fresh: LayerCache[] = [];
  let x = inputs.embeds_BSD;
  for (let index = 0; index < config.num_hidden_layers; index++) {
    const past = pastOf(inputs.past, index);
    const layerInputs: LayerInputs = { x, ...tables, ...mask, ...past };
    const [hidden, key, value] = tf.tidy(() =>
      runBlock({
        name: blockName(layout, spec),
        params: params.scope(layout.layer(index)),
        inputs: layerInputs,
        fn: (weights, tensors) => decoderLayer(weights, tensors, { layout, spec }),
      }),
    );
    invariant(hidden !== undefined, () => `decoder layer ${index} returned nothing`);
    x = hidden;
    if (key !== undefined && value !== undefined) fresh.push({ key, value });
  }
  return { hidden_BSD: finalNorm(params.scope(layout.finalNorm), x, spec.eps), fresh };
}

function maskTensors(inputs: DecoderInputs): Pick<LayerInputs, "bias" | "seenUntil"> {
  if ("seenUntil" in inputs) return { seenUntil: inputs.seenUntil };
  return { bias: "bias_BSL" in inputs ? inputs.bias_BSL : inputs.bias };
}

function pastOf(past: readonly LayerCache[] | undefined, index: number): { pastKey: Tensor; pastValue: Tensor } | undefined {
  if (past === undefined) return undefined;
  const layer = past[index];
  invariant(layer !== undefined, () => `the past has ${past.length} layers, layer ${index} asks for its own`);
  return { pastKey: layer.key, pastValue: layer.value };
}

function finalNorm(params: Params, x: Tensor, eps: number): Tensor {
  return runLayer({ name: `decoder-norm/eps${eps}`, params, inputs: { x }, fn: (weights, own) => [rmsNorm(own.x, weights.get("weight"), eps)] });
}

export interface DecoderLayerSpec extends HeadShape {
  readonly eps: number;
  readonly output: Output;
  readonly tiling?: Tiling | undefined;
}

/** The numbers a layer closes over. */
export function layerSpec(config: LlmConfig, output: Output): DecoderLayerSpec {
  return {
    ...headShape(config),
    eps: config.rms_norm_eps,
    output,
  };
}

function blockName(layout: DecoderLayout, spec: DecoderLayerSpec): string {
  const tiles = spec.tiling === undefined ? "whole" : `tiles${spec.tiling.chunk}x${spec.tiling.lookback}`;
  return `decoder-layer/${layout.name}/h${spec.numHeads}/kv${spec.numKvHeads}/d${spec.headDim}/eps${spec.eps}/${tiles}/${spec.output}`;
}

/** The tensors of a layer's block. */
export interface LayerInputs extends Record<string, Tensor> {
  /** [B, S, D] */
  x: Tensor;
  /** [B, S, H], of `ropeTables`. */
  cos: Tensor;
  sin: Tensor;
  /** [B, S, L], or a `TiledBias`'s */
  bias?: Tensor;
  /** Of a `SeenUntil`, in place of a bias. */
  seenUntil?: Tensor;
  /** [B, K, P, H] */
  pastKey?: Tensor;
  pastValue?: Tensor;
}

/** One layer: [x], or [x, key, value] with the keys (rotated) and values of the new positions, [B, K, S, H]. */
export function decoderLayer(params: Params, inputs: LayerInputs, { layout, spec }: { layout: DecoderLayout; spec: DecoderLayerSpec }): Tensor[] {
  const [batchSize = 0, length = 0, width = 0] = inputs.x.shape;
  const rows = tf.reshape(inputs.x, [batchSize * length, width]);
  const projected = layout.projectIn(params, rmsNorm(rows, params.get(`${layout.attentionNorm}.weight`), spec.eps), spec);
  const { attended, key, value } = inputs.seenUntil === undefined ? attendByHead(projected, inputs, spec) : attendInRows(projected, inputs, spec);
  const between = tf.add(rows, dropped(params, "attention", layout.projectOut(params, attended)));
  const fed = dropped(params, "mlp", layout.mlp(params, rmsNorm(between, params.get(`${layout.mlpNorm}.weight`), spec.eps)));
  const output = tf.reshape(tf.add(between, fed), [batchSize, length, width]);
  return spec.output === "hidden" ? [output] : [output, key(), value()];
}

/** What a half of a layer adds to its input; in a training step with dropout some of it. */
function dropped(params: Params, half: string, rows: Tensor): Tensor {
  return params.drops("residual") ? tf.mul(rows, params.dropoutMask("residual", half, rows.shape)) : rows;
}

/** What a layout projects a layer's rows on: [B * S, N * H], [B * S, K * H] twice. */
type ProjectedRows = ReturnType<DecoderLayout["projectIn"]>;

interface Attended {
  /** [B * S, N * H] */
  readonly attended: Tensor;
  /** [B, K, S, H], made when asked for. */
  readonly key: () => Tensor;
  readonly value: () => Tensor;
}

function attendByHead(projected: ProjectedRows, inputs: LayerInputs, { numHeads, numKvHeads, tiling }: DecoderLayerSpec): Attended {
  const [batchSize = 0] = inputs.x.shape;
  const query = rope(splitHeads(projected.query, { batchSize, numHeads }), inputs);
  const key = rope(splitHeads(projected.key, { batchSize, numHeads: numKvHeads }), inputs);
  const value = splitHeads(projected.value, { batchSize, numHeads: numKvHeads });
  return { attended: mergeHeads(attendAs({ query, key, value }, inputs, tiling)), key: () => key, value: () => value };
}

/** Where the backend attends to heads where they lie, in the rows that linear layers give and take. */
function attendInRows(projected: ProjectedRows, inputs: LayerInputs, { numHeads, numKvHeads }: DecoderLayerSpec): Attended {
  const [batchSize = 0] = inputs.x.shape;
  const query = ropeRows(headRows(projected.query, { batchSize, numHeads }), inputs);
  const key = ropeRows(headRows(projected.key, { batchSize, numHeads: numKvHeads }), inputs);
  const value = headRows(projected.value, { batchSize, numHeads: numKvHeads });
  const byHead = (x: Tensor): Tensor => tf.transpose(x, [0, 2, 1, 3]);
  return { attended: mergedRows(fusedAttention({ query, key, value, seenUntil: inputs.seenUntil })), key: () => byHead(key), value: () => byHead(value) };
}

function attendAs(heads: { readonly query: Tensor; readonly key: Tensor; readonly value: Tensor }, { bias, pastKey, pastValue }: LayerInputs, tiling: Tiling | undefined): Tensor {
  if (pastKey === undefined || pastValue === undefined) return attend({ ...heads, ...(bias && { bias }), tiling });
  invariant(bias !== undefined, () => "a past without a mask");
  return attendWithPast({ ...heads, pastKey, pastValue, bias });
}
