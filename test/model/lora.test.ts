import { randomNormal, tensor2d, type Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { linear } from "../../src/model/linear.ts";
import { adaptedModules, addLora, isLora, linearModules, mergeLora } from "../../src/model/lora.ts";
import { emptyStore, toyStore } from "./toy-model.ts";

const QUERY = "language_model.model.layers.0.self_attn.q_proj";
const values = (tensor: Tensor): number[] => [...tensor.dataSync()];

test("endings adapt every such layer: A uniform within 1 / sqrt(in), B zero, scale alpha / rank", async () => {
  const store = await toyStore();

  const modules = addLora(store, { rank: 2, alpha: 8, targets: ["q_proj", "fc1"] }, 5);

  // Two decoder layers, two vision layers; the audio layers have both q_proj and fc1.
  expect(modules.length).toBe(2 + 2 + 4);
  expect(adaptedModules(store)).toEqual(modules);
  const [a, b] = [store.get(`${QUERY}.lora_A.weight`), store.get(`${QUERY}.lora_B.weight`)];
  expect([a.shape, b.shape, values(store.get(`${QUERY}.lora_scale`))]).toEqual([[2, 16], [16, 2], [4]]);
  expect(Math.max(...values(a).map(Math.abs))).toBeLessThanOrEqual(0.25);
  expect(Math.max(...values(a).map(Math.abs))).toBeGreaterThan(0.2);
  expect(new Set(values(b))).toEqual(new Set([0]));
});

test("a regular expression must match the whole module name, and lookup tables are never adapted", async () => {
  const store = await toyStore();

  expect(addLora(store, { rank: 2, alpha: 2, targets: "language_model\\..*\\.(q|v)_proj" }, 1).length).toBe(4);
  expect(() => addLora(store, { rank: 2, alpha: 2, targets: "_proj" }, 1)).toThrow('"_proj" matches none of');
  expect(linearModules(store.shapes()).filter((module) => module.includes("embed"))).toEqual([]);
  expect(linearModules(store.shapes())).toContain("language_model.lm_head");
});

test("the starting values depend on seed and name alone", async () => {
  const [first, second, other] = [await toyStore(), await toyStore(), await toyStore()];
  addLora(first, { rank: 2, alpha: 8, targets: ["q_proj", "v_proj"] }, 5);
  addLora(second, { rank: 2, alpha: 8, targets: ["q_proj"] }, 5);
  addLora(other, { rank: 2, alpha: 8, targets: ["q_proj"] }, 6);

  const a = (store: typeof first): number[] => values(store.get(`${QUERY}.lora_A.weight`));

  expect(a(first)).toEqual(a(second));
  expect(a(other)).not.toEqual(a(first));
});

test("targets that match nothing are all reported with nearest names and the number matched, and nothing is added", async () => {
  const store = await toyStore();

  expect(() => addLora(store, { rank: 2, alpha: 8, targets: ["qproj", "v_proj", "updown"] }, 1, "stages.a.lora")).toThrow(
    /ConfigError stages\.a\.lora\.targets: "qproj" matches none of 39 linear modules \(the whole list matches 4\)\.\n {2}Nearest parts of names: proj, q_proj[^]*"updown" matches none/,
  );
  expect(() => addLora(store, { rank: 2, alpha: 8, targets: "(" }, 1)).toThrow('Got "(", expected a regular expression');
  expect(store.names().filter(isLora)).toEqual([]);
});

test("a second adapter on the same module is refused", async () => {
  const store = await toyStore();
  addLora(store, { rank: 2, alpha: 8, targets: ["q_proj"] }, 1);

  expect(() => addLora(store, { rank: 4, alpha: 8, targets: ["q_proj", "v_proj"] }, 1)).toThrow("4 of 8 modules have an adapter already, first");
});

test("a fresh adapter changes nothing, a trained one acts, and merging keeps what it does", async () => {
  const store = await toyStore();
  const x = randomNormal([3, 16], 0, 1, "float32", 1);
  const base = values(linear(store, QUERY, x));
  addLora(store, { rank: 2, alpha: 8, targets: ["q_proj"] }, 5);

  const fresh = values(linear(store, QUERY, x));
  store.set(`${QUERY}.lora_B.weight`, randomNormal([16, 2], 0, 0.5, "float32", 2));
  const trained = values(linear(store, QUERY, x));
  const merged = mergeLora(store);

  expect(fresh).toEqual(base);
  expect(Math.max(...trained.map((value, i) => Math.abs(value - (base[i] ?? 0))))).toBeGreaterThan(0.1);
  values(linear(store, QUERY, x)).forEach((value, i) => expect(value).toBeCloseTo(trained[i] ?? NaN, 5));
  expect(merged).toContain(QUERY);
  expect(store.names().filter(isLora)).toEqual([]);
});

test("merging by hand: W + scale * B A", async () => {
  const store = await emptyStore();
  store.set("m.weight", tensor2d([[1, 2]]));
  addLora(store, { rank: 1, alpha: 3, targets: ["m"] }, 1);
  store.set("m.lora_A.weight", tensor2d([[10, 20]]));
  store.set("m.lora_B.weight", tensor2d([[0.5]]));

  mergeLora(store);

  expect(values(store.get("m.weight"))).toEqual([16, 32]);
});

test("ranks and alphas by module as PEFT reads its patterns, and the rank-stabilised scale alpha / sqrt(rank)", async () => {
  const store = await toyStore();
  const value = ["language_model.model.layers.0.self_attn.v_proj", "language_model.model.layers.1.self_attn.v_proj"];

  addLora(store, { rank: 2, alpha: 8, targets: "language_model\\..*\\.[qv]_proj", rankPattern: { "layers\\.1\\.self_attn\\.v_proj": 4 }, alphaPattern: { v_proj: 6 }, rslora: true }, 1);

  const sizes = [QUERY, ...value].map((module) => [store.get(`${module}.lora_A.weight`).shape[0], values(store.get(`${module}.lora_scale`))[0]]);
  expect(sizes).toEqual([[2, Math.fround(8 / Math.SQRT2)], [2, Math.fround(6 / Math.SQRT2)], [4, 3]]);
});

test("a pattern that matches no adapted module is an error", async () => {
  const store = await toyStore();

  expect(() => addLora(store, { rank: 2, alpha: 8, targets: ["q_proj"], rankPattern: { "q_prj": 4 } }, 1, "stages.a.lora")).toThrow(
    /^ConfigError stages\.a\.lora\.rankPattern: "q_prj" matches none of 4 adapted modules\.\n {2}Nearest parts of names: q_proj/,
  );
});
