/** @file `--set a.b=value`: one value of the config from the command line. */
import type { Problem } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { nameOf, type ConfigTree, type Origin } from "./tree.ts";
import { parseYamlValue } from "./yaml.ts";

/** A value that a flag puts at a path; list items are addressed by name or position. */
export interface Override {
  readonly path: readonly string[];
  readonly value: ConfigTree;
  /** The flag as the user typed it. */
  readonly flag: string;
}

/** Splits at the first `=`, so that the value may contain one; the value is YAML: `20`, `[a, b]`, `{ msa: high }`, `null`. */
export function parseSet(text: string): Override | Problem {
  const flag = `--set ${text}`;
  const equals = text.indexOf("=");
  const path = text.slice(0, Math.max(0, equals)).trim().split(".");
  if (equals < 0 || path.some((step) => step === "")) {
    return { kind: "ConfigError", where: flag, what: `got "${text}", expected path=value`, hint: "For example --set stages.0.budget.maxSteps=20." };
  }
  const value = parseYamlValue(text.slice(equals + 1), { kind: "flag", flag });
  if (value === undefined) {
    return { kind: "ConfigError", where: flag, what: `got "${text.slice(equals + 1)}", expected a YAML value`, hint: "Quote a text with special characters: --set 'name=\"a: b\"'." };
  }
  return { path, value, flag };
}

/** An override by a flag of its own, e.g. `--backend cpu` for `backend`. */
export function flagOverride(path: string, value: string | number, flag: string): Override {
  return { path: path.split("."), value: { kind: "scalar", value, origin: { kind: "flag", flag } }, flag };
}

/** The tree with the value in place; groups on the way that nobody wrote are made, list items must exist. */
export function applyOverride(tree: ConfigTree, { path, value, flag }: Override): ConfigTree | Problem {
  return place(tree, path, { path, value, flag });
}

function place(node: ConfigTree | undefined, steps: readonly string[], override: Override): ConfigTree | Problem {
  const [step, ...rest] = steps;
  if (step === undefined) return override.value;
  const origin: Origin = { kind: "flag", flag: override.flag };
  if (node === undefined || (node.kind === "scalar" && node.value === null)) return placeInMap(new Map(), origin, step, rest, override);
  if (node.kind === "map") return placeInMap(node.entries, node.origin, step, rest, override);
  if (node.kind === "list") return placeInList(node, step, rest, override);
  const group = override.path.slice(0, override.path.length - steps.length).join(".");
  return { kind: "ConfigError", where: override.flag, what: `"${group}" is the value ${JSON.stringify(node.value)}, not a group with a "${step}" in it` };
}

function placeInMap(entries: ReadonlyMap<string, ConfigTree>, origin: Origin, step: string, rest: readonly string[], override: Override): ConfigTree | Problem {
  const placed = place(entries.get(step), rest, override);
  return isProblem(placed) ? placed : { kind: "map", entries: new Map(entries).set(step, placed), origin };
}

function placeInList(list: ConfigTree & { kind: "list" }, step: string, rest: readonly string[], override: Override): ConfigTree | Problem {
  const named = list.items.findIndex((item) => nameOf(item) === step);
  const index = named >= 0 ? named : /^\d+$/.test(step) ? Number(step) : -1;
  if (list.items[index] === undefined) {
    const known = list.items.map((item, position) => nameOf(item) ?? String(position));
    return { kind: "ConfigError", where: override.flag, what: `no item "${step}" in this list of ${list.items.length}`, hint: didYouMean(step, known) };
  }
  const placed = place(list.items[index], rest, override);
  return isProblem(placed) ? placed : { kind: "list", items: list.items.with(index, placed), origin: list.origin };
}

/** Trees and problems are told apart by the problem's text. */
export function isProblem(value: ConfigTree | Override | Problem): value is Problem {
  return "what" in value;
}
