/** @file The toy model on a GPU: the same weights there and on the host. */
import * as tf from "@tensorflow/tfjs-core";
import type { ParamStore } from "../../src/model/params.ts";
import { useGpu } from "../backend/webgpu/software-gpu.ts";
import { toyWeights } from "./toy-rows.ts";

/** What `body` makes of the toy model on the host and, with the same weights, on the GPU, which is the current backend afterwards. */
export async function onBoth<T>(body: (params: ParamStore) => Promise<T>, prepare: (params: ParamStore) => void = () => undefined): Promise<{ readonly host: T; readonly gpu: T }> {
  await tf.setBackend("cpu");
  const params = hostWeights(prepare);
  const host = await body(params);
  params.dispose();
  const moved = await gpuWeights(prepare);
  const gpu = await body(moved);
  moved.dispose();
  return { host, gpu };
}

/** A toy model on the GPU, which becomes the current backend. */
export async function gpuWeights(prepare: (params: ParamStore) => void = () => undefined): Promise<ParamStore> {
  await tf.setBackend("cpu");
  const params = hostWeights(prepare);
  const numbers = params.names().map((name) => ({ name, shape: params.get(name).shape, values: params.get(name).dataSync<"float32">().slice() }));
  await useGpu();
  for (const { name, shape, values } of numbers) params.set(name, tf.tensor(values, shape));
  return params;
}

function hostWeights(prepare: (params: ParamStore) => void): ParamStore {
  const params = toyWeights();
  prepare(params);
  return params;
}
