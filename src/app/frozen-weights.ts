/** @file Whose weights a frozen tower has in which stage: those of the base, or those that an earlier stage left it with. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import type { ParamStore, Shapes } from "../model/params.ts";
import { frozenTowers, type Tower, TOWER_PARTS } from "../model/tower-states.ts";
import { loadCheckpointWeights } from "../train/checkpoint.ts";
import { inputsOf } from "./clips.ts";
import type { Experiment } from "./experiment.ts";
import { stageLearningRates } from "./prepare-stage.ts";
import { isFinished, stageFolder } from "./run-folder.ts";
import { adaptedStages, parentOf } from "./stage-adapters.ts";
import { loadBaseWeights, requireParent } from "./stage-weights.ts";

/** Towers with the same weights in every stage of the list. */
export interface FrozenWeights {
  /** The stage that trained them; undefined: nobody did. */
  readonly trainedBy: string | undefined;
  readonly towers: readonly Tower[];
  /** Stages that leave them as they are. */
  readonly stages: readonly string[];
}

/** All frozen towers whose input is switched on, by where their weights come from, in the order of the stages. */
export async function frozenWeights(experiment: Pick<Experiment, "config" | "model">, base: Shapes): Promise<FrozenWeights[]> {
  const { config, model } = experiment;
  const inputs = inputsOf(experiment);
  const frozen = new Map<string, readonly Tower[]>();
  for (const { stage, shapes } of await adaptedStages(config, config.stages, base)) {
    frozen.set(stage.name, frozenTowers(model.config, stageLearningRates(stage, shapes.keys()).keys()));
  }
  const groups = new Map<string | undefined, { towers: Set<Tower>; stages: Set<string> }>();
  for (const stage of config.stages) {
    for (const tower of frozen.get(stage.name) ?? []) {
      if (!inputs.includes(tower)) continue;
      const trainedBy = ancestors(config, stage).find(({ name }) => frozen.get(name)?.includes(tower) === false)?.name;
      const group = groups.get(trainedBy) ?? { towers: new Set(), stages: new Set() };
      groups.set(trainedBy, group);
      group.towers.add(tower);
      group.stages.add(stage.name);
    }
  }
  return [...groups].map(([trainedBy, { towers, stages }]) => ({ trainedBy, towers: [...towers], stages: [...stages] }));
}

/** The stages that a stage starts from, the nearest first. */
function ancestors(config: RunConfig, stage: StageConfig): StageConfig[] {
  const parent = parentOf(config, stage);
  return parent === undefined ? [] : [parent, ...ancestors(config, parent)];
}

/** The towers' weights, of the base without the rest of the model; undefined when the stage that trains them is not finished. The caller disposes them. */
export async function loadFrozenWeights({ config, model }: Pick<Experiment, "config" | "model">, { trainedBy, towers, stages }: FrozenWeights, runDir: string): Promise<ParamStore | undefined> {
  const isTower = (name: string): boolean => towers.some((tower) => name.startsWith(`${TOWER_PARTS[tower]}.`));
  if (trainedBy === undefined) return loadBaseWeights(config, model, isTower);
  if (!(await isFinished(stageFolder(config, trainedBy, runDir)))) return undefined;
  const checkpoint = await requireParent(config, { name: stages[0] ?? "", initFrom: trainedBy }, runDir);
  const params = await loadBaseWeights(config, model);
  await loadCheckpointWeights(checkpoint, params);
  return params;
}
