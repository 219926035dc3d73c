/** @file MemoryEstimate: what a stage will need, from sizes alone; nothing is loaded. */
import type { Kept } from "../backend/blocks.ts";
import type { ModelConfig } from "../model/config.ts";
import { type Shapes, sizeOfShape } from "../model/params.ts";
import { activationNumbers, type BatchSizes } from "./activation-memory.ts";

/** Megabytes of 1e6 bytes, as in step events. */
export interface MemoryEstimate {
  readonly weights: number;
  readonly gradients: number;
  /** AdamW's two means. */
  readonly moments: number;
  /** What the largest batch holds at once, by what blocks keep; the stage does one of both. */
  readonly activations: Readonly<Record<Kept, number>>;
  /** Decoded clips of the whole stage. */
  readonly clips: number;
  /** Everything together, and the program itself. */
  readonly peak: number;
}

export interface MemoryInput {
  readonly config: ModelConfig;
  /** Of every parameter. */
  readonly shapes: Shapes;
  readonly trained: readonly string[];
  readonly batch: BatchSizes;
  /** Batches per optimizer step. */
  readonly accumulation: number;
  readonly kept: Kept;
  readonly clipBytes: number;
}

/** Node, tfjs, ONNX Runtime, compiled graphs, and what waits for the garbage collector; measured. */
const PROGRAM_MEGABYTES = 300;
const FLOAT_BYTES = 4;

/** The need of a stage's largest batch; within 30% of what was measured. */
export function estimateMemory({ config, shapes, trained, batch, accumulation, kept, clipBytes }: MemoryInput): MemoryEstimate {
  const weights = megabytes(total(shapes.values()));
  const trainedSize = megabytes(total(trained.map((name) => shapes.get(name) ?? [])));
  // The sum so far and the next batch's.
  const gradients = (accumulation > 1 ? 2 : 1) * trainedSize;
  const moments = 2 * trainedSize;
  const trains = (part: string): boolean => trained.some((name) => name.startsWith(`${part}.`));
  const activationsOf = (how: Kept): number => megabytes(activationNumbers(config, batch, { kept: how, trains }));
  const activations = { intermediates: activationsOf("intermediates"), inputs: activationsOf("inputs") };
  const clips = clipBytes / 1e6;
  return { weights, gradients, moments, activations, clips, peak: PROGRAM_MEGABYTES + weights + gradients + moments + activations[kept] + clips };
}

function megabytes(numbers: number): number {
  return (numbers * FLOAT_BYTES) / 1e6;
}

function total(shapes: Iterable<readonly number[]>): number {
  let sum = 0;
  for (const shape of shapes) sum += sizeOfShape(shape);
  return sum;
}
