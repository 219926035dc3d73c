import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig, type LoadOptions, type LoadedConfig } from "../../src/config/index.ts";
import { UserError } from "../../src/core/errors.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "m2se-config-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const BASE = `name: base
data: { root: records }
model: { folder: model }
stages:
  - name: one
    mixture: { msa: high }
    trainable: [{ match: ".*", learningRate: 1e-3 }]
`;

/** Writes the files and loads the last one. */
async function load(files: Readonly<Record<string, string>>, options: LoadOptions = {}): Promise<LoadedConfig> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return loadConfig(join(folder, Object.keys(files).at(-1) ?? ""), { workingDirectory: folder, ...options });
}

/** The message of the UserError that loading ends in. */
async function messageOf(files: Readonly<Record<string, string>>, options: LoadOptions = {}): Promise<string> {
  const error: unknown = await load(files, options).then(() => undefined, (reason: unknown) => reason);
  if (!(error instanceof UserError)) throw new Error(`expected a UserError, got ${String(error)}`);
  expect(error.exitCode).toBe(2);
  return error.message;
}

test("defaults come from the schema, paths become absolute, the result is frozen", async () => {
  const { config, origins } = await load({ "a.yaml": BASE });

  expect(config.seed).toBe(42);
  expect(config.stages[0]?.optimizer.beta2).toBe(0.95);
  expect(config.stages[0]?.trainable).toEqual([{ match: ".*", learningRate: 0.001 }]);
  expect(config.data.root).toBe(join(folder, "records"));
  expect(config.model.folder).toBe(join(folder, "model"));
  expect(Object.isFrozen(config.stages[0]?.trainable[0])).toBe(true);
  expect(origins.of(["seed"])).toBe("default");
  expect(origins.of(["stages", 0, "mixture", "msa"])).toBe("a.yaml:6");
});

test("a child overrides its parent: maps merge, named items merge by name, other lists are replaced", async () => {
  const child = `extends: parent.yaml
name: child
data: { frames: 3 }
stages:
  - name: two
    initFrom: one
    mixture: { eri: 0.5 }
    trainable: [{ match: lora, learningRate: 1 }]
  - name: one
    mixture: { fer: low }
    trainable: [{ match: mlp1, learningRate: 2 }, { match: lora, learningRate: 3 }]
`;

  const { config, origins } = await load({ "parent.yaml": BASE, "child.yaml": child });

  expect(config.stages.map(({ name }) => name)).toEqual(["one", "two"]);
  expect(config.stages[0]?.mixture).toEqual({ msa: "high", fer: "low" });
  expect(config.stages[0]?.trainable.map(({ match }) => match)).toEqual(["mlp1", "lora"]);
  expect(config.data.frames).toBe(3);
  expect(origins.of(["name"])).toBe("child.yaml:2");
  expect(origins.of(["data", "root"])).toBe("parent.yaml:2");
});

test("null takes an inherited value back", async () => {
  const parent = BASE.replace("{ root: records }", "{ root: records, frames: 3, synthetic: { clips: 9 } }");

  const { config, origins } = await load({ "p.yaml": parent, "c.yaml": "extends: p.yaml\ndata: { frames: null, synthetic: null }\n" });

  expect(config.data.frames).toBe(8);
  expect(config.data.synthetic).toBeUndefined();
  expect(origins.of(["data", "frames"])).toBe("default");
});

test("each path is relative to the file that names it, or to the working directory when a flag names it", async () => {
  const { config } = await load({ "p.yaml": BASE.replace("root: records", "root: ../records, cache: /abs/cache"), "c.yaml": "extends: p.yaml\nmodel: { folder: other }\n" }, { set: ["model.folder=sub/m"], workingDirectory: join(folder, "cwd") });

  expect(config.data.root).toBe(join(folder, "../records"));
  expect(config.data.cache).toBe("/abs/cache");
  expect(config.model.folder).toBe(join(folder, "cwd/sub/m"));
});

test("the folder of a stage's adapter is such a path too", async () => {
  const { config } = await load({ "a.yaml": BASE }, { set: ["stages.one.lora={ from: adapter }"], workingDirectory: join(folder, "cwd") });

  expect(config.stages[0]?.lora).toMatchObject({ from: join(folder, "cwd/adapter"), dropout: 0 });
});

test("--set splits at the first =, reads YAML and finds list items by name and by position", async () => {
  const set = ["model.system=a=b", "stages.one.budget.maxSteps=20", "stages.0.mixture={ erc: 1e-1 }", "data.modalities=[text]"];

  const { config, origins } = await load({ "a.yaml": BASE }, { set });

  expect(config.model.system).toBe("a=b");
  expect(config.stages[0]?.budget.maxSteps).toBe(20);
  expect(config.stages[0]?.mixture).toEqual({ erc: 0.1 });
  expect(config.data.modalities).toEqual(["text"]);
  expect(origins.of(["stages", 0, "budget", "maxSteps"])).toBe("--set stages.one.budget.maxSteps=20");
});

