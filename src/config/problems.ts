/** @file Schema issues as problems a user can find and fix: file with line, path, got, expected, nearest name. */
import type { z } from "zod";
import type { Problem } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { expectation, knownKeys, schemaAt } from "./schema-walk.ts";
import { nearestOrigin, plainValue, renderPath, treeAt, type ConfigPath, type ConfigTree, type Origin } from "./tree.ts";

/** A place in the config that breaks a rule, before file and line are known. */
export interface ConfigIssue {
  readonly path: ConfigPath;
  readonly what: string;
  readonly hint?: string;
}

/** One problem per issue, in the order of the schema; an issue about several unknown keys becomes one for each. */
export function describeIssues(issues: readonly z.core.$ZodIssue[], tree: ConfigTree): ConfigIssue[] {
  return issues.flatMap((issue): ConfigIssue[] => {
    const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
    if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(path, key));
    return [wrongValue(path, tree)];
  });
}

function unknownKey(path: ConfigPath, key: string): ConfigIssue {
  return { path: [...path, key], what: `unknown key "${key}"`, hint: didYouMean(key, knownKeys(path)) };
}

function wrongValue(path: ConfigPath, tree: ConfigTree): ConfigIssue {
  const schema = schemaAt(path);
  const expected = schema === undefined ? "something else" : expectation(schema);
  const node = treeAt(tree, path);
  const what = node === undefined ? `missing, expected ${expected}` : `got ${shorten(JSON.stringify(plainValue(node)))}, expected ${expected}`;
  const typed = node?.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
  const words = /^one of (.*?)(?: or .*)?$/.exec(expected)?.[1]?.split(", ");
  return typed === undefined || words === undefined ? { path, what } : { path, what, hint: didYouMean(typed, words) };
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/** The issue at its file and line, or at the flag that set it. */
export function locateIssue({ path, what, hint }: ConfigIssue, tree: ConfigTree, display: (file: string) => string): Problem {
  const setting = renderPath(tree, path);
  const where = [renderOrigin(nearestOrigin(tree, path), display), setting].filter((part) => part !== "").join(" ");
  return { kind: "ConfigError", where, what, ...(hint === undefined ? {} : { hint }) };
}

/** `configs/tiny.yaml:14`, or the flag as typed. */
export function renderOrigin(origin: Origin, display: (file: string) => string): string {
  return origin.kind === "file" ? `${display(origin.file)}:${origin.line}` : origin.flag;
}
