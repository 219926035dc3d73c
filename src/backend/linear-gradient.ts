/**
 * @file Gradients of our kernel for linear layers with one input. What passes through an adapter is
 * dDown = scale dy B [T, R]: dx += dDown A, dA = dDown^T x. All adapters read x once, side by side.
 */
import { concat, type GradConfig, matMul, mul, type NamedAttrMap, slice, sum, type Tensor, transpose } from "@tensorflow/tfjs-core";
import { columnSums } from "./column-sums.ts";
import { offersOwnKernel, type Orientation, type OwnKernel, runLinearInputGrad, runOwnKernel } from "./own-kernels.ts";

export const LINEAR_GRADIENTS: readonly GradConfig[] = [
  linearGradient("Linear", () => undefined),
  linearGradient("LinearColumns", ({ columnsIn, columnsOut }) => ({ columnsIn: columnsIn === true, columnsOut: columnsOut === true })),
];

/** The inputs are a list; see `runLinearKernel`. */
function linearGradient(kernelName: OwnKernel, orientationOf: (attributes: NamedAttrMap) => Orientation | undefined): GradConfig {
  return {
    kernelName,
    saveAllInputs: true,
    // The first: where there are adapters scale x A^T, else nothing on backends that run op by op.
    outputsToSave: [true],
    gradFunc: (dys, saved, attributes) => {
      const x = saved[0]!;
      const down = saved.at(-1)!;
      const orientation = orientationOf(attributes);
      const sides = orientation ?? ROWS;
      const layers = layersOf([dys].flat(), saved, { hasBias: attributes["hasBias"] as boolean[], hasAdapter: attributes["hasAdapter"] as boolean[] });
      const adapters = layers.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter]));
      const sums = adapters.length === 0 ? undefined : adapterSums(adapters, { x, down, sides });
      return {
        0: () => runLinearInputGrad({ layers, adapters: sums && { dDown: sums.dDown, a: adapters.map(({ a }) => a) }, orientation }),
        ...Object.fromEntries(layers.flatMap((layer) => layerThunks(layer, x, sides))),
        ...Object.fromEntries(sums?.thunks ?? []),
      };
    },
  };
}

const ROWS: Orientation = { columnsIn: false, columnsOut: false };

interface Adapter {
  /** Of A among the inputs; B is the next. */
  readonly position: number;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly scale: Tensor;
  readonly dy: Tensor;
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
    const adapter = { position, a, b, scale, dy, start };
    position += 3;
    start += a.shape[0];
    return { ...layer, adapter };
  });
}

interface Sides {
  readonly x: Tensor;
  /** scale x A^T of all adapters, [T, sum of R]. */
  readonly down: Tensor;
  readonly sides: Orientation;
}

interface AdapterSums {
  /** [T, sum of R] */
  readonly dDown: Tensor;
  readonly thunks: readonly Thunk[];
}

function adapterSums(adapters: readonly Adapter[], given: Sides): AdapterSums {
  return given.sides === ROWS && offersOwnKernel("LinearDown") ? inPlace(adapters, given) : besideEachOther(adapters, given);
}

/** Where a product reads the columns it needs by itself. */
function inPlace(adapters: readonly Adapter[], { x, down }: Sides): AdapterSums {
  const [dDown] = runOwnKernel("LinearDown", adapters.flatMap(({ dy, b, scale }) => [dy, b, scale]));
  const thunks = adapters.flatMap(({ position, a, dy, start }): Thunk[] => {
    const columns = [start, a.shape[0]];
    return [
      [position, () => runOwnKernel("ColumnsProduct", { a: dDown, b: x }, { ofA: columns, ofB: false })[0]],
      [position + 1, () => runOwnKernel("ColumnsProduct", { a: dy, b: down }, { ofA: false, ofB: columns })[0]],
    ];
  });
  return { dDown, thunks };
}

/** A's gradients come as columns [in, sum of R] of one product: a thin one is faster with the thin side last. */
function besideEachOther(adapters: readonly Adapter[], { x, down, sides }: Sides): AdapterSums {
  const parts = adapters.map(({ dy, b, scale }) => mul(matMul(dy, b, sides.columnsOut, false), scale));
  const dDown = parts.length === 1 ? parts[0]! : concat(parts, 1);
  const dA = matMul(x, dDown, !sides.columnsIn, false);
  return { dDown, thunks: adapters.flatMap((adapter) => adapterThunks(adapter, { down, dA, sides })) };
}

/** A position among the inputs, and that input's gradient. */
type Thunk = readonly [position: number, gradient: () => Tensor];

function layerThunks({ position, hasBias, dy }: Layer, x: Tensor, { columnsIn, columnsOut }: Orientation): Thunk[] {
  const weight: Thunk = [position, () => matMul(dy, x, !columnsOut, columnsIn)];
  return hasBias ? [weight, [position + 1, () => (columnsOut ? sum(dy, 1) : columnSums(dy))]] : [weight];
}

function adapterThunks({ position, a, dy, start }: Adapter, { down, dA, sides }: { readonly down: Tensor; readonly dA: Tensor; readonly sides: Orientation }): Thunk[] {
  const [rank = 0] = a.shape;
  return [
    [position, () => transpose(slice(dA, [0, start], [-1, rank]))],
    [position + 1, () => matMul(dy, slice(down, [0, start], [-1, rank]), !sides.columnsOut, false)],
  ];
}