test("an inherited file value loses to --set, which loses to a flag of its own", async () => {
  const { flagOverride } = await import("../../src/config/index.ts");

  const { config } = await load({ "a.yaml": `${BASE}backend: webgpu\n` }, { set: ["backend=tensorflow"], overrides: [flagOverride("backend", "cpu", "--backend cpu")] });

  expect(config.backend).toBe("cpu");
});

test("an adapter is named behind webgpu:, a backend that is none gets the list and the nearest", async () => {
  expect((await load({ "a.yaml": `${BASE}backend: webgpu:SwiftShader\n` })).config.backend).toBe("webgpu:SwiftShader");
  expect(await messageOf({ "a.yaml": BASE }, { set: ["backend=onxruntime"] })).toBe(
    'ConfigError --set backend=onxruntime backend: got "onxruntime", expected one of auto, onnxruntime, tensorflow, webgpu, cpu or webgpu:NAME with part of an adapter\'s name.\n' +
      '  Known: auto, onnxruntime, tensorflow, webgpu, cpu. Did you mean "onnxruntime"?',
  );
  expect(await messageOf({ "a.yaml": BASE }, { set: ['backend="webgpu:"'] })).toContain('got "webgpu:", expected one of auto');
});

test("YAML 1.2: yes is a text, 1e-3 is a number", async () => {
  expect(await messageOf({ "a.yaml": BASE.replace("learningRate: 1e-3", "learningRate: yes") })).toBe(
    'ConfigError a.yaml:7 stages.one.trainable.0.learningRate: got "yes", expected a number from 0.',
  );
});

test("an anchor is repeated where its alias stands", async () => {
  const { config } = await load({ "a.yaml": BASE.replace("{ msa: high }", "&m { msa: high }") + "  - name: two\n    mixture: *m\n    trainable: [{ match: x, learningRate: 1 }]\n" });

  expect(config.stages[1]?.mixture).toEqual({ msa: "high" });
});

test("all shape errors come at once, each with file, line, path, what was found and what was expected", async () => {
  const text = `nmae: x
name: a b
seed: 1.5
data:
  root: 3
  frames: 0
  modalities: [vide]
model:
  folder: m
  init: scratch
stages:
  - name: one
    mixture: { emo: 1, erc: 1.5, fer: true }
    trainable: []
    budget: { epoch: 1 }
  - name: two
`;

  expect((await messageOf({ "a.yaml": text })).split("\n")).toEqual([
    'ConfigError a.yaml:2 name: got "a b", expected a text that matches ^[A-Za-z0-9][A-Za-z0-9._-]*$.',
    "ConfigError a.yaml:3 seed: got 1.5, expected a whole number.",
    "ConfigError a.yaml:5 data.root: got 3, expected a text.",
    "ConfigError a.yaml:6 data.frames: got 0, expected a whole number above 0 up to 1024.",
    'ConfigError a.yaml:7 data.modalities.0: got "vide", expected one of video, audio, text.',
    '  Known: video, audio, text. Did you mean "video"?',
    'ConfigError a.yaml:10 model.init: got "scratch", expected one of weights, random.',
    "  Known: weights, random.",
    "ConfigError a.yaml:13 stages.one.mixture.erc: got 1.5, expected a text or a number from 0 up to 1.",
    "ConfigError a.yaml:13 stages.one.mixture.fer: got true, expected a text or a number from 0 up to 1.",
    'ConfigError a.yaml:13 stages.one.mixture.emo: unknown key "emo".',
    '  Known: msa, erc, fer, eri, ecpe. Did you mean "erc"?',
    "ConfigError a.yaml:14 stages.one.trainable: got [], expected a list of at least 1 (each a group of settings).",
    'ConfigError a.yaml:15 stages.one.budget.epoch: unknown key "epoch".',
    '  Known: epochs, maxSteps, rowTokens, rowsPerBatch, accumulation, gradientCheckpointing. Did you mean "epochs"?',
    "ConfigError a.yaml:16 stages.two.mixture: missing, expected a group of settings.",
    "ConfigError a.yaml:16 stages.two.trainable: missing, expected a list of at least 1 (each a group of settings).",
    'ConfigError a.yaml:1 nmae: unknown key "nmae".',
    '  Known: name, seed, backend, precision, data, model, levels, stages, eval. Did you mean "name"?',
  ]);
});

