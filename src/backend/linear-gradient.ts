/**
 * @file Gradients of our kernel for linear layers with one input. What passes through an adapter is
 * dDown = scale dy B [T, R]: dx += dDown A, dA = dDown^T x. All adapters read x once, side by side.
 */
import { concat, type GradConfig, matMul, mul, slice, sum, type Tensor, transpose } from "@tensorflow/tfjs-core";
import { runLinearInputGrad } from "./own-kernels.ts";

/** The inputs are a list; see `runLinearKernel`. */
export const linearGradient: GradConfig = {
  kernelName: "Linear",
  saveAllInputs: true,
  // The first: where there are adapters, scale x A^T.
  outputsToSave: [true],
  gradFunc: (dys, saved, { hasBias, hasAdapter }) => {
    const x = saved[0]!;
    const layers = layersOf([dys].flat(), saved, { hasBias: hasBias as boolean[], hasAdapter: hasAdapter as boolean[] });
    const adapters = layers.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter]));
    const side = adapters.length === 0 ? undefined : besideEachOther(x, adapters);
    return {
      0: () => runLinearInputGrad(layers, side === undefined ? undefined : { dDown: side.dDown, a: adapters.map(({ a }) => a) }),
      ...Object.fromEntries(layers.flatMap((layer) => layerThunks(layer, x))),
      ...Object.fromEntries(side === undefined ? [] : adapters.flatMap((adapter) => adapterThunks(adapter, { down: saved.at(-1)!, dA: side.dA }))),
    };
  },
};

interface Adapter {
  /** Of A among the inputs; B is the next. */
  readonly position: number;
  readonly a: Tensor;
  readonly dy: Tensor;
  readonly dDown: Tensor;
  /** Where its columns begin, beside the other adapters'. */
  readonly start: number;
}

interface Layer {
  /** Of the weight among the inputs; a bias is the next. */
  readonly position: number;
  readonly weight: Tensor;
  readonly hasBias: boolean;
  readonly dy: Tensor;
  readonly adapter: Adapter | undefined;
}

function layersOf(dys: readonly Tensor[], inputs: readonly Tensor[], { hasBias, hasAdapter }: { hasBias: readonly boolean[]; hasAdapter: readonly boolean[] }): Layer[] {
  let position = 1;
  let start = 0;
  return dys.slice(-hasBias.length).map((dy, i) => {
    const layer = { position, weight: inputs[position]!, hasBias: hasBias[i] === true, dy };
    position += layer.hasBias ? 2 : 1;
    if (hasAdapter[i] !== true) return { ...layer, adapter: undefined };
    const [a, b, scale] = inputs.slice(position, position + 3) as [Tensor, Tensor, Tensor];
    const adapter = { position, a, dy, dDown: mul(matMul(dy, b), scale), start };
    position += 3;
    start += a.shape[0];
    return { ...layer, adapter };
  });
}

/** dDown [T, sum of R], and A's gradients as columns [in, sum of R]: a thin product is faster with the thin side last. */
function besideEachOther(x: Tensor, adapters: readonly Adapter[]): { readonly dDown: Tensor; readonly dA: Tensor } {
  const dDown = adapters.length === 1 ? adapters[0]!.dDown : concat(adapters.map((adapter) => adapter.dDown), 1);
  return { dDown, dA: matMul(x, dDown, true, false) };
}

/** A position among the inputs, and that input's gradient. */
type Thunk = readonly [position: number, gradient: () => Tensor];

function layerThunks({ position, hasBias, dy }: Layer, x: Tensor): Thunk[] {
  const weight: Thunk = [position, () => matMul(dy, x, true, false)];
  return hasBias ? [weight, [position + 1, () => sum(dy, 0)]] : [weight];
}

function adapterThunks({ position, a, dy, start }: Adapter, { down, dA }: { readonly down: Tensor; readonly dA: Tensor }): Thunk[] {
  const [rank = 0] = a.shape;
  return [
    [position, () => transpose(slice(dA, [0, start], [-1, rank]))],
    [position + 1, () => matMul(dy, slice(down, [0, start], [-1, rank]), true, false)],
  ];
}
