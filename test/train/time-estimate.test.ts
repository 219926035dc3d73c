import { expect, test } from "vitest";
import { INTERNVL2_1B } from "../../scripts/bench/cases/internvl2-1b.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import { loraStepFlops } from "../../src/model/flops.ts";
import { loraShapes } from "../../src/model/lora.ts";
import { estimateTime, type WorkInput } from "../../src/train/time-estimate.ts";

const BASE = expectedParameters(INTERNVL2_1B);
const ADAPTERS = loraShapes(BASE, { rank: 8, alpha: 32, targets: "language_model\\.model\\.layers\\..*" });
const LORA: WorkInput = {
  config: INTERNVL2_1B,
  shapes: new Map([...BASE, ...ADAPTERS]),
  trained: [...ADAPTERS.keys()].filter((name) => !name.endsWith("scale")),
  positions: 512,
  tokens: 512,
  trees: 1,
  supervised: 32,
  media: { frames: 0, sounds: 0 },
  distinct: { frames: 0, sounds: 0 },
  kept: "intermediates",
};

test("a LoRA step over 512 tokens of Qwen2-0.5B's size is 798 GFLOP, at half of 278 GFLOP/s 5.7 s: 5.4 s were measured", () => {
  const { teraflops, seconds } = estimateTime(LORA, 278);

  expect(teraflops).toBeCloseTo(loraStepFlops(INTERNVL2_1B.llm_config, { tokens: 512, pairs: (512 * 513) / 2, supervised: 32 }, 8) / 1e12, 4);
  expect(teraflops).toBeCloseTo(0.798, 3);
  expect(seconds).toBeCloseTo(5.74, 2);
});

test("trees that share a row do not see each other, checkpointing passes the layers once more, and an unknown rate gives no time", () => {
  const { teraflops } = estimateTime(LORA, undefined);
  const apart = estimateTime({ ...LORA, trees: 512 }, undefined);
  const checkpointed = estimateTime({ ...LORA, kept: "inputs" }, undefined);

  expect(teraflops - apart.teraflops).toBeCloseTo((3 * 4 * 896 * 24 * ((512 * 513) / 2 - 512)) / 1e12, 9);
  // Products, adapters (inputs and outputs of the seven projections: 22,912) and attention.
  expect(checkpointed.teraflops - teraflops).toBeCloseTo((2 * 512 * (357_826_560 + 8 * 24 * 22_912) + 4 * 896 * 24 * ((512 * 513) / 2)) / 1e12, 9);
  expect([apart.seconds, checkpointed.seconds]).toEqual([null, null]);
});

test("frozen towers pass once for a clip, trained ones three times for each of its rows; eight frames of InternViT-300M are 5.8 TFLOP", () => {
  const [media, distinct] = [{ frames: 16, sounds: 0 }, { frames: 8, sounds: 0 }];
  const work = (trained: readonly string[]): number => estimateTime({ ...LORA, trained: [...LORA.trained, ...trained], media, distinct }, undefined).teraflops - estimateTime(LORA, undefined).teraflops;
  // Per frame: 1,025 tokens through 24 layers of 12 x 1,024 x 1,024 numbers; patches of 588 numbers; attention 1,025 x 1,025.
  const tower = 8 * (2 * 1024 * 1024 * 588 + 24 * (2 * 1025 * 12 * 1024 ** 2 + 4 * 1024 * 1025 ** 2));
  const projector = 8 * 2 * 256 * (4096 * 896 + 896 ** 2);

  expect(work([])).toBeCloseTo((tower + 2 * projector) / 1e12, 6);
  expect(tower / 1e12).toBeCloseTo(5.79, 2);
  expect(work(["mlp1.1.weight"])).toBeCloseTo((tower + 6 * projector) / 1e12, 6);
  expect(work(["vision_model.encoder.layers.0.mlp.fc1.weight"])).toBeCloseTo((6 * tower + 6 * projector) / 1e12, 6);
});
