/** @file The flags that name a config, and the config they name. */
import { resolve } from "node:path";
import { Option, type Command } from "commander";
import { flagOverride, idleSettings, loadConfig, type BackendName, type LoadedConfig } from "../../config/index.ts";
import type { CommandContext } from "../context.ts";
import { collect, knownBackend } from "./values.ts";

export interface ConfigFlags {
  readonly config: string;
  readonly set?: readonly string[];
  readonly backend?: BackendName;
}

export const setOption = (): Option => new Option("--set <path=value>", "a setting of the config, e.g. stages.0.budget.maxSteps=20; repeatable").argParser(collect);
export const backendOption = (): Option => new Option("--backend <name>", "where tensors live: auto, onnxruntime, tensorflow, webgpu, cpu, or webgpu:NAME with part of an adapter's name").argParser(knownBackend);

/** Adds --config, --set and --backend. */
export function withConfigFlags(command: Command): Command {
  return command.requiredOption("--config <file>", "the experiment, a YAML file").addOption(setOption()).addOption(backendOption());
}

/** The checked config; settings without an effect are pointed out. */
export async function loadRunConfig({ config, set = [], backend }: ConfigFlags, { output, workingDirectory }: CommandContext): Promise<LoadedConfig> {
  const overrides = backend === undefined ? [] : [flagOverride("backend", backend, `--backend ${backend}`)];
  const loaded = await loadConfig(resolve(workingDirectory, config), { set, overrides, workingDirectory });
  for (const message of idleSettings(loaded)) {
    output.human(`warning: ${message}`);
    output.json({ kind: "warning", message });
  }
  return loaded;
}

/** The folder of a run: the flag's, or runs/<name of the config>. */
export function runFolder(flag: string | undefined, name: string, workingDirectory: string): string {
  return resolve(workingDirectory, flag ?? `runs/${name}`);
}
