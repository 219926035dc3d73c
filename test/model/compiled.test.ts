import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { registerGradients } from "../../src/backend/gradients.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { modelConfigSchema } from "../../src/model/config.ts";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import { audioFeatures, embedBatch, hiddenStates, logitsAt, visualFeatures } from "../../src/model/emoverse.ts";
import { addGoldenAdapter, causalBias, goldenChat } from "./golden-chat.ts";
import { goldenTensors, randomTensor, relativeError } from "./support.ts";

const SIZES = { d_model: 48, encoder_layers: 2, encoder_attention_heads: 4, encoder_ffn_dim: 96, max_source_positions: 36, frame_stack: 5 };
/** Four frames' tokens, six sound tokens of eight, text between them. */
const FEATURE_INDEX = Int32Array.of(-1, 0, 1, 2, 3, -1, -1, 12, 13, 14, 15, 16, 17, -1, -1, -1);
const IDS = Int32Array.of(315, 317, 317, 317, 317, 316, 20, 317, 317, 317, 317, 317, 317, 21, 22, 20);
const LABELS = Int32Array.of(21, 22, 20, 2);

/** Everything between pixels, sound and loss, with the gradient of every weight it reads. */
async function lossAndGradients(backend: string): Promise<Map<string, Tensor>> {
  expect((await selectBackend(backend)).name).toBe(backend);
  registerGradients();
  const { params, config: golden, expected } = await goldenChat();
  await addGoldenAdapter(params);
  const config = modelConfigSchema.parse({ ...golden, audio_config: SIZES });
  for (const [name, tensor] of await goldenTensors("whisper-encoder", "model.safetensors")) params.set(name.replace("model.encoder", "audio_model.encoder"), tensor);
  for (const [name, shape] of Object.entries({ "0.weight": [240], "0.bias": [240], "1.weight": [64, 240], "1.bias": [64], "3.weight": [64, 64], "3.bias": [64] })) {
    params.set(`audio_mlp.${name}`, randomTensor(name, shape, 0.1));
  }
  const names = params.names().filter((name) => !name.endsWith("lora_scale"));
  params.setTrainable(names);
  const pixels = tf.transpose(expected.get("in.pixel_values")!, [0, 2, 3, 1]);
  const mel = tf.slice((await goldenTensors("whisper-encoder", "expected.safetensors")).get("in.input_features")!, [0, 0, 0], [1, 80, 72]);

  const loss = (): tf.Scalar => {
    const features = { visual: visualFeatures(params, config, pixels), audio: audioFeatures(params, config, mel) };
    const embeds_BSD = embedBatch(params, config, { batchSize: 1, length: 16, inputIds: IDS, featureIndex: FEATURE_INDEX }, features);
    const bias_BSL = causalBias(IDS.map(() => 1), { batchSize: 1, queries: 16 });
    const hidden = hiddenStates(params, config, { embeds_BSD, positionIds: Int32Array.from(IDS.keys()), bias_BSL });
    return maskedCrossEntropy(logitsAt(params, config, hidden, Int32Array.of(12, 13, 14, 15)), LABELS).sum;
  };
  const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => params.get(name)));
  return new Map([["loss", value], ...grads.map((gradient, i): [string, Tensor] => [names[i]!, gradient])]);
}

/** Two backends, two towers, every gradient: seconds on a busy machine. */
const TIMEOUT_MS = 60_000;

test("compiled blocks give the loss and every gradient, from pixels and sound to the head, that tfjs gives op by op", async () => {
  const reference = await valuesOf(lossAndGradients("cpu"));
  const compiled = await valuesOf(lossAndGradients("onnxruntime"));

  expect(await selectBackend("cpu")).toBeDefined();
  expect(reference.size).toBeGreaterThan(130);
  expect([...compiled.keys()]).toEqual([...reference.keys()]);
  for (const [name, { values, shape }] of reference) {
    const error = relativeError(tf.tensor(compiled.get(name)!.values, shape), tf.tensor(values, shape));
    expect(error, name).toBeLessThan(1e-4);
  }
}, TIMEOUT_MS);

/** Read back while the backend that holds them is current. */
async function valuesOf(tensors: Promise<Map<string, Tensor>>): Promise<Map<string, { values: Float32Array; shape: number[] }>> {
  return new Map([...(await tensors)].map(([name, tensor]) => [name, { values: Float32Array.from(tensor.dataSync()), shape: tensor.shape }]));
}
