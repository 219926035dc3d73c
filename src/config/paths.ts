/** @file Paths in a config are relative to the file that names them; after loading they are absolute. */
import { dirname, resolve } from "node:path";
import { isProblem, applyOverride } from "./set.ts";
import { treeAt, type ConfigTree } from "./tree.ts";

const PATH_SETTINGS: readonly (readonly string[])[] = [["data", "root"], ["data", "cache"], ["model", "folder"], ["model", "audioFolder"]];

/** The tree with absolute paths; a path from a flag is relative to `workingDirectory`. */
export function resolvePaths(tree: ConfigTree, workingDirectory: string): ConfigTree {
  return pathSettings(tree).reduce((current: ConfigTree, path) => {
    const node = treeAt(current, path);
    if (node?.kind !== "scalar" || typeof node.value !== "string" || node.value === "") return current;
    const base = node.origin.kind === "file" ? dirname(node.origin.file) : workingDirectory;
    const placed = applyOverride(current, { path, value: { ...node, value: resolve(base, node.value) }, flag: path.join(".") });
    return isProblem(placed) ? current : placed;
  }, tree);
}

function pathSettings(tree: ConfigTree): readonly (readonly string[])[] {
  const stages = treeAt(tree, ["stages"]);
  const adapters = stages?.kind === "list" ? stages.items.map((_, index) => ["stages", String(index), "lora", "from"]) : [];
  return [...PATH_SETTINGS, ...adapters];
}
