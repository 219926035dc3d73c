/** @file Rules that span several settings. Pure: what a config says about itself, without looking at the disk. */
import { didYouMean } from "../core/suggest.ts";
import type { ConfigIssue } from "./problems.ts";
import type { RunConfig, StageConfig } from "./schema.ts";

/** Words that `--stage` and `initFrom` already use. */
const RESERVED_NAMES = ["all", "base"];

/** Every broken rule of a config whose shape is right. */
export function brokenRules(config: RunConfig): ConfigIssue[] {
  return config.stages.flatMap((stage, index) => {
    const issues = [
      ...nameIssues(config.stages, index),
      ...initFromIssues(config.stages, index),
      ...mixtureIssues(stage, config.levels),
      ...trainableIssues(stage),
      ...loraIssues(stage),
      ...scheduleIssues(stage),
    ];
    return issues.map(({ path, ...issue }) => ({ path: ["stages", index, ...path], ...issue }));
  });
}

function nameIssues(stages: readonly StageConfig[], index: number): ConfigIssue[] {
  const name = stages[index]?.name ?? "";
  const path = ["name"];
  if (RESERVED_NAMES.includes(name)) return [{ path, what: `a stage cannot be called "${name}", the command line uses that word` }];
  if (/^\d+$/.test(name)) return [{ path, what: `got "${name}", expected a name with a letter in it`, hint: "--stage takes numbers as positions in the list." }];
  const first = stages.findIndex((stage) => stage.name === name);
  return first === index ? [] : [{ path, what: `stages ${first + 1} and ${index + 1} are both called "${name}", expected different names` }];
}

function initFromIssues(stages: readonly StageConfig[], index: number): ConfigIssue[] {
  const initFrom = stages[index]?.initFrom ?? "base";
  const earlier = ["base", ...stages.slice(0, index).map(({ name }) => name)];
  if (earlier.includes(initFrom)) return [];
  const later = stages.some(({ name }) => name === initFrom);
  const what = later ? `"${initFrom}" does not come before this stage` : `no stage is called "${initFrom}"`;
  return [{ path: ["initFrom"], what: `${what}, expected base or an earlier stage`, hint: didYouMean(initFrom, earlier) }];
}

function mixtureIssues({ mixture }: StageConfig, levels: Readonly<Record<string, number>>): ConfigIssue[] {
  const entries = Object.entries(mixture);
  const unknown = entries.flatMap(([task, level]) => {
    if (typeof level !== "string" || Object.hasOwn(levels, level)) return [];
    return [{ path: ["mixture", task], what: `got "${level}", expected a number from 0 to 1 or a word from levels`, hint: didYouMean(level, Object.keys(levels)) }];
  });
  if (unknown.length > 0) return unknown;
  const drawn = entries.some(([, level]) => (typeof level === "number" ? level : (levels[level] ?? 0)) > 0);
  return drawn ? [] : [{ path: ["mixture"], what: "no task is ever drawn, expected at least one with a probability above 0" }];
}

function trainableIssues({ trainable }: StageConfig): ConfigIssue[] {
  const patterns = trainable.flatMap(({ match }, index) => patternIssues(match, ["trainable", index, "match"]));
  if (trainable.some(({ learningRate }) => learningRate > 0)) return patterns;
  return [...patterns, { path: ["trainable"], what: "every learning rate is 0, expected at least one above 0", hint: "A stage that trains nothing can be left out." }];
}

function loraIssues({ lora }: StageConfig): ConfigIssue[] {
  if (lora === undefined) return [];
  if (lora.targets === undefined && lora.from === undefined) return [{ path: ["lora"], what: "got neither targets nor from, expected one of them", hint: "targets: which modules get new adapters; from: the folder of an adapter to go on with." }];
  if (lora.targets !== undefined && lora.from !== undefined) return [{ path: ["lora"], what: "got targets and from, expected one of them", hint: "An adapter's folder says itself which modules it adapts." }];
  const names = (["rankPattern", "alphaPattern"] as const).flatMap((key) => Object.keys(lora[key]).flatMap((pattern) => patternIssues(pattern, ["lora", key, pattern])));
  return [...(typeof lora.targets === "string" ? patternIssues(lora.targets, ["lora", "targets"]) : []), ...names];
}

function patternIssues(pattern: string, path: ConfigIssue["path"]): ConfigIssue[] {
  try {
    new RegExp(pattern);
    return [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ path, what: `got "${pattern}", expected a regular expression (${reason})` }];
  }
}

function scheduleIssues({ schedule }: StageConfig): ConfigIssue[] {
  return schedule.warmup < 1 ? [] : [{ path: ["schedule", "warmup"], what: "got 1, expected a share below 1", hint: "With 1 the whole stage is warm-up and the peak learning rate comes at its last step." }];
}
