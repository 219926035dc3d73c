/**
 * @file Kernels of our own in tfjs's registry: what a backend may offer in one piece where the model would otherwise
 * compose it from tfjs's ops. A backend that registers a name keeps the contract below, for every shape; the model's op
 * functions hold the composition, which is the reference.
 * Shapes: T rows, D width, M positions, V vocabulary, R rank of an adapter, `...` any leading dimensions.
 */
import { engine, getBackend, getKernel, type Tensor } from "@tensorflow/tfjs-core";
import type { AdamWScalars } from "./adamw-kernel.ts";
import type { MaskNumbers } from "./dropout-mask.ts";

/** Inputs (`?` may be absent), attributes and outputs by kernel. */
export interface OwnKernels {
  /** Logits [M, V], labels [M] as numbers >= 0, counted [M] 1 or 0: losses [M] = -log softmax(logits)[label] counted, and log softmax. */
  CrossEntropy: { inputs: "logits" | "labels" | "counted"; attributes: never; outputs: [losses: Tensor, logProbs: Tensor] };
  /** Weight [M], 0 where not counted: weight (softmax - onehot(label)). */
  CrossEntropyGrad: { inputs: "logProbs" | "labels" | "weight"; attributes: never; outputs: [dLogits: Tensor] };
  /** x Phi(x), exact. */
  Gelu: { inputs: "x"; attributes: never; outputs: [y: Tensor] };
  GeluGrad: { inputs: "dy" | "x"; attributes: never; outputs: [dx: Tensor] };
  /** silu(gate) * up. */
  SwiGlu: { inputs: "gate" | "up"; attributes: never; outputs: [y: Tensor] };
  SwiGluGrad: { inputs: "dy" | "gate" | "up" | "y"; attributes: never; outputs: [dGate: Tensor, dUp: Tensor] };
  /** Over the last axis; `inverse` [..., 1] is 1 / sqrt(mean(x^2) + eps). The gradient is x's. */
  RmsNorm: { inputs: "x" | "weight"; attributes: "eps"; outputs: [y: Tensor, inverse: Tensor] };
  RmsNormGrad: { inputs: "dy" | "x" | "weight" | "inverse"; attributes: never; outputs: [dx: Tensor] };
  /** The weight's gradient [D]; like LayerNorm's and ColumnSums composed from tfjs's ops where a backend lacks it. */
  RmsNormWeightGrad: { inputs: "dy" | "x" | "inverse"; attributes: never; outputs: [dWeight: Tensor] };
  /** Over the last axis; `mean` and `inverse` = 1 / sqrt(variance + eps) are [..., 1]. The gradient is x's. */
  LayerNorm: { inputs: "x" | "weight" | "bias"; attributes: "eps"; outputs: [y: Tensor, mean: Tensor, inverse: Tensor] };
  LayerNormGrad: { inputs: "dy" | "x" | "weight" | "mean" | "inverse"; attributes: never; outputs: [dx: Tensor] };
  LayerNormWeightGrad: { inputs: "dy" | "x" | "mean" | "inverse"; attributes: never; outputs: [dWeight: Tensor] };
  /** [..., D] summed over all but the last axis: [D]. */
  ColumnSums: { inputs: "x"; attributes: never; outputs: [sums: Tensor] };
  /**
   * Linear layers with one input: see `runLinearKernel` for the inputs. Outputs: where any layer has an adapter, the
   * scaled scale x A^T of all of them side by side [T, sum of R], else nothing or an empty tensor; then y = x W^T + bias + scale (x A^T) B^T of each.
   */
  Linear: { inputs: `${number}`; attributes: "hasBias" | "hasAdapter"; outputs: Tensor[] };
  /** dx = sum of dy W, plus dDown A: see `runLinearInputGrad` for the inputs. */
  LinearInputGrad: { inputs: `${number}`; attributes: "layers"; outputs: [dx: Tensor] };
  /** [out, in / 2] int32, pairs of halves as half-weight.ts has them: the numbers [out, in]. Where it is offered, `Linear` and `LinearInputGrad` take such weights too. */
  WidenHalves: { inputs: "halves"; attributes: never; outputs: [weight: Tensor] };
  /** scale dy B of every adapter side by side, [T, sum of R]. Inputs in order: dy [T, out], B and scale of each. */
  LinearDown: { inputs: `${number}`; attributes: never; outputs: [dDown: Tensor] };
  /** a^T b for a [T, M] and b [T, N], of only the columns [start, count] of a or of b. */
  ColumnsProduct: { inputs: "a" | "b"; attributes: "ofA" | "ofB"; outputs: [product: Tensor] };
  /**
   * `Linear` and its gradient with x [D, T] where `columnsIn`, y [D, T] where `columnsOut`: for backends that multiply few
   * rows faster with the weight on the left. The first output stays [T, sum of R].
   */
  LinearColumns: { inputs: `${number}`; attributes: "hasBias" | "hasAdapter" | keyof Orientation; outputs: Tensor[] };
  LinearColumnsInputGrad: { inputs: `${number}`; attributes: "layers" | keyof Orientation; outputs: [dx: Tensor] };
  /**
   * softmax(query key^T / sqrt(H)) value as [B, S, N, H] for query [B, S, N, H], key and value [B, L, K, H]; query head n reads
   * key head floor(n / (N / K)). `logSum` [B, S, N]: logarithm of the sum of a query's exponentials. Scores are never in memory.
   */
  Attention: { inputs: "query" | "key" | "value"; attributes: never; outputs: [output: Tensor, logSum: Tensor] };
  AttentionGrad: { inputs: "query" | "key" | "value" | "dy" | "output" | "logSum"; attributes: never; outputs: [dQuery: Tensor, dKey: Tensor, dValue: Tensor] };
  /** `Attention` where S = L and a query sees a key if key <= query < seenUntil[key]. `seenUntil` int32 [B, L + ceil(L / 32)]: behind the keys' the largest of every 32. */
  TreeAttention: { inputs: "query" | "key" | "value" | "seenUntil"; attributes: never; outputs: [output: Tensor, logSum: Tensor] };
  TreeAttentionGrad: { inputs: "query" | "key" | "value" | "dy" | "output" | "logSum" | "seenUntil"; attributes: never; outputs: [dQuery: Tensor, dKey: Tensor, dValue: Tensor] };
  /** x [B, N, S, H], cos and sin [B, S, H] of `ropeTables`; `inverse` true rotates back. */
  Rope: { inputs: "x" | "cos" | "sin"; attributes: "inverse"; outputs: [y: Tensor] };
  /** `Rope` of x [B, S, N, H]. */
  RopeRows: { inputs: "x" | "cos" | "sin"; attributes: "inverse"; outputs: [y: Tensor] };
  /** Of `fillDropoutMask` (backend/dropout-mask.ts), [rows, width]; the same numbers on every backend. */
  DropoutMask: { inputs: never; attributes: "rows" | "width" | keyof MaskNumbers; outputs: [mask: Tensor] };
  /**
   * One step of `adamwStep` (train/adamw.ts) for every parameter. Inputs in order: parameter, gradient and both moments of each,
   * of one size; all but the gradient are changed in place. Attributes: a number of each.
   */
  AdamW: { inputs: `${number}`; attributes: keyof AdamWScalars; outputs: [] };
  /**
   * target[to[i]] = source[from[i]] in place, for every i. Both are rows of source's last axis, of one dtype, and two tensors; from
   * and to [n] int32 are rows that exist, none twice in `to`.
   */
  CopyRows: { inputs: "source" | "target" | "from" | "to"; attributes: never; outputs: [] };
  /**
   * [rows, D]: row r is the sum of the rows of `values` [M, D] that r's list names. `lists` int32 [rows + 1 + ...]: where every
   * list begins and, once more, where the last one ends, then the lists one behind the other.
   */
  SumRows: { inputs: "values" | "lists"; attributes: "rows"; outputs: [sums: Tensor] };
  /** One-dimensional: numbers that add up to the sum of the squares of all tensors' numbers. */
  SquareSums: { inputs: `${number}`; attributes: never; outputs: [sums: Tensor] };
}

