/** @file A loaded config in words: every resolved value with its origin, and what one setting means. */
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { LoadedConfig } from "./load.ts";
import { defaultOf, descriptionOf, expectation, knownKeys, schemaAt } from "./schema-walk.ts";
import { renderPath, type ConfigPath, type ConfigTree } from "./tree.ts";

/** One resolved value. `path` is the form that --set takes. */
export interface DescribedValue {
  readonly path: string;
  readonly value: unknown;
  /** `default`, a file with its line, or a flag. */
  readonly origin: string;
}

/** Every value of the config, depth first; lists of plain values count as one value. */
export function describeConfig({ config, origins }: LoadedConfig): DescribedValue[] {
  return leaves(config, []).map(({ path, value }) => ({ path: renderPath(origins.tree, path), value, origin: origins.of(path) }));
}

interface Leaf {
  readonly path: ConfigPath;
  readonly value: unknown;
}

function leaves(value: unknown, path: ConfigPath): Leaf[] {
  if (typeof value !== "object" || value === null) return [{ path, value }];
  const entries: [string | number, unknown][] = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  if (entries.length === 0 || (Array.isArray(value) && entries.every(([, item]) => typeof item !== "object"))) return [{ path, value }];
  return entries.flatMap(([step, child]) => leaves(child, [...path, step]));
}

export interface ExplainedSetting {
  readonly path: string;
  readonly description: string | undefined;
  /** What it accepts, in words. */
  readonly accepts: string;
  /** Absent when the setting must be given or is left out. */
  readonly default: unknown;
  /** Settings inside, when it is a group. */
  readonly keys: readonly string[];
}

/**
 * What a setting means and accepts; `stages.0.budget` and `stages.NAME.budget` mean the same.
 *
 * @throws UserError when there is no such setting.
 */
export function explainSetting(path: string): ExplainedSetting {
  const steps = path === "" ? [] : path.split(".");
  const unknown = steps.findIndex((_, depth) => schemaAt(steps.slice(0, depth + 1)) === undefined);
  if (unknown >= 0) {
    const known = knownKeys(steps.slice(0, unknown));
    const hint = known.length === 0 ? {} : { hint: didYouMean(steps[unknown] ?? "", known) };
    throw new UserError({ kind: "ConfigError", where: `--explain ${path}`, what: `there is no setting "${steps.slice(0, unknown + 1).join(".")}"`, ...hint });
  }
  const schema = schemaAt(steps)!;
  return { path, description: descriptionOf(schema), accepts: expectation(schema), default: defaultOf(schema), keys: knownKeys(steps) };
}

/** Settings somebody wrote that change nothing under the others. */
export function idleSettings({ config, origins }: LoadedConfig): string[] {
  const words = new Set(config.stages.flatMap(({ mixture }) => Object.values(mixture)).filter((level) => typeof level === "string"));
  const idleLevels = Object.keys(config.levels)
    .map((level): ConfigPath => ["levels", level])
    .filter((path) => !words.has(String(path[1])) && origins.of(path) !== "default")
    .map((path) => `${at(origins, path)} has no effect: no mixture uses this word`);
  const idleFloors = config.stages.flatMap(({ schedule }, index) => {
    const path: ConfigPath = ["stages", index, "schedule", "floor"];
    return schedule.kind === "constant" && origins.of(path) !== "default" ? [`${at(origins, path)} has no effect: the schedule is constant`] : [];
  });
  return [...idleLevels, ...idleFloors, ...idleLora({ config, origins })];
}

/** What an adapter's folder says itself. */
function idleLora({ config, origins }: Pick<LoadedConfig, "config" | "origins">): string[] {
  return config.stages.flatMap(({ lora }, index) => {
    if (lora?.from === undefined) return [];
    const paths = (["rank", "alpha", "rankPattern", "alphaPattern", "rslora"] as const).map((key): ConfigPath => ["stages", index, "lora", key]);
    return paths.filter((path) => origins.of(path) !== "default").map((path) => `${at(origins, path)} has no effect: it is that of the adapter in lora.from`);
  });
}

function at(origins: { readonly tree: ConfigTree; of(path: ConfigPath): string }, path: ConfigPath): string {
  return `${origins.of(path)} ${renderPath(origins.tree, path)}`;
}
