/** @file `m2se config`. */
import { Command } from "commander";
import { describeConfig, explainSetting } from "../../config/index.ts";
import { UserError } from "../../core/errors.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderConfig, renderSetting } from "../render/config.ts";
import { backendOption, loadRunConfig, setOption, type ConfigFlags } from "./run-config.ts";

export interface ConfigCommandFlags extends Partial<ConfigFlags> {
  readonly explain?: string;
}

export function configCommand(launch: Launch): Command {
  return new Command("config")
    .description("every resolved setting with its origin, or the meaning of one")
    .option("--config <file>", "the experiment, a YAML file")
    .addOption(setOption())
    .addOption(backendOption())
    .option("--explain <path>", "what a setting means and accepts, e.g. stages.0.budget.epochs")
    .action((flags: ConfigCommandFlags) => launch((context) => runConfig(flags, context)));
}

/** Prints the resolved config, or the meaning of one setting. */
export async function runConfig({ explain, config, ...flags }: ConfigCommandFlags, context: CommandContext): Promise<void> {
  if (explain !== undefined) {
    const setting = explainSetting(explain);
    context.output.human(renderSetting(setting));
    context.output.json({ kind: "setting", ...setting });
  } else if (config === undefined) {
    throw new UserError({ kind: "ConfigError", where: "m2se config", what: "got neither --config nor --explain, expected one of them" });
  } else {
    const values = describeConfig(await loadRunConfig({ config, ...flags }, context));
    context.output.human(renderConfig(values));
    for (const value of values) context.output.json({ kind: "setting", ...value });
  }
}