export type OwnKernel = keyof OwnKernels;

/** Whether the current backend has the kernel and takes `x`, its first input: only float32 tensors that are not empty. */
export function hasOwnKernel(name: OwnKernel, x: Tensor): boolean {
  return x.dtype === "float32" && x.size > 0 && offersOwnKernel(name);
}

/** Whether the current backend has the kernel. */
export function offersOwnKernel(name: OwnKernel): boolean {
  return kernelOf(name) !== undefined;
}

type Inputs<K extends OwnKernel> = Readonly<Record<OwnKernels[K]["inputs"], Tensor>>;
type Attributes<K extends OwnKernel> = Readonly<Record<OwnKernels[K]["attributes"], number | boolean | boolean[] | number[]>>;

/** The kernel's outputs. */
export function runOwnKernel<K extends OwnKernel>(name: K, inputs: Inputs<K>, attributes?: Attributes<K>): OwnKernels[K]["outputs"] {
  return engine().runKernel<OwnKernels[K]["outputs"]>(name, inputs, attributes);
}

/** The weights of a linear layer: weight [out, in], or its halves [out, in / 2]; bias [out]; adapter A [R, in] and B [out, R] with its scalar. */
export interface LinearParts {
  readonly weight: Tensor;
  readonly bias?: Tensor;
  readonly adapter?: { readonly a: Tensor; readonly b: Tensor; readonly scale: Tensor };
}

