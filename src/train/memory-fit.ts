/** @file Whether a device has what a stage needs, by arithmetic: the verdict, tensors beyond the device's limit, and what would need less. */
import type { DeviceLimits } from "../backend/device-limits.ts";
import { PARTS } from "../model/emoverse.ts";
import { bytesOfPacked, packsOf } from "../model/frozen-base.ts";
import { isLora, linearModules, loraShapes } from "../model/lora.ts";
import { sizeOfShape } from "../model/params.ts";
import { estimateMemory, isOnHost, keptForm, type MemoryEstimate, type MemoryInput, SAVING_FORMS } from "./memory-estimate.ts";

/** `close`: it fits or not, depending on the estimate's error; `unknown`: nothing tells how much memory there is. */
export type Verdict = "fits" | "close" | "exceeds" | "unknown";

export interface LargeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Another setting, and the megabytes that the stage would need then. */
export interface Saving {
  readonly setting: string;
  readonly peak: number;
}

export interface StageFit {
  readonly stage: string;
  readonly verdict: Verdict;
  readonly tooLarge: readonly LargeTensor[];
  /** Where it is not sure to fit: what would need less, the least change first. */
  readonly savings: readonly Saving[];
}

export interface StageNeed {
  readonly stage: string;
  readonly estimate: MemoryEstimate;
  readonly input: MemoryInput;
}

/** Pure; the limits are those of the device that the estimate is for. */
export function stageFit({ stage, estimate, input }: StageNeed, limits: DeviceLimits): StageFit {
  const verdict = verdictOf(estimate, limits);
  return { stage, verdict, tooLarge: tooLarge(input, limits), savings: verdict === "close" || verdict === "exceeds" ? savings(input, estimate) : [] };
}

function verdictOf({ least, most }: MemoryEstimate, { memory }: DeviceLimits): Verdict {
  if (memory === undefined) return "unknown";
  const available = memory.bytes / 1e6;
  if (least > available) return "exceeds";
  return most > available ? "close" : "fits";
}

/** Weights, and the two largest of a batch. */
function tooLarge({ config: { llm_config: llm }, shapes, batch, frozenBase, place }: MemoryInput, { largestTensor = Infinity }: DeviceLimits): LargeTensor[] {
  const inBatch: [string, number[]][] = [
    ["logits of the largest batch", [batch.supervised, llm.vocab_size]],
    ["MLP of the largest batch", [batch.rows * batch.length, llm.intermediate_size]],
  ];
  const packs = packsOf(keptForm({ frozenBase, place }));
  const bytesOf = (name: string, shape: readonly number[]): number => {
    const form = packs(name, shape);
    return form === false ? 4 * sizeOfShape(shape) : bytesOfPacked(form, shape);
  };
  return [...shapes, ...inBatch].map(([name, shape]) => ({ name, shape, bytes: bytesOf(name, shape) })).filter(({ bytes }) => bytes > largestTensor);
}

const LORA_RANK = 8;

/** Settings that need less than now. */
function savings(input: MemoryInput, { peak }: MemoryEstimate): Saving[] {
  const { batch, batches, accumulation, kept, place } = input;
  const share = (factor: number): Partial<MemoryInput> => ({ batch: { ...batch, supervised: Math.ceil(batch.supervised * factor), frames: Math.ceil(batch.frames * factor), sounds: Math.ceil(batch.sounds * factor) } });
  const half = Math.floor(batch.length / 2);
  const changes: readonly (readonly [setting: string, change: Partial<MemoryInput>] | undefined)[] = [
    kept === "inputs" ? undefined : ["budget.gradientCheckpointing: true", { kept: "inputs" }],
    batch.rows > 1 ? ["budget.rowsPerBatch: 1", { batch: { ...share(1 / batch.rows).batch!, rows: 1 }, batches: batches * batch.rows }] : undefined,
    half > 0 ? [`budget.rowTokens: ${half}`, { batch: { ...share(half / batch.length).batch!, length: half } }] : undefined,
    accumulation > 1 ? ["budget.accumulation: 1", { accumulation: 1 }] : undefined,
    adaptersAlone(input),
    frozenBaseOf(input),
    place === "host" ? undefined : ["--backend onnxruntime, in this machine's memory", { place: "host" }],
  ];
  return changes.flatMap((change) => {
    if (change === undefined) return [];
    const needed = estimateMemory({ ...input, ...change[1] }).peak;
    return needed < peak || (change[1].place === "host" && !isOnHost(place)) ? [{ setting: change[0], peak: needed }] : [];
  });
}

/** Undefined where a layer's matrices are trained, or nothing would be packed. */
function frozenBaseOf({ shapes, trained, frozenBase, place }: MemoryInput): readonly [string, Partial<MemoryInput>] | undefined {
  const form = SAVING_FORMS[place];
  if (form === undefined || frozenBase === form) return undefined;
  const packs = packsOf(form);
  return trained.some((name) => packs(name, shapes.get(name) ?? [])) ? undefined : [`model.frozenBase: ${form}`, { frozenBase: form }];
}

/** LoRA on the decoder's linear layers in place of all that is trained; undefined where nothing but adapters is. */
function adaptersAlone({ shapes, trained }: MemoryInput): readonly [string, Partial<MemoryInput>] | undefined {
  if ([...shapes.keys()].some(isLora)) return undefined;
  const layers = linearModules(shapes).filter((module) => module.startsWith(`${PARTS.decoder}.`) && module.includes(".layers."));
  if (layers.length === 0 || !trained.some((name) => name.startsWith(`${PARTS.decoder}.`))) return undefined;
  const adapters = loraShapes(shapes, { rank: LORA_RANK, alpha: LORA_RANK, targets: layers });
  return [`lora of rank ${LORA_RANK} on the decoder, and only "lora_" trainable`, { shapes: new Map([...shapes, ...adapters]), trained: [...adapters.keys()].filter((name) => !name.endsWith("scale")) }];
}