test("numbers that no machine could work through are refused before anything is decoded or drawn", async () => {
  expect(await messageOf({ "a.yaml": BASE }, { set: ["data.frames=100000", "stages.0.budget.epochs=1e12"] })).toBe(
    "ConfigError --set data.frames=100000 data.frames: got 100000, expected a whole number above 0 up to 1024.\n" +
      "ConfigError --set stages.0.budget.epochs=1e12 stages.one.budget.epochs: got 1000000000000, expected a number above 0 up to 10000.",
  );
});

test("a wrong value from a flag is reported at the flag", async () => {
  expect(await messageOf({ "a.yaml": BASE }, { set: ["stages.one.budget.maxStep=3"] })).toBe(
    'ConfigError --set stages.one.budget.maxStep=3 stages.one.budget.maxStep: unknown key "maxStep".\n  Known: epochs, maxSteps, rowTokens, rowsPerBatch, accumulation, gradientCheckpointing. Did you mean "maxSteps"?',
  );
});

test("malformed --set texts are reported together, with the way to write them", async () => {
  expect(await messageOf({ "a.yaml": BASE }, { set: ["seed", "=1", "seed=[1", "stages.onn.seed=1", "seed.x=1"] })).toBe(
    [
      'ConfigError --set seed: got "seed", expected path=value.\n  For example --set stages.0.budget.maxSteps=20.',
      'ConfigError --set =1: got "=1", expected path=value.\n  For example --set stages.0.budget.maxSteps=20.',
      `ConfigError --set seed=[1: got "[1", expected a YAML value.\n  Quote a text with special characters: --set 'name="a: b"'.`,
      'ConfigError --set stages.onn.seed=1: no item "onn" in this list of 1.\n  Known: one. Did you mean "one"?',
    ].join("\n"),
  );
  expect(await messageOf({ "a.yaml": `seed: 3\n${BASE}` }, { set: ["seed.x=1"] })).toBe('ConfigError --set seed.x=1: "seed" is the value 3, not a group with a "x" in it.');
});

test("files that extend each other in a circle are named in order", async () => {
  expect(await messageOf({ "b.yaml": "extends: c.yaml\n", "c.yaml": "extends: a.yaml\n", "a.yaml": "name: a\nextends: b.yaml\n" })).toBe(
    "ConfigError c.yaml:1 extends: the files extend each other in a circle: a.yaml -> b.yaml -> c.yaml -> a.yaml.",
  );
});

test("a parent must be one path", async () => {
  expect(await messageOf({ "a.yaml": "extends: [x.yaml, y.yaml]\n" })).toBe("ConfigError a.yaml:1 extends: expected the path of one parent file.");
});

test("a file that is missing, empty or no map says so", async () => {
  const missing = await loadConfig(join(folder, "none.yaml"), { workingDirectory: folder }).catch((error: unknown) => String(error instanceof Error ? error.message : error));
  expect(missing).toBe("ConfigError none.yaml: cannot read this config file: no such file or folder.");
  expect(await messageOf({ "a.yaml": "extends: none.yaml\n" })).toBe("ConfigError none.yaml: cannot read this config file: no such file or folder.");
  expect(await messageOf({ "a.yaml": "" })).toBe("ConfigError a.yaml: expected a YAML map with name, data, model and stages.");
  expect(await messageOf({ "a.yaml": "- 1\n" })).toBe("ConfigError a.yaml: expected a YAML map with name, data, model and stages.");
});

test("broken YAML is reported with line and column, every error of it", async () => {
  expect(await messageOf({ "a.yaml": "name: a\nname: b\nseed: !!odd 3\n" })).toBe(
    "ConfigError a.yaml:2:1: not valid YAML: Map keys must be unique.\nConfigError a.yaml:3:7: not valid YAML: Unresolved tag: tag:yaml.org,2002:odd.",
  );
});

test("a second document in a file is told in our words", async () => {
  expect(await messageOf({ "a.yaml": `${BASE}---\nname: other\n` })).toBe("ConfigError a.yaml:8:1: got a second YAML document after ---, expected one.");
});

test("aliases neither turn in a circle nor blow up", async () => {
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x, x]", ..."bcdef".split("").map((key, i) => `${key}: &${key} [${Array(10).fill(`*${"abcde"[i]}`).join(", ")}]`)].join("\n");

  expect(await messageOf({ "a.yaml": "name: a\ndata: &d { root: *d }\n" })).toMatch(/^ConfigError a\.yaml:2: this anchor contains an alias of itself\.$/);
  expect(await messageOf({ "a.yaml": bomb })).toMatch(/^ConfigError a\.yaml:\d: got more than 100000 values, expected a config of a few hundred\.$/);
});
