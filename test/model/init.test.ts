import { expect, test } from "vitest";
import { modelConfigSchema } from "../../src/model/config.ts";
import { initRandom } from "../../src/model/init.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { emptyStore, toyConfig, toyStore } from "./toy-model.ts";

const values = (store: ParamStore, name: string): number[] => [...store.get(name).dataSync()];
const deviation = (numbers: readonly number[]): number => Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0) / numbers.length);

test("equal seeds start equal, other seeds and other names differ", async () => {
  const [first, second, other] = [await toyStore(7), await toyStore(7), await toyStore(8)];
  const name = "language_model.model.layers.0.mlp.up_proj.weight";

  expect(first.names().length).toBeGreaterThan(80);
  for (const each of first.names()) expect(values(first, each)).toEqual(values(second, each));
  expect(values(other, name)).not.toEqual(values(first, name));
  expect(values(first, "language_model.model.layers.0.mlp.gate_proj.weight")).not.toEqual(values(first, name));
});

test("a deeper model keeps the weights that both have, apart from the scale of the branches", async () => {
  const deeper = modelConfigSchema.parse({ ...toyConfig, llm_config: { ...toyConfig.llm_config, num_hidden_layers: 8 } });
  const [shallowStore, deepStore] = [await toyStore(), await emptyStore()];
  initRandom(deeper, 1, deepStore);

  const query = "language_model.model.layers.1.self_attn.q_proj.weight";
  const output = "language_model.model.layers.1.self_attn.o_proj.weight";

  expect(values(deepStore, query)).toEqual(values(shallowStore, query));
  expect(deviation(values(deepStore, output)) / deviation(values(shallowStore, output))).toBeCloseTo(Math.sqrt(2 / 8), 5);
});

test("norms and layer scales are one, biases zero, matrices 1 / sqrt(fan-in), nothing is left at zero", async () => {
  const wide = modelConfigSchema.parse({ ...toyConfig, llm_config: { ...toyConfig.llm_config, hidden_size: 64, intermediate_size: 128, vocab_size: 512 } });
  const store = await emptyStore();
  initRandom(wide, 3, store);

  for (const name of store.names().filter((each) => /norm\d?\.weight$|\.ls[12]$|mlp1\.0\.weight|audio_mlp\.0\.weight/.test(each))) expect(new Set(values(store, name))).toEqual(new Set([1]));
  for (const name of store.names()) expect(deviation(values(store, name)) === 0, name).toBe(name.endsWith(".bias"));
  // 8192 and 32768 draws: the standard error of the deviation is below one per cent.
  expect(deviation(values(store, "language_model.model.layers.0.mlp.gate_proj.weight")) * Math.sqrt(64)).toBeCloseTo(1, 1);
  expect(deviation(values(store, "language_model.model.layers.0.mlp.down_proj.weight")) * Math.sqrt(128 * 4)).toBeCloseTo(1, 1);
  expect(deviation(values(store, "language_model.model.embed_tokens.weight"))).toBeCloseTo(0.2, 2);
});

test("audio positions are Whisper's sinusoids", async () => {
  const positions = values(await toyStore(), "audio_model.encoder.embed_positions.weight");

  // Width 8: four sines, then four cosines, with wavelengths from 1 to 10000.
  expect(positions.slice(0, 8)).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  expect(positions[8 * 3]).toBeCloseTo(Math.sin(3), 6);
  expect(positions[8 * 3 + 7]).toBeCloseTo(Math.cos(3 / 10000), 6);
});
