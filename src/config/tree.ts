/**
 * @file ConfigTree: a config document in which every value remembers where it was written. Files and flags become
 * trees, trees are merged, and only then the schema looks at the plain value.
 */

/** Where a value was written. A value without an origin is a default of the schema. */
export type Origin =
  | { readonly kind: "file"; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: "flag"; readonly flag: string };

export type Scalar = string | number | boolean | null;

export type ConfigTree =
  | { readonly kind: "scalar"; readonly value: Scalar; readonly origin: Origin }
  | { readonly kind: "list"; readonly items: readonly ConfigTree[]; readonly origin: Origin }
  | ConfigMap;

export interface ConfigMap {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, ConfigTree>;
  readonly origin: Origin;
}

/** Keys and list positions from the root down. */
export type ConfigPath = readonly (string | number)[];

/**
 * The tree in which `child` overrides `parent`: maps merge key by key; lists are replaced, except that lists whose items
 * all have a `name` merge by name (the parent's order first, new names after); an explicit null takes a value back.
 */
export function mergeTrees(parent: ConfigTree, child: ConfigTree): ConfigTree {
  if (parent.kind === "map" && child.kind === "map") return mergeMaps(parent, child);
  if (parent.kind === "list" && child.kind === "list" && hasNames(parent.items) && hasNames(child.items)) {
    return { kind: "list", items: mergeNamed(parent.items, child.items), origin: child.origin };
  }
  return child;
}

function mergeMaps(parent: ConfigMap, child: ConfigMap): ConfigMap {
  const entries = new Map(parent.entries);
  for (const [key, value] of child.entries) {
    const inherited = entries.get(key);
    entries.set(key, inherited === undefined ? value : mergeTrees(inherited, value));
  }
  return { kind: "map", entries, origin: child.origin };
}

function hasNames(items: readonly ConfigTree[]): boolean {
  return items.length > 0 && items.every((item) => nameOf(item) !== undefined);
}

/** A name that comes twice in the child stays twice, so that the rules can report it. */
function mergeNamed(parent: readonly ConfigTree[], child: readonly ConfigTree[]): ConfigTree[] {
  const merged = [...parent];
  const taken = new Set<number>();
  for (const item of child) {
    const index = parent.findIndex((candidate) => nameOf(candidate) === nameOf(item));
    const inherited = taken.has(index) ? undefined : parent[index];
    if (inherited === undefined) {
      merged.push(item);
    } else {
      merged[index] = mergeTrees(inherited, item);
      taken.add(index);
    }
  }
  return merged;
}

/** The `name` of a list item, if it has one. */
export function nameOf(tree: ConfigTree): string | undefined {
  const name = tree.kind === "map" ? tree.entries.get("name") : undefined;
  return name?.kind === "scalar" && typeof name.value === "string" ? name.value : undefined;
}

/** The plain value; keys set to null are left out, so that the schema's default applies. */
export function plainValue(tree: ConfigTree): unknown {
  switch (tree.kind) {
    case "scalar":
      return tree.value;
    case "list":
      return tree.items.map(plainValue);
    case "map":
      return Object.fromEntries([...tree.entries].filter(([, value]) => !isNull(value)).map(([key, value]) => [key, plainValue(value)]));
    default:
      return tree satisfies never;
  }
}

function isNull(tree: ConfigTree): boolean {
  return tree.kind === "scalar" && tree.value === null;
}

/** The subtree at a path; undefined where nothing was written or a null took it back. */
export function treeAt(tree: ConfigTree, path: ConfigPath): ConfigTree | undefined {
  let node: ConfigTree | undefined = tree;
  for (const step of path) {
    if (node?.kind === "map") node = node.entries.get(String(step));
    else if (node?.kind === "list") node = node.items[Number(step)];
    else return undefined;
  }
  return node === undefined || isNull(node) ? undefined : node;
}

/** The origin of the deepest part of the path that was written; the root's for a path that nobody wrote. */
export function nearestOrigin(tree: ConfigTree, path: ConfigPath): Origin {
  for (let length = path.length; length > 0; length--) {
    const node = treeAt(tree, path.slice(0, length));
    if (node !== undefined) return node.origin;
  }
  return tree.origin;
}

/** `stages.reasoning.budget.maxSteps`: list items by name where they have one; the form that --set takes. */
export function renderPath(tree: ConfigTree, path: ConfigPath): string {
  return path.map((step, depth) => (typeof step === "number" ? itemLabel(tree, path.slice(0, depth + 1), step) : step)).join(".");
}

function itemLabel(tree: ConfigTree, path: ConfigPath, index: number): string {
  const item = treeAt(tree, path);
  return (item === undefined ? undefined : nameOf(item)) ?? String(index);
}
