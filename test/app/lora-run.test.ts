import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { randomNormal } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { planRun } from "../../src/app/index.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { type RunConfig, runConfigSchema } from "../../src/config/index.ts";
import { readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { openSafetensors } from "../../src/model/checkpoints/safetensors.ts";
import { writeAdapter } from "../../src/model/checkpoints/write-peft.ts";
import { initRandom } from "../../src/model/init.ts";
import { addLora } from "../../src/model/lora.ts";
import { ParamStore } from "../../src/model/params.ts";
import { stepsOf, toyRunConfig, toyWorkplace, train } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();
const TARGETS = "(language_model\\..*_proj|mlp1\\.[13])";
const QUERY = "language_model.model.layers.0.self_attn.q_proj";

/** Stage `see` with the given lora, then `explain` with the same adapters; two steps each. */
function loraConfig(lora: Readonly<Record<string, unknown>>, { trainable = "lora_", checkpointing = false } = {}): RunConfig {
  const config = toyRunConfig(place.folder);
  const stages = config.stages.map((stage, i) => ({
    ...stage,
    ...(i === 0 ? { lora } : {}),
    trainable: [{ match: trainable, learningRate: 1e-2 }],
    budget: { ...stage.budget, maxSteps: 2, gradientCheckpointing: checkpointing },
  }));
  return runConfigSchema.parse({ ...config, stages });
}

const weightsOf = (runDir: string, stage = 1): Promise<Buffer> => readFile(join(runDir, `stage-${stage}/step-000002/model.safetensors`));
const losses = (events: Awaited<ReturnType<typeof train>>): number[] => stepsOf(events).map(({ loss }) => loss);

test("with dropout a run that was stopped and goes on, with gradient checkpointing too, ends in the bytes of one that never stopped", { timeout: TIMEOUT_MS }, async () => {
  const lora = { targets: TARGETS, rank: 2, dropout: 0.3 };
  const [whole, cut] = [join(place.folder, "whole"), join(place.folder, "cut")];
  const events = await train(loraConfig(lora), whole);

  await train(loraConfig(lora), cut, { stages: ["see"], stopAfter: ({ kind }) => kind === "step" });
  await train(loraConfig(lora, { checkpointing: true }), cut, { resume: true });

  expect(stepsOf(events).length).toBe(4);
  for (const stage of [1, 2]) expect((await weightsOf(cut, stage)).equals(await weightsOf(whole, stage)), `stage ${stage}`).toBe(true);

  const plain = await train(loraConfig({ ...lora, dropout: 0 }), join(place.folder, "plain"));
  // New adapters add nothing, so that the first loss is the same; the first gradients are not.
  expect(losses(plain)[0]).toBe(losses(events)[0]);
  expect((await weightsOf(join(place.folder, "plain"))).equals(await weightsOf(whole))).toBe(false);
});

test("the stage that goes on with the adapters of another drops too", { timeout: TIMEOUT_MS }, async () => {
  // While B is zero, dropout changes nothing: the second stage starts from the same weights either way.
  const run = async (name: string, dropout: number): Promise<number[]> => {
    const config = loraConfig({ targets: "language_model\\..*_proj", rank: 2, dropout }, { trainable: "mlp1" });
    const stages = config.stages.map((stage, i) => (i === 0 ? stage : { ...stage, trainable: [{ match: "lora_", learningRate: 1e-1 }] }));
    return losses(await train({ ...config, stages }, join(place.folder, name)));
  };

  const [dropped, whole] = [await run("inherited", 0.9), await run("not-dropped", 0)];

  expect(dropped.length).toBe(4);
  expect(dropped.slice(0, 3)).toEqual(whole.slice(0, 3));
  expect(dropped[3]).not.toBe(whole[3]);
});

test("a stage starts from an adapter's folder: its numbers reach the checkpoint, the plan counts them, and a base of another name is a warning", { timeout: TIMEOUT_MS }, async () => {
  const folder = await adapterFolder("adapter", { rank: 3, alpha: 6 });
  const config = loraConfig({ from: folder }, { trainable: "mlp1" });
  const runDir = join(place.folder, "from");

  const { stages } = await planRun({ config, stages: ["see"], signal: new AbortController().signal });
  const events = await train(config, runDir, { stages: ["see"] });

  const [adapter, checkpoint] = [await openSafetensors(join(folder, "adapter_model.safetensors")), await openSafetensors(join(runDir, "stage-1/step-000002/model.safetensors"))];
  expect(await checkpoint.read(`${QUERY}.lora_B.weight`)).toEqual(await adapter.read(`base_model.model.${QUERY}.lora_B.weight`));
  expect([...(await checkpoint.read(`${QUERY}.lora_scale`))]).toEqual([2]);
  await Promise.all([adapter.close(), checkpoint.close()]);
  const start = events.find(({ kind }) => kind === "stage-start");
  expect(start).toMatchObject({ totalParameters: stages[0]?.totalParameters });
  expect(events).toContainEqual({ kind: "warning", message: 'stages.see.lora.from: the adapter fits, but says that it was made for "some/other-model"; this base model is "model"' });
});

test("an adapter that was made for another base is refused with one message, before a step is taken", { timeout: TIMEOUT_MS }, async () => {
  const other = await adapterFolder("other-base", { rank: 3, alpha: 6, base: "0123456789abcdef" });
  const wider = await adapterFolder("wider", { rank: 3, alpha: 6, decoder: { hidden_size: 32, intermediate_size: 48 } });
  const start = (from: string, run: string): Promise<unknown> => train(loraConfig({ from }, { trainable: "mlp1" }), join(place.folder, run), { stages: ["see"] });

  await expect(start(other, "refused-1")).rejects.toThrow(/^CheckpointError \S+other-base\/adapter_model\.safetensors: the adapter was made for another base model: Got 0123456789ab, expected [0-9a-f]{12}\.\n {2}Use the model folder that it was trained on\.$/);
  await expect(start(wider, "refused-2")).rejects.toThrow(/^CheckpointError \S+wider\/adapter_model\.safetensors: the adapter was made for another base model\. Of 4 tensors, these do not fit: tensor "base_model\.model\.language_model\.model\.layers\.0\.self_attn\.q_proj\.lora_A\.weight": Got shape \[3, 32\], expected \[3, \d+\]; [^\n]*\.\n {2}Use the model folder/);
  await expect(start(join(place.folder, "nowhere"), "refused-3")).rejects.toThrow(/nowhere\/adapter_config\.json: no such file or folder/);
});

interface AdapterOf {
  readonly rank: number;
  readonly alpha: number;
  readonly base?: string;
  readonly decoder?: Readonly<Record<string, number>>;
}

/** An adapter on the queries of the workplace's model, or of one that differs from it. */
async function adapterFolder(name: string, { rank, alpha, base, decoder = {} }: AdapterOf): Promise<string> {
  await selectBackend("onnxruntime");
  const { config } = await readModelFolder(join(place.folder, "model"));
  const store = new ParamStore();
  initRandom({ ...config, llm_config: { ...config.llm_config, ...decoder } }, 3, store);
  for (const module of addLora(store, { rank, alpha, targets: ["self_attn.q_proj"] }, 5, "test").filter((adapted) => adapted.startsWith("audio"))) {
    for (const part of ["lora_A.weight", "lora_B.weight", "lora_scale"]) store.delete(`${module}.${part}`);
  }
  const b = store.get(`${QUERY}.lora_B.weight`);
  store.set(`${QUERY}.lora_B.weight`, randomNormal(b.shape, 0, 1, "float32", 9));
  const folder = join(place.folder, name);
  await mkdir(folder);
  await writeAdapter(folder, store, { baseModel: "some/other-model", alsoTrained: [], ...(base === undefined ? {} : { base }) });
  store.dispose();
  return folder;
}
