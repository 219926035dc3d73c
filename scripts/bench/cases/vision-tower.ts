/** @file vision-448: one image through a vision tower of InternViT-300M's size. */
import { dispose, tensor4d, tidy } from "@tensorflow/tfjs-core";
import { rng } from "../../../src/core/rng.ts";
import { PARTS } from "../../../src/model/emoverse.ts";
import { encodeImages } from "../../../src/model/vision.ts";
import { computed } from "../backend.ts";
import type { BenchCase } from "../bench-case.ts";
import { visionFlops } from "../../../src/model/flops.ts";
import type { Repetition } from "../measure.ts";
import { cheapWeights } from "./cheap-weights.ts";
import { INTERNVL2_1B } from "./internvl2-1b.ts";

const { vision_config: VISION } = INTERNVL2_1B;

/** Tokens are those of the tower: patches and the class token. */
export function visionTower(): BenchCase {
  return {
    tokens: (VISION.image_size / VISION.patch_size) ** 2 + 1,
    flops: visionFlops(VISION),
    peer: { kind: "vision", config: INTERNVL2_1B },
    prepare,
  };
}

function prepare(): Repetition {
  const params = cheapWeights(INTERNVL2_1B, `${PARTS.vision}.`);
  const draw = rng("bench image");
  const shape: [number, number, number, number] = [1, VISION.image_size, VISION.image_size, VISION.num_channels];
  const pixels = tensor4d(Float32Array.from({ length: VISION.image_size ** 2 * VISION.num_channels }, () => 2 * draw.uniform() - 1), shape);
  return async () => {
    const started = performance.now();
    const states = tidy(() => encodeImages(params.scope(PARTS.vision), VISION, pixels));
    await computed(states);
    dispose(states);
    return performance.now() - started;
  };
}
