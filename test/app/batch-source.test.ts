import { join } from "node:path";
import { memory, mul, tidy, keep } from "@tensorflow/tfjs-core";
import { beforeEach, expect, test, vi } from "vitest";
import { openBatchSource } from "../../src/app/batch-source.ts";
import { openClips } from "../../src/app/clips.ts";
import { openExperiment } from "../../src/app/experiment.ts";
import { initRandom } from "../../src/model/init.ts";
import { ParamStore } from "../../src/model/params.ts";
import { frozenTowers, towerHash } from "../../src/model/tower-states.ts";
import { useBackend } from "../model/support.ts";
import { toyRunConfig, toyWorkplace } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const CLIPS = ["train0004_utt1", "train0004_utt2"];
const place = toyWorkplace();

beforeEach(() => useBackend("cpu"));

test("a number that float16 cannot hold is told with its clip and what to set; bfloat16 holds it", { timeout: TIMEOUT_MS }, async () => {
  const loud = async (featureType: "float16" | "bfloat16") => {
    const source = await open({ featureType }, (params) => scale(params, "audio_model.encoder.layer_norm.weight", 1e6));
    return source.media({ videoClips: [], audioClips: CLIPS.slice(0, 1) });
  };

  await expect(loud("float16")).rejects.toThrow(
    /^ConfigError data\.featureType, audio of clip train0004_utt1: a tower gives -?\d+\.?\d*, expected at most 65504 in size for float16\.\n {2}Set data\.featureType to bfloat16, which takes the same space, or to float32\.$/,
  );
  expect(Math.max(...(await loud("bfloat16")).soundStates!.values)).toBeGreaterThan(65_504);
});

test("a batch gets states of frozen towers and clips for the others, in its order, and keeps no tensor", { timeout: TIMEOUT_MS }, async () => {
  const source = await open({}, () => undefined, ["video"]);
  const tensors = memory().numTensors;

  const both = await source.media({ videoClips: CLIPS, audioClips: [CLIPS[1]!] });
  const second = await source.media({ videoClips: [CLIPS[1]!], audioClips: [] });

  expect(memory().numTensors).toBe(tensors);
  expect(Object.keys(both).sort()).toEqual(["mel", "patchStates"]);
  expect(both.patchStates!.shape).toEqual([2, 2, 16, 8]);
  expect(both.mel!.shape.slice(0, 2)).toEqual([1, 80]);
  const half = both.patchStates!.values.length / 2;
  expect(second.patchStates!.values).toEqual(both.patchStates!.values.slice(half));
  expect(both.patchStates!.values.slice(0, half)).not.toEqual(second.patchStates!.values);
  expect(source.counts).toEqual({ computed: 2, read: 0, rebuilt: 0, bytes: 0 });
});

test("weights are hashed for towers whose input is switched on, where there is a cache", { timeout: TIMEOUT_MS }, async () => {
  const base = toyRunConfig(place.folder);
  const hashed = async (modalities: typeof base.data.modalities, folder?: string): Promise<readonly string[]> => {
    const experiment = await openExperiment({ ...base, data: { ...base.data, modalities } });
    const params = new ParamStore();
    initRandom(experiment.model.config, 7, params);
    const read = vi.spyOn(params, "read");
    await openBatchSource({ experiment, clips: await openClips(experiment, { folder }), params, frozen: ["video", "audio"] });
    params.dispose();
    return [...new Set(read.mock.calls.map(([name]) => name.split(".")[0]!))];
  };
  const cache = join(place.folder, "cache");

  expect(await hashed(["text"], cache)).toEqual([]);
  expect(await hashed(["audio", "text"], cache)).toEqual(["audio_model"]);
  expect(await hashed(["video", "audio", "text"], cache)).toEqual(["vision_model", "audio_model"]);
  expect(await hashed(["video", "audio", "text"])).toEqual([]);
});

test("a tower's hash follows each of its weights and its config, and nothing else", { timeout: TIMEOUT_MS }, async () => {
  const { config } = (await openExperiment(toyRunConfig(place.folder))).model;
  const hashAfter = async (change: (params: ParamStore) => void, own = config): Promise<string> => {
    const params = new ParamStore();
    initRandom(config, 7, params);
    change(params);
    return towerHash(params, own, "video");
  };
  const hash = await hashAfter(() => undefined);

  expect(await hashAfter((params) => scale(params, "mlp1.1.weight", 2))).toBe(hash);
  expect(await hashAfter((params) => scale(params, "audio_model.encoder.conv1.weight", 2))).toBe(hash);
  const others = [
    await hashAfter((params) => scale(params, "vision_model.embeddings.position_embedding", 1.0001)),
    await hashAfter((params) => scale(params, "vision_model.encoder.layers.1.ls2", 2)),
    await hashAfter((params) => params.delete("vision_model.encoder.layers.1.ls2")),
    await hashAfter(() => undefined, { ...config, select_layer: -2 }),
    await hashAfter(() => undefined, { ...config, vision_config: { ...config.vision_config, layer_norm_eps: 1e-5 } }),
  ];
  expect(new Set([hash, ...others]).size).toBe(6);
});

test("a tower is frozen where none of its parameters is trained; a model without an audio tower has none to freeze", async () => {
  const { config } = (await openExperiment(toyRunConfig(place.folder))).model;
  const { audio_config: _, ...deaf } = config;

  expect(frozenTowers(config, ["mlp1.1.weight", "audio_mlp.1.weight", "language_model.a"])).toEqual(["video", "audio"]);
  expect(frozenTowers(config, ["vision_model.encoder.layers.0.ls1"])).toEqual(["audio"]);
  expect(frozenTowers(config, ["audio_model.encoder.conv1.bias"])).toEqual(["video"]);
  expect(frozenTowers(deaf, [])).toEqual(["video"]);
});

async function open(data: Partial<ReturnType<typeof toyRunConfig>["data"]>, change: (params: ParamStore) => void, frozen: readonly ("video" | "audio")[] = ["video", "audio"]) {
  const base = toyRunConfig(place.folder);
  const experiment = await openExperiment({ ...base, data: { ...base.data, ...data } });
  const clips = await openClips(experiment, {});
  for (const id of CLIPS) clips.store.add({ id, video: join(place.folder, "data/clips", `${id}.mp4`) });
  const params = new ParamStore();
  initRandom(experiment.model.config, 7, params);
  change(params);
  return openBatchSource({ experiment, clips, params, frozen });
}

function scale(params: ParamStore, name: string, factor: number): void {
  params.set(name, keep(tidy(() => mul(params.get(name), factor))));
}
