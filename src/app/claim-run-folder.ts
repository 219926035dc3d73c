/** @file A run directory belongs to one experiment: what contradicts it is refused before anything is written or decoded. */
import type { RunConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { latestCheckpoint } from "../train/checkpoint-folders.ts";
import { checkCheckpoint, readCheckpoint } from "../train/checkpoint.ts";
import { configHash, differingSettings } from "./config-hash.ts";
import { hasRun, readRunConfig, stageFolder, writeRunConfig } from "./run-folder.ts";
import { lockRunFolder } from "./run-lock.ts";
import { requireParent } from "./stage-weights.ts";

interface Claim {
  readonly config: RunConfig;
  /** Names of the stages to be trained, in order. */
  readonly stages: readonly string[];
  readonly runDir: string;
  readonly resume: boolean;
}

/**
 * Takes the run directory for this process and saves the config in it.
 *
 * @returns what gives the directory back.
 * @throws UserError - SystemError when another process trains in it; CheckpointError when the directory holds another experiment, when a stage has checkpoints and is
 * not resumed, or when a stage starts from one that neither was trained here nor will be.
 */
export async function claimRunFolder(claim: Claim): Promise<() => Promise<void>> {
  await refuseContradictions(claim);
  const release = await lockRunFolder(claim.runDir);
  try {
    await refuseContradictions(claim); // another process may have come between
    await writeRunConfig(claim.runDir, claim.config);
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

async function refuseContradictions({ config, stages, runDir, resume }: Claim): Promise<void> {
  if (await hasRun(runDir)) await refuseOtherExperiment(config, runDir);
  for (const [i, stage] of stages.entries()) {
    const { initFrom } = config.stages.find(({ name }) => name === stage) ?? {};
    if (initFrom !== undefined && initFrom !== "base" && !stages.slice(0, i).includes(initFrom)) await requireParent(config, { name: stage, initFrom }, runDir);
    const folder = stageFolder(config, stage, runDir);
    if (!resume && (await latestCheckpoint(folder)) !== undefined) {
      throw new UserError({ kind: "CheckpointError", where: folder, what: `stage "${stage}" has checkpoints here already`, hint: "Go on with --resume, or choose another --run-dir." });
    }
  }
}

async function refuseOtherExperiment(config: RunConfig, runDir: string): Promise<void> {
  const earlier = await readRunConfig(runDir);
  const names = ({ stages }: RunConfig): string => stages.map(({ name }) => name).join(", ");
  if (names(earlier) !== names(config)) {
    throw new UserError({ kind: "CheckpointError", where: runDir, what: `this run directory belongs to another experiment. Got stages ${names(config)}, expected ${names(earlier)}`, hint: "Choose another --run-dir." });
  }
  for (const stage of config.stages) {
    const latest = await latestCheckpoint(stageFolder(config, stage.name, runDir));
    if (latest === undefined) continue;
    const checkpoint = await readCheckpoint(latest);
    const before = earlier.stages.find(({ name }) => name === stage.name);
    const differing = before === undefined || checkpoint.state.configHash === configHash(config, stage) ? [] : differingSettings([config, stage], [earlier, before]);
    if (differing.length > 0) throw new UserError(differing.map((what) => ({ kind: "CheckpointError" as const, where: latest, what: `made with other settings: ${what}`, hint: "Go on with the config that the run was started with, or start in a new run directory." })));
    checkCheckpoint(checkpoint, { stage: stage.name, configHash: configHash(config, stage) });
  }
}
