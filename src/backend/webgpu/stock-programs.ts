/** @file tfjs's own programs through our queue, where their uniforms and the groups of their buffers are made once, not anew for every run. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { type TensorInfo, util } from "@tensorflow/tfjs-core";
import { pipelineFor, queuePipeline, type UniformNumbers, uniformsFor } from "./queue.ts";

/** What tfjs knows of a program that is about to run. */
interface StockProgram {
  readonly shaderKey: string;
  readonly pipeline: GPUComputePipeline;
  readonly dispatch: readonly [number, number, number];
  readonly outputShape: readonly number[];
  /** Whether its uniforms count the results, each of so many components. */
  readonly size?: boolean;
  readonly outputComponent?: number;
  /** Of programs that read or draw pictures, whose uniforms are others. */
  readonly pixelsOpType?: unknown;
}

interface StockUniform {
  readonly type: "int32" | "uint32" | "float32";
  readonly data: readonly number[];
}

type RecordProgram = (program: StockProgram, output: TensorInfo, inputs: readonly TensorInfo[], uniforms?: readonly StockUniform[]) => void;

/** Private in tfjs's types. */
interface Recorder {
  recordAndSubmit: RecordProgram;
}

export function queueStockPrograms(backend: WebGPUBackend): void {
  const recorder = backend as unknown as Recorder;
  const stock = recorder.recordAndSubmit.bind(backend);
  recorder.recordAndSubmit = (program, output, inputs, uniforms = []) => {
    if (program.pixelsOpType !== undefined) {
      stock(program, output, inputs, uniforms);
      return;
    }
    const pipeline = pipelineFor(backend, { key: `tfjs ${program.shaderKey}`, name: program.constructor.name }, () => program.pipeline);
    queuePipeline(backend, pipeline, { tensors: [output, ...inputs], uniforms: uniformsFor(backend, uniformNumbers(program, [...inputs, output], uniforms)), workgroups: program.dispatch });
  };
}

/** NaN and infinity, shape and strides of every tensor, the number of results where the program asks for it, and what it adds itself. */
function uniformNumbers({ outputShape, size, outputComponent = 1 }: StockProgram, tensors: readonly TensorInfo[], added: readonly StockUniform[]): UniformNumbers[] {
  const integers = (data: readonly number[]): UniformNumbers => ({ type: "i32", data: orOne(data) });
  return [
    { type: "f32", data: [NaN] },
    { type: "f32", data: [Infinity] },
    ...tensors.flatMap(({ shape }) => [integers(shape), integers(util.computeStrides(shape))]),
    ...(size === true ? [integers([util.sizeFromShape([...outputShape]) / outputComponent])] : []),
    ...added.map(({ type, data }) => ({ type: TYPES[type], data: orOne(data) })),
  ];
}

const TYPES = { int32: "i32", uint32: "u32", float32: "f32" } as const;

/** A member of no numbers is declared as one. */
function orOne(data: readonly number[]): readonly number[] {
  return data.length === 0 ? [1] : data;
}
