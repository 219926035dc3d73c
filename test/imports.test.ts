import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../src");

/** What a folder may import from; what is not listed here it may not. `data/record.ts` is one file of a folder. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  media: ["core"],
  data: ["core", "media"],
  config: ["core", "data/record.ts", "tasks/task.ts", "tasks/prompt-form.ts", "backend/names.ts"],
  metrics: ["core", "data/record.ts"],
  tasks: ["core", "data", "metrics"],
  text: ["core", "tasks", "data/record.ts"],
  curriculum: ["core", "tasks", "text", "media"],
  backend: ["core"],
  model: ["core", "backend", "curriculum/batch.ts", "curriculum/batch-media.ts", "curriculum/tree-mask.ts"],
  train: ["core", "model", "backend", "curriculum", "tasks"],
  eval: ["core", "metrics", "model", "backend", "curriculum", "tasks", "text", "data"],
  doctor: ["core", "media", "text", "curriculum", "backend", "model", "train"],
  scoring: ["core", "data", "metrics", "tasks", "eval/intervals.ts"],
  rationales: ["core", "data", "tasks"],
  app: ["core", "config", "data", "media", "tasks", "text", "curriculum", "backend", "model", "train", "eval", "scoring", "doctor", "rationales"],
  cli: ["core", "config", "data", "tasks", "curriculum", "train", "eval", "scoring", "app"],
};

/** What a folder may import besides, when only types pass. */
const TYPES_ALLOWED: Readonly<Record<string, readonly string[]>> = {
  text: ["config"],
};

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly typesOnly: boolean;
}

const FILES = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const IMPORTS = FILES.flatMap(importsOf);

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), "utf8");
  const statements = [...text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm)].map(([, type, specifier]) => ({ specifier: specifier ?? "", typesOnly: type !== undefined }));
  const dynamic = [...text.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, specifier]) => ({ specifier: specifier ?? "", typesOnly: false }));
  return [...statements, ...dynamic].map((found) => ({ file, ...found }));
}

/** The imported file relative to src; undefined for packages. */
function targetOf({ file, specifier }: Import): string | undefined {
  return specifier.startsWith(".") ? relative(SRC, resolve(SRC, dirname(file), specifier)) : undefined;
}

function folderOf(path: string): string {
  return path.split("/")[0] ?? path;
}

const covers = (place: string, target: string): boolean => target === place || target.startsWith(`${place}/`);

function isAllowed({ file, typesOnly }: Import, target: string): boolean {
  const from = folderOf(file);
  if (folderOf(target) === from) return true;
  const places = [...(ALLOWED[from] ?? []), ...(typesOnly ? (TYPES_ALLOWED[from] ?? []) : [])];
  return places.some((place) => covers(place, target));
}

test("imports follow the direction of the map", () => {
  const inside = IMPORTS.flatMap((one) => {
    const target = targetOf(one);
    return target === undefined ? [] : [{ one, target }];
  });

  const wrong = inside.filter(({ one, target }) => !isAllowed(one, target)).map(({ one, target }) => `${one.file} -> ${target}${one.typesOnly ? " (types)" : ""}`);

  expect(inside.length).toBeGreaterThan(100);
  expect(wrong).toEqual([]);
});

test("every permission of the map is used: what nobody needs is forbidden", () => {
  const idle = [...Object.entries(ALLOWED), ...Object.entries(TYPES_ALLOWED)].flatMap(([from, places]) =>
    places.filter((place) => !IMPORTS.some((one) => folderOf(one.file) === from && covers(place, targetOf(one) ?? ""))).map((place) => `${from} -> ${place}`),
  );

  expect(idle).toEqual([]);
});

test("every folder of src has its place in the map", () => {
  expect(Object.keys(ALLOWED)).toEqual(expect.arrayContaining([...new Set(FILES.map(folderOf))]));
});

test("imports name files that exist, with their extension", () => {
  const missing = IMPORTS.filter((one) => {
    const target = targetOf(one);
    return target !== undefined && !existsSync(join(SRC, target));
  });

  expect(missing.map(({ file, specifier }) => `${file}: ${specifier}`)).toEqual([]);
});

test("sources import packages that package.json installs for users", () => {
  const manifest = JSON.parse(readFileSync(join(SRC, "../package.json"), "utf8")) as Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
  const installed = new Set(["dependencies", "optionalDependencies", "peerDependencies"].flatMap((kind) => Object.keys(manifest[kind] ?? {})));
  const packages = IMPORTS.filter(({ specifier, typesOnly }) => !typesOnly && !specifier.startsWith(".") && !specifier.startsWith("node:"));
  const nameOf = (specifier: string): string => specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");

  const foreign = packages.filter(({ specifier }) => !installed.has(nameOf(specifier))).map(({ file, specifier }) => `${file}: ${specifier}`);

  expect(packages.length).toBeGreaterThan(10);
  expect(foreign).toEqual([]);
});

test("only cli/main.ts exits, prints or reads the command line", () => {
  const border = /\bconsole\.|\bprocess\.(exit|exitCode|argv|stdout|stderr|stdin)\b/;

  const touching = FILES.filter((file) => border.test(readFileSync(join(SRC, file), "utf8")));

  expect(touching).toEqual([join("cli", "main.ts")]);
});
