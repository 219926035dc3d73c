/** @file The adapters of a stage: new ones, those of a PEFT folder, or those of the stages it descends from. */
import { basename } from "node:path";
import type { DropPlace } from "../backend/dropout-mask.ts";
import type { RunConfig, StageConfig } from "../config/index.ts";
import { readAdapter, readAdapterShapes } from "../model/checkpoints/peft.ts";
import { addLora, isLora, loraShapes, refuseAdapted } from "../model/lora.ts";
import type { ParamStore, Shapes } from "../model/params.ts";

/** With the adapters that a stage has of its own or from the stages it descends from; of an adapter's folder the headers alone are read. */
export async function withAdapters(config: RunConfig, stage: StageConfig, base: Shapes): Promise<Shapes> {
  const parent = parentOf(config, stage);
  const shapes = parent === undefined ? base : await withAdapters(config, parent, base);
  const { lora } = stage;
  if (lora?.from !== undefined) return new Map([...shapes, ...(await readAdapterShapes(lora.from, shapes))]);
  return lora?.targets === undefined ? shapes : new Map([...shapes, ...loraShapes(shapes, { ...lora, targets: lora.targets }, whereOf(stage))]);
}

export interface AdaptedStage {
  readonly stage: StageConfig;
  readonly shapes: Shapes;
}

/** The stages, each with the shapes of the parameters that it starts from. */
export async function adaptedStages(config: RunConfig, stages: readonly StageConfig[], base: Shapes): Promise<AdaptedStage[]> {
  return Promise.all(stages.map(async (stage) => ({ stage, shapes: await withAdapters(config, stage, base) })));
}

export interface StartedAdapters {
  /** Parameters that now differ from what `params` had. */
  readonly changed: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Adds a stage's own adapters to `params`, whose base model has this hash.
 *
 * @throws UserError - ConfigError when a module has an adapter already or nothing matches; CheckpointError when an adapter was made for another base.
 */
export async function startAdapters(config: Pick<RunConfig, "seed" | "model">, stage: StageConfig, { params, base }: { readonly params: ParamStore; readonly base: string }): Promise<StartedAdapters> {
  const { lora } = stage;
  if (lora?.from !== undefined) {
    refuseAdapted(params.shapes(), whereOf(stage));
    const { whole, baseModel } = await readAdapter(lora.from, params, base);
    return { changed: [...params.names().filter(isLora), ...whole], warnings: otherName(stage, baseModel, config.model.folder) };
  }
  if (lora?.targets === undefined) return { changed: [], warnings: [] };
  addLora(params, { ...lora, targets: lora.targets }, config.seed, whereOf(stage));
  return { changed: params.names().filter(isLora), warnings: [] };
}

/** The settings that hold for a stage's adapters: its own, else those of the stage that added them. */
export function loraOf(config: RunConfig, stage: StageConfig): StageConfig["lora"] {
  const parent = parentOf(config, stage);
  return stage.lora ?? (parent === undefined ? undefined : loraOf(config, parent));
}

/** Probabilities that a number is dropped in training, by place. */
export function dropoutOf(config: RunConfig, stage: StageConfig): Readonly<Record<DropPlace, number>> {
  return { adapters: loraOf(config, stage)?.dropout ?? 0, residual: stage.dropout };
}

/** The stage that a stage starts from; undefined: the base. */
export function parentOf({ stages }: RunConfig, { initFrom }: StageConfig): StageConfig | undefined {
  return stages.find(({ name }) => name === initFrom);
}

/** Shapes that fit are no proof: two models of one size take each other's adapters. */
function otherName(stage: StageConfig, baseModel: string | undefined, folder: string): string[] {
  if (baseModel === undefined || baseModel === "" || basename(baseModel) === basename(folder)) return [];
  return [`${whereOf(stage)}.from: the adapter fits, but says that it was made for "${baseModel}"; this base model is "${basename(folder)}"`];
}

function whereOf({ name }: StageConfig): string {
  return `stages.${name}.lora`;
}
