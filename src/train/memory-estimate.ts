/** @file MemoryEstimate: what a stage will need, from sizes alone; nothing is loaded. */
import type { Kept } from "../backend/blocks.ts";
import type { DropPlace } from "../backend/dropout-mask.ts";
import type { FrozenBase, PackedForm } from "../backend/names.ts";
import type { ModelConfig } from "../model/config.ts";
import { bytesOfPacked, packsOf } from "../model/frozen-base.ts";
import { LORA_A } from "../model/linear.ts";
import { type Shapes, sizeOfShape } from "../model/params.ts";
import { activationNumbers, type BatchSizes, type DroppedWidths } from "./activation-memory.ts";

/** Megabytes of 1e6 bytes, as in step events. */
export interface MemoryEstimate {
  readonly place: Place;
  readonly weights: number;
  readonly gradients: number;
  /** AdamW's two means. */
  readonly moments: number;
  /** What the largest batch holds at once, by what blocks keep; the stage does one of both. */
  readonly activations: Readonly<Record<Kept, number>>;
  /** Decoded clips of the whole stage; in this process's memory, wherever the rest is. */
  readonly clips: number;
  /** What a GPU's pool may keep for batches of other sizes, as long as there is room: it decides nothing. */
  readonly spare: number;
  /** Everything together; on the host with clips and the program itself. */
  readonly peak: number;
  /** What must be there if the estimate is as wrong as it may be, in either direction. */
  readonly least: number;
  readonly most: number;
}

/**
 * Where the tensors are: this process's memory under our kernels (backend onnxruntime) or others, a GPU's memory, or a GPU's
 * under our kernels (backend webgpu).
 */
export type Place = "host" | "plain-host" | "gpu" | "fused-gpu";

export function isOnHost(place: Place): boolean {
  return place === "host" || place === "plain-host";
}

export interface MemoryInput {
  readonly config: ModelConfig;
  /** Of every parameter. */
  readonly shapes: Shapes;
  readonly trained: readonly string[];
  /** What the config asks for; see `keptForm`. */
  readonly frozenBase: FrozenBase;
  readonly batch: BatchSizes;
  /** Of the whole stage; 1: every step repeats the same. */
  readonly batches: number;
  /** Batches per optimizer step. */
  readonly accumulation: number;
  readonly kept: Kept;
  /** Probabilities; absent: nothing is dropped. */
  readonly dropout?: Readonly<Record<DropPlace, number>>;
  readonly clipBytes: number;
  readonly place: Place;
}

/** Node, tfjs, ONNX Runtime, compiled graphs, and what waits for the garbage collector; measured. */
const PROGRAM_MEGABYTES = 300;
const FLOAT_BYTES = 4;
/** Of the whole on the host, of the activations on a GPU: its allocations are counted, of weights, gradients and moments exactly. */
const ERROR = 0.3;
/** Of what was ever in use; see the pool of the backend webgpu. */
const SPARE_SHARE = 0.5;

/**
 * The need of a stage's largest batch. On the host within 30% of what was measured; under our GPU kernels within 5% of the only
 * measurement on a card (NVIDIA H200, 0.5B decoder, LoRA, 2048 tokens: 11.2 GB), the activations within 8% of what toy models allocate
 * on a software GPU, with and without checkpointing.
 */
export function estimateMemory({ config, shapes, trained, frozenBase, batch, batches, accumulation, kept, dropout, clipBytes, place }: MemoryInput): MemoryEstimate {
  const { weights, widened } = weightMemory(shapes, keptForm({ frozenBase, place }));
  const trainedSize = megabytes(total(trained.map((name) => shapes.get(name) ?? [])));
  // The sum so far and the next batch's.
  const gradients = (accumulation > 1 ? 2 : 1) * trainedSize;
  const moments = 2 * trainedSize;
  const trains = (part: string): boolean => trained.some((name) => name.startsWith(`${part}.`));
  const numbersOf = (how: Kept): ReturnType<typeof activationNumbers> => activationNumbers(config, batch, { kept: how, trains, dropped: droppedWidths(shapes, dropout), fused: place === "fused-gpu" });
  const activations = { intermediates: megabytes(numbersOf("intermediates").total), inputs: megabytes(numbersOf("inputs").total) };
  const clips = clipBytes / 1e6;
  const parts = { place, weights, gradients, moments, activations, clips };
  const exact = weights + gradients + moments;
  if (isOnHost(place)) {
    const peak = PROGRAM_MEGABYTES + exact + widened + activations[kept] + clips;
    return { ...parts, spare: 0, peak, least: Math.max(exact + clips, peak / (1 + ERROR)), most: peak * (1 + ERROR) };
  }
  const used = exact + activations[kept];
  const spare = Math.min(SPARE_SHARE * used, (batches - 1) * megabytes(numbersOf(kept).changing));
  return { ...parts, spare, peak: used + spare, least: exact + activations[kept] / (1 + ERROR), most: exact + activations[kept] * (1 + ERROR) };
}

/** How the frozen matrices are kept in a place: 8 bits save memory under our kernels on the host, half precision under those on a GPU. */
export function keptForm({ frozenBase, place }: Pick<MemoryInput, "frozenBase" | "place">): FrozenBase {
  return frozenBase === SAVING_FORMS[place] ? frozenBase : "float32";
}

export const SAVING_FORMS: Readonly<Partial<Record<Place, PackedForm>>> = { host: "int8", "fused-gpu": "float16" };

/** Weights as they are kept, and what the layer that runs holds of its own as floats. */
function weightMemory(shapes: Shapes, form: FrozenBase): { readonly weights: number; readonly widened: number } {
  if (form === "float32") return { weights: megabytes(total(shapes.values())), widened: 0 };
  const packs = packsOf(form);
  const packed = [...shapes].filter(([name, shape]) => packs(name, shape));
  const bytes = packed.reduce((sum, [, shape]) => sum + bytesOfPacked(form, shape), 0);
  const weights = megabytes(total(shapes.values()) - total(packed.map(([, shape]) => shape))) + bytes / 1e6;
  // Products read halves as they are.
  if (form === "float16") return { weights, widened: 0 };
  const layers = new Map<string, number>();
  for (const [name, shape] of packed) layers.set(layerOf(name), (layers.get(layerOf(name)) ?? 0) + sizeOfShape(shape));
  return { weights, widened: megabytes(Math.max(0, ...layers.values())) };
}

/** What is dropped in a layer of a part of the model: what its adapters read, in the layer with the most, and what both halves add. */
function droppedWidths(shapes: Shapes, { adapters, residual }: Readonly<Record<DropPlace, number>> = { adapters: 0, residual: 0 }): DroppedWidths {
  const layers = new Map<string, number>();
  for (const [name, [, inputSize = 0]] of shapes) if (name.endsWith(`.${LORA_A}`)) layers.set(layerOf(name), (layers.get(layerOf(name)) ?? 0) + inputSize);
  const largest = (part: string): number => [...layers].reduce((most, [layer, width]) => (layer.startsWith(`${part}.`) ? Math.max(most, width) : most), 0);
  return { adapters: adapters > 0 ? largest : () => 0, residual: residual > 0 };
}

function layerOf(name: string): string {
  return /^.*\.layers\.\d+\./.exec(name)?.[0] ?? name;
}

function megabytes(numbers: number): number {
  return (numbers * FLOAT_BYTES) / 1e6;
}

function total(shapes: Iterable<readonly number[]>): number {
  let sum = 0;
  for (const shape of shapes) sum += sizeOfShape(shape);
  return sum;
}
