import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { evalRun, planRun } from "../../src/app/index.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { openSafetensors } from "../../src/model/checkpoints/safetensors.ts";
import { storeTensors } from "../../src/model/checkpoints/store-tensors.ts";
import { writeModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { writeSafetensors } from "../../src/model/checkpoints/write-safetensors.ts";
import { modelConfigSchema } from "../../src/model/config.ts";
import { initRandom } from "../../src/model/init.ts";
import { ParamStore } from "../../src/model/params.ts";
import { DATA, TOY_LANGUAGE_CONFIG } from "../eval/toy-predictor.ts";
import { oneStep, stepsOf, toyRunConfig, toyWorkplace, train } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();
const signal = new AbortController().signal;
const SEED = 7;
const PROJECTOR = "^audio_mlp\\.";

/** One model twice: as an InternVL folder with a Whisper folder beside it, and whole in one folder. */
beforeAll(async () => {
  const { audio_config: audio, ...silent } = modelConfigSchema.parse({ ...TOY_LANGUAGE_CONFIG, audio_config: { ...TOY_LANGUAGE_CONFIG.audio_config, num_mel_bins: 80, frame_stack: 8 } });
  const whole = { ...silent, audio_config: audio };
  const params = new ParamStore();
  initRandom(whole, SEED, params);
  const named = (isWanted: (name: string) => boolean) => storeTensors(params, params.names().filter(isWanted));
  await writeFolder("whole", whole, named(() => true));
  await writeFolder("silent", silent, named((name) => !name.startsWith("audio_")));
  await mkdir(join(place.folder, "whisper"));
  const { frame_stack: _, ...published } = audio!;
  await writeFile(join(place.folder, "whisper/config.json"), JSON.stringify({ architectures: ["WhisperForConditionalGeneration"], model_type: "whisper", ...published }));
  const decoder = { name: "model.decoder.layer_norm.weight", shape: [8], data: new Float32Array(8) };
  await writeSafetensors(join(place.folder, "whisper/model.safetensors"), [...named((name) => name.startsWith("audio_model.")).map((each) => ({ ...each, name: each.name.replace("audio_model.", "model.") })), decoder]);
  params.dispose();
});

test("an InternVL folder with a Whisper folder beside it trains as the same model in one folder does, the encoder frozen", { timeout: TIMEOUT_MS }, async () => {
  const apart = await train(experiment("silent", "whisper"), join(place.folder, "apart"), { stages: ["see"] });
  const together = await train(experiment("whole"), join(place.folder, "together"), { stages: ["see"] });

  expect(stepsOf(apart)).toHaveLength(1);
  expect(stepsOf(apart)[0]?.gradientNorm).toBeGreaterThan(0);
  expect(stepsOf(apart).map(({ loss, gradientNorm }) => [loss, gradientNorm])).toEqual(stepsOf(together).map(({ loss, gradientNorm }) => [loss, gradientNorm]));
  const [step] = await readdir(join(place.folder, "apart/stage-1"));
  const saved = await openSafetensors(join(place.folder, "apart/stage-1", step!, "model.safetensors"));
  await saved.close();
  expect(saved.names.length).toBe(6);
  expect(saved.names.every((name) => name.startsWith("audio_mlp."))).toBe(true);

  const scores = [];
  for await (const event of evalRun({ source: { runDir: join(place.folder, "apart") }, tasks: ["erc"], signal })) if (event.kind === "scores") scores.push(event.scores.n);
  expect(scores).toEqual([2]);
});

test("sound is planned for with an audio folder only; without one the model is InternVL's own", { timeout: TIMEOUT_MS }, async () => {
  const withSound = await planRun({ config: experiment("silent", "whisper"), stages: ["see"], signal });
  const silent = await planRun({ config: { ...experiment("silent"), stages: oneStep(toyRunConfig(place.folder)).stages }, stages: ["see"], signal });

  const [heard, unheard] = [withSound.stages[0]!, silent.stages[0]!];
  expect(heard.largestBatch.audioClips).toBeGreaterThan(0);
  expect(heard.trainableParameters).toBe(2 * 64 + 64 * 16 + 16 + 16 * 16 + 16); // norm over 8 positions of width 8, two linear maps to width 16
  expect(unheard.largestBatch).toMatchObject({ audioClips: 0 });
  expect(unheard.largestBatch.videoClips).toBeGreaterThan(0);
  expect(heard.packedTokens).toBeGreaterThan(unheard.packedTokens);
  expect(unheard.trainableParameters).toBe(unheard.totalParameters);
  expect(heard.totalParameters).toBe(unheard.totalParameters + heard.trainableParameters + whisperNumbers());
});

/** Written out: convolutions, positions, two layers, final norm; width 8, 80 mel bins, 12 positions, inner width 16. */
function whisperNumbers(): number {
  const layer = 4 * 64 + 3 * 8 + 2 * 16 + 2 * 8 * 16 + 16 + 8; // four projections, three of them with a bias; two norms; MLP
  return 8 * 80 * 3 + 8 + 8 * 8 * 3 + 8 + 12 * 8 + 2 * layer + 16;
}

function experiment(folder: string, audioFolder?: string): RunConfig {
  const config = oneStep(toyRunConfig(place.folder, { seed: SEED }));
  const stages = config.stages.map((stage) => ({ ...stage, trainable: [{ match: PROJECTOR, learningRate: 1e-3 }] }));
  return { ...config, stages, model: { ...config.model, init: "weights", folder: join(place.folder, folder), ...(audioFolder === undefined ? {} : { audioFolder: join(place.folder, audioFolder) }) } };
}

/** With the committed tokenizer less its words for sound, as InternVL2's lack them. */
async function writeFolder(name: string, config: Parameters<typeof writeModelFolder>[1], tensors: Parameters<typeof writeModelFolder>[2]): Promise<void> {
  const folder = join(place.folder, name);
  await mkdir(folder);
  await writeModelFolder(folder, config, tensors);
  const tokenizer = JSON.parse(await readFile(join(DATA, "tiny-emoverse/tokenizer.json"), "utf8")) as { added_tokens: { content: string }[] };
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify({ ...tokenizer, added_tokens: tokenizer.added_tokens.filter(({ content }) => !/audio/i.test(content)) }));
  await writeFile(join(folder, "tokenizer_config.json"), await readFile(join(DATA, "tiny-emoverse/tokenizer_config.json")));
}
