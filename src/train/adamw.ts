/**
 * @file AdamW with decoupled weight decay, in torch's order of operations. Moments are keyed by parameter name, each with
 * its own step count, so that a stage may train other parameters than the one before.
 * @see Loshchilov & Hutter 2019, algorithm 2.
 */
import { dispose, fill, keep, tensor, tensor1d, type Tensor } from "@tensorflow/tfjs-core";
import { type AdamWArrays, type AdamWKernel, adamwKernel, type AdamWScalars, scalarLists } from "../backend/adamw-kernel.ts";
import { borrowFloats, hasHostMemory, readFloats } from "../backend/host-memory.ts";
import { offersOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";
import { invariant } from "../core/errors.ts";
import type { ParamStore } from "../model/params.ts";

/** One-dimensional tensors outside any tf.tidy; their numbers change in place where the backend can do that. */
export interface Moments {
  /** Updates that this parameter has had. */
  readonly step: number;
  /** Running means of the gradient and of its square. */
  readonly first: Tensor;
  readonly second: Tensor;
}

/** Optimizer state: owned by the training loop, changed by `adamwUpdate`, freed by `disposeMoments`. */
export type AdamWState = Map<string, Moments>;

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export interface AdamWUpdate {
  /** By parameter name; borrowed. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  /** Factor on every gradient: normalisation and clipping in one. */
  readonly gradientScale: number;
  /** This step's learning rate of a parameter; peak times schedule. */
  readonly learningRate: (name: string) => number;
  /** Whether weight decay acts on a parameter, e.g. `decaysMatrices`. */
  readonly decays: (name: string, shape: readonly number[]) => boolean;
  readonly options: AdamWOptions;
}

/**
 * One update of every parameter that has a gradient: where the numbers are, if the backend has a kernel for that or keeps
 * them in this process's memory. Any other backend's numbers come here and go back.
 */
export async function adamwUpdate(store: ParamStore, state: AdamWState, { gradients, gradientScale, learningRate, decays, options }: AdamWUpdate): Promise<void> {
  const updates = [...gradients].map(([name, gradient]): ParameterUpdate => {
    const parameter = store.get(name);
    invariant(gradient.size === parameter.size, () => `gradient of "${name}" has ${gradient.size} elements, the parameter ${parameter.size}`);
    const before = state.get(name) ?? { step: 0, first: zeroMoment(parameter.size), second: zeroMoment(parameter.size) };
    const moments = { ...before, step: before.step + 1 };
    state.set(name, moments);
    const scalars = {
      ...options,
      weightDecay: decays(name, parameter.shape) ? options.weightDecay : 0,
      learningRate: learningRate(name),
      gradientScale,
      step: moments.step,
    };
    return { name, gradient, moments, scalars };
  });
  if (hasHostMemory()) for (const update of updates) updateInMemory(store, update);
  else if (offersOwnKernel("AdamW")) updateOnDevice(store, updates);
  else for (const update of updates) state.set(update.name, await updateByReading(store, update));
}

/** Frees the state's tensors and forgets them. */
export function disposeMoments(state: AdamWState): void {
  dispose([...state.values()].flatMap(({ first, second }) => [first, second]));
  state.clear();
}

/** Numbers of a moment in a tensor that outlives any tf.tidy around. */
export function moment(values: Float32Array): Tensor {
  return keep(tensor1d(values, "float32"));
}

function zeroMoment(size: number): Tensor {
  return keep(fill([size], 0, "float32"));
}

interface ParameterUpdate {
  readonly name: string;
  readonly gradient: Tensor;
  readonly moments: Moments;
  readonly scalars: AdamWScalars;
}

function updateInMemory(store: ParamStore, { name, gradient, moments: { first, second }, scalars }: ParameterUpdate): void {
  store.update(name, (parameter) => stepFor(parameter.length)({ parameter, gradient: borrowFloats(gradient), first: borrowFloats(first), second: borrowFloats(second) }, scalars));
}

function updateOnDevice(store: ParamStore, updates: readonly ParameterUpdate[]): void {
  const inputs = updates.flatMap(({ name, gradient, moments: { first, second } }) => [store.unshared(name), gradient, first, second]);
  runOwnKernel("AdamW", inputs, scalarLists(updates.map(({ scalars }) => scalars)));
}

async function updateByReading(store: ParamStore, { name, gradient, moments, scalars }: ParameterUpdate): Promise<Moments> {
  const parameter = store.get(name);
  const read = async (numbers: Tensor): Promise<Float32Array> => (await readFloats(numbers)).slice();
  const arrays = { parameter: await read(parameter), gradient: await read(gradient), first: await read(moments.first), second: await read(moments.second) };
  adamwStep(arrays, scalars);
  store.set(name, keep(tensor(arrays.parameter, parameter.shape, "float32")));
  dispose([moments.first, moments.second]);
  return { step: moments.step, first: moment(arrays.first), second: moment(arrays.second) };
}

/** Below this length a call into the backend costs more than the loop. */
const KERNEL_LENGTH = 1 << 14;

function stepFor(length: number): AdamWKernel {
  return length < KERNEL_LENGTH ? adamwStep : (adamwKernel() ?? adamwStep);
}

/** The formula, on plain arrays, in place: decay, moments, bias-corrected step. */
export function adamwStep({ parameter, gradient, first, second }: AdamWArrays, scalars: AdamWScalars): void {
  const { beta1, beta2, epsilon, learningRate, weightDecay, gradientScale, step } = scalars;
  const kept = 1 - learningRate * weightDecay;
  const stepSize = learningRate / (1 - beta1 ** step);
  const secondScale = 1 / Math.sqrt(1 - beta2 ** step);
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]! * gradientScale;
    const m = beta1 * first[i]! + (1 - beta1) * g;
    const v = beta2 * second[i]! + (1 - beta2) * g * g;
    first[i] = m;
    second[i] = v;
    parameter[i] = parameter[i]! * kept - (stepSize * m) / (Math.sqrt(v) * secondScale + epsilon);
  }
}

/** Matrices and convolution kernels decay; biases, norms, layer scales, class token and learned positions do not (as in HF Trainer). */
export function decaysMatrices(name: string, shape: readonly number[]): boolean {
  return name.endsWith(".weight") && shape.length >= 2 && !name.endsWith("embed_positions.weight");
}
