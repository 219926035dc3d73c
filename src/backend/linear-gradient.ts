/**
 * @file Gradients of our kernel for linear layers with one input. What passes through an adapter is
 * dDown = scale dy B [T, R]: dx += dDown A, dA = dDown^T x. All adapters read x once, side by side.
 */
import { concat, type GradConfig, matMul, mul, type NamedAttrMap, slice, sum, type Tensor, transpose } from "@tensorflow/tfjs-core";
import { type Orientation, type OwnKernel, runLinearInputGrad } from "./own-kernels.ts";

export const LINEAR_GRADIENTS: readonly GradConfig[] = [
  linearGradient("Linear", () => undefined),
  linearGradient("LinearColumns", ({ columnsIn, columnsOut }) => ({ columnsIn: columnsIn === true, columnsOut: columnsOut === true })),
];

/** The inputs are a list; see `runLinearKernel`. */
function linearGradient(kernelName: OwnKernel, orientationOf: (attributes: NamedAttrMap) => Orientation | undefined): GradConfig {
  return {
    kernelName,
    saveAllInputs: true,
    // The first: where there are adapters, scale x A^T.
    outputsToSave: [true],
    gradFunc: (dys, saved, attributes) => {
      const x = saved[0]!;
      const down = saved.at(-1)!;
      const orientation = orientationOf(attributes);
      const sides = orientation ?? ROWS;
      const layers = layersOf([dys].flat(), saved, { hasBias: attributes["hasBias"] as boolean[], hasAdapter: attributes["hasAdapter"] as boolean[], sides });
      const adapters = layers.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter]));
      const beside = adapters.length === 0 ? undefined : besideEachOther(x, adapters, sides);
      return {
        0: () => runLinearInputGrad({ layers, adapters: beside && { dDown: beside.dDown, a: adapters.map(({ a }) => a) }, orientation }),
        ...Object.fromEntries(layers.flatMap((layer) => layerThunks(layer, x, sides))),
        ...Object.fromEntries(beside === undefined ? [] : adapters.flatMap((adapter) => adapterThunks(adapter, { down, dA: beside.dA, sides }))),
      };
    },
  };
}

const ROWS: Orientation = { columnsIn: false, columnsOut: false };

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

function layersOf(dys: readonly Tensor[], inputs: readonly Tensor[], { hasBias, hasAdapter, sides }: { hasBias: readonly boolean[]; hasAdapter: readonly boolean[]; sides: Orientation }): Layer[] {
  let position = 1;
  let start = 0;
  return dys.slice(-hasBias.length).map((dy, i) => {
    const layer = { position, weight: inputs[position]!, hasBias: hasBias[i] === true, dy };
    position += layer.hasBias ? 2 : 1;
    if (hasAdapter[i] !== true) return { ...layer, adapter: undefined };
    const [a, b, scale] = inputs.slice(position, position + 3) as [Tensor, Tensor, Tensor];
    const adapter = { position, a, dy, dDown: mul(matMul(dy, b, sides.columnsOut, false), scale), start };
    position += 3;
    start += a.shape[0];
    return { ...layer, adapter };
  });
}

/** dDown [T, sum of R], and A's gradients as columns [in, sum of R]: a thin product is faster with the thin side last. */
function besideEachOther(x: Tensor, adapters: readonly Adapter[], { columnsIn }: Orientation): { readonly dDown: Tensor; readonly dA: Tensor } {
  const dDown = adapters.length === 1 ? adapters[0]!.dDown : concat(adapters.map((adapter) => adapter.dDown), 1);
  return { dDown, dA: matMul(x, dDown, !columnsIn, false) };
}

/** A position among the inputs, and that input's gradient. */
type Thunk = readonly [position: number, gradient: () => Tensor];

function layerThunks({ position, hasBias, dy }: Layer, x: Tensor, { columnsIn, columnsOut }: Orientation): Thunk[] {
  const weight: Thunk = [position, () => matMul(dy, x, !columnsOut, columnsIn)];
  return hasBias ? [weight, [position + 1, () => sum(dy, columnsOut ? 1 : 0)]] : [weight];
}

function adapterThunks({ position, a, dy, start }: Adapter, { down, dA, sides }: { readonly down: Tensor; readonly dA: Tensor; readonly sides: Orientation }): Thunk[] {
  const [rank = 0] = a.shape;
  return [
    [position, () => transpose(slice(dA, [0, start], [-1, rank]))],
    [position + 1, () => matMul(dy, slice(down, [0, start], [-1, rank]), !sides.columnsOut, false)],
  ];
}
