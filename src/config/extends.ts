/** @file `extends: parent.yaml`: a file and its chain of parents as one tree. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { UserError, type Problem } from "../core/errors.ts";
import { describeSystemError } from "../core/files.ts";
import { mergeTrees, type ConfigMap, type ConfigTree } from "./tree.ts";
import { parseYamlFile } from "./yaml.ts";

/** The merged tree of a config file and its parents, `extends` left out. `display` shortens a path for messages. */
export async function readWithParents(file: string, display: (file: string) => string): Promise<ConfigTree> {
  return readChain(resolve(file), { children: [], display });
}

interface Chain {
  /** The files that led here, first the one the user named. */
  readonly children: readonly string[];
  readonly display: (file: string) => string;
}

async function readChain(file: string, { children, display }: Chain): Promise<ConfigTree> {
  const map = await readMap(file, display);
  const parent = map.entries.get("extends");
  if (parent === undefined) return map;
  const line = parent.origin.kind === "file" ? parent.origin.line : 1;
  const where = `${display(file)}:${line} extends`;
  if (parent.kind !== "scalar" || typeof parent.value !== "string") {
    throw configError({ where, what: "expected the path of one parent file" });
  }
  const parentFile = resolve(dirname(file), parent.value);
  const chain = [...children, file];
  if (chain.includes(parentFile)) {
    throw configError({ where, what: `the files extend each other in a circle: ${[...chain, parentFile].map(display).join(" -> ")}` });
  }
  const inherited = await readChain(parentFile, { children: chain, display });
  return mergeTrees(inherited, { ...map, entries: new Map([...map.entries].filter(([key]) => key !== "extends")) });
}

async function readMap(file: string, display: (file: string) => string): Promise<ConfigMap> {
  const text = await readText(file, display(file));
  const tree = parseYamlFile(text, file, (line) => `${display(file)}:${line}`);
  if (!("kind" in tree)) throw new UserError(tree);
  if (tree.kind !== "map") throw configError({ where: display(file), what: "expected a YAML map with name, data, model and stages" });
  return tree;
}

async function readText(file: string, shown: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const described = describeSystemError(error, shown);
    if (!(described instanceof UserError)) throw described;
    const what = described.problems[0]?.what ?? "cannot be read";
    throw new UserError({ kind: "ConfigError", where: shown, what: `cannot read this config file: ${what}` }, { cause: error });
  }
}

function configError(problem: Omit<Problem, "kind">): UserError {
  return new UserError({ kind: "ConfigError", ...problem });
}