/** Which of a linear layer's input and output are columns, [D, T] instead of [T, D]. */
export interface Orientation {
  readonly columnsIn: boolean;
  readonly columnsOut: boolean;
}

/** The outputs of linear layers for one x [T, in]. Inputs in order: x, then of each layer its weight and, where it has them, bias, A, B, scale. */
export function runLinearKernel(x: Tensor, layers: readonly LinearParts[], orientation?: Orientation): Tensor[] {
  const inputs = [x, ...layers.flatMap(({ weight, bias, adapter }) => [weight, bias, adapter?.a, adapter?.b, adapter?.scale])].filter((tensor) => tensor !== undefined);
  const attributes = { hasBias: layers.map(({ bias }) => bias !== undefined), hasAdapter: layers.map(({ adapter }) => adapter !== undefined) };
  const outputs = orientation === undefined ? runOwnKernel("Linear", inputs, attributes) : runOwnKernel("LinearColumns", inputs, { ...attributes, ...orientation });
  return outputs.slice(-layers.length);
}

export interface LinearInputGrad {
  readonly layers: readonly { readonly dy: Tensor; readonly weight: Tensor }[];
  readonly adapters: { readonly dDown: Tensor; readonly a: readonly Tensor[] } | undefined;
  readonly orientation: Orientation | undefined;
}

/** Gradient of what went into linear layers. Inputs in order: dy and weight of each layer, then dDown [T, sum of R] and every A, where there are adapters. */
export function runLinearInputGrad({ layers, adapters, orientation }: LinearInputGrad): Tensor {
  const inputs = [...layers.flatMap(({ dy, weight }) => [dy, weight]), ...(adapters === undefined ? [] : [adapters.dDown, ...adapters.a])];
  const attributes = { layers: layers.length };
  const [dx] = orientation === undefined ? runOwnKernel("LinearInputGrad", inputs, attributes) : runOwnKernel("LinearColumnsInputGrad", inputs, { ...attributes, ...orientation });
  return dx;
}

/** tfjs's own declaration leaves out that a backend may not have a kernel. */
function kernelOf(name: OwnKernel): ReturnType<typeof getKernel> | undefined {
  return getKernel(name, getBackend());
}
