/** @file A config file, its parents and the command line's values become one checked RunConfig. */
import { isAbsolute, relative } from "node:path";
import { UserError } from "../core/errors.ts";
import { readWithParents } from "./extends.ts";
import { resolvePaths } from "./paths.ts";
import { describeIssues, locateIssue, renderOrigin, type ConfigIssue } from "./problems.ts";
import { brokenRules } from "./rules.ts";
import { runConfigSchema, type RunConfig } from "./schema.ts";
import { applyOverride, isProblem, parseSet, type Override } from "./set.ts";
import { plainValue, treeAt, type ConfigPath, type ConfigTree } from "./tree.ts";

export interface LoadOptions {
  /** `path=value` texts, applied in order after the files. */
  readonly set?: readonly string[];
  /** Values of flags of their own (`--backend cpu`), applied last. */
  readonly overrides?: readonly Override[];
  /** Base of paths in flags and of file names in messages. */
  readonly workingDirectory?: string;
}

export interface LoadedConfig {
  /** Frozen, defaults filled in, paths absolute. */
  readonly config: RunConfig;
  readonly origins: ConfigOrigins;
}

/** Where the values of a loaded config come from. */
export interface ConfigOrigins {
  /** `default`, `configs/tiny.yaml:14`, or the flag as typed. */
  of(path: ConfigPath): string;
  /** What was written in files and flags, merged. */
  readonly tree: ConfigTree;
}

/**
 * The config of a file: schema defaults, overridden by `extends` parents, the file, `--set` and flags, in this order.
 *
 * @throws UserError (ConfigError) with every problem of the shape, or else every broken cross-field rule, at once.
 */
export async function loadConfig(file: string, { set = [], overrides = [], workingDirectory = process.cwd() }: LoadOptions = {}): Promise<LoadedConfig> {
  const display = (path: string): string => displayPath(path, workingDirectory);
  const written = await readWithParents(file, display);
  const tree = resolvePaths(applyAll(written, set, overrides), workingDirectory);
  const config = checkConfig(tree, display);
  return { config: deepFreeze(config), origins: { tree, of: (path) => originOf(tree, path, display) } };
}

/** A path below the working directory relative to it, any other as it is. */
function displayPath(path: string, workingDirectory: string): string {
  const short = relative(workingDirectory, path);
  return short === "" || short.startsWith("..") || isAbsolute(short) ? path : short;
}

function applyAll(tree: ConfigTree, set: readonly string[], overrides: readonly Override[]): ConfigTree {
  const parsed = [...set.map(parseSet), ...overrides];
  const malformed = parsed.filter((override) => isProblem(override));
  let current = tree;
  for (const override of parsed) {
    if (isProblem(override)) continue;
    const placed = applyOverride(current, override);
    if (isProblem(placed)) malformed.push(placed);
    else current = placed;
  }
  if (malformed.length > 0) throw new UserError(malformed);
  return current;
}

function checkConfig(tree: ConfigTree, display: (file: string) => string): RunConfig {
  const parsed = runConfigSchema.safeParse(plainValue(tree));
  const issues: readonly ConfigIssue[] = parsed.success ? brokenRules(parsed.data) : describeIssues(parsed.error.issues, tree);
  if (issues.length > 0) throw new UserError(issues.map((issue) => locateIssue(issue, tree, display)));
  if (!parsed.success) throw parsed.error;
  return parsed.data;
}

function originOf(tree: ConfigTree, path: ConfigPath, display: (file: string) => string): string {
  const node = treeAt(tree, path);
  return node === undefined ? "default" : renderOrigin(node.origin, display);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
