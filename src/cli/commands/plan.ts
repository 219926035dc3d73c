/** @file `m2se plan`. */
import { Command } from "commander";
import { selectStages } from "../../curriculum/stage.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderPlan } from "../render/plan.ts";
import { ensureDataset } from "./dataset.ts";
import { loadRunConfig, withConfigFlags, type ConfigFlags } from "./run-config.ts";

export interface PlanFlags extends ConfigFlags {
  readonly stage?: string;
}

export function planCommand(launch: Launch): Command {
  return withConfigFlags(new Command("plan").description("what training would do: samples, tokens, steps, padding, drops, parameters, memory, time"))
    .option("--stage <stage>", "all, a position from 1 on, or a name")
    .action((flags: PlanFlags) => launch((context) => runPlan(flags, context)));
}

/** Prints the plan of the chosen stages. */
export async function runPlan({ stage = "all", ...flags }: PlanFlags, context: CommandContext): Promise<void> {
  const { config } = await loadRunConfig(flags, context);
  const stages = selectStages(config.stages, stage).map(({ name }) => name);
  await ensureDataset(config, context);
  const { planRun } = await context.loadApp();
  const plan = await planRun({ config, stages, signal: context.signal });
  context.output.human(renderPlan(plan));
  context.output.json({ kind: "plan", ...plan });
}
