import { expect, test } from "vitest";
import { modelConfigSchema } from "../../src/model/config.ts";
import { INTERNVL2_1B } from "../../scripts/bench/cases/internvl2-1b.ts";
import { decodeTokenFlops, decoderNumbers, forwardFlops, fullStepFlops, loraStepFlops, visionFlops } from "../../src/model/flops.ts";

/** One layer of each kind, with numbers that can be multiplied in the head. */
const SMALL = modelConfigSchema.parse({
  architectures: ["InternVLChatModel"],
  downsample_ratio: 0.5,
  template: "Hermes-2",
  vision_config: { hidden_size: 2, image_size: 4, patch_size: 2, num_hidden_layers: 1, num_attention_heads: 1, intermediate_size: 3 },
  llm_config: { architectures: ["Qwen2ForCausalLM"], hidden_size: 4, intermediate_size: 5, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1, vocab_size: 10, max_position_embeddings: 8 },
  audio_config: { d_model: 2, encoder_layers: 1, encoder_attention_heads: 1, encoder_ffn_dim: 3, num_mel_bins: 4, max_source_positions: 6, frame_stack: 3 },
});

test("the matrices of Qwen2-0.5B's layers hold the 357,826,560 numbers that its published 494 million leave without embeddings, biases and norms", () => {
  // 24 layers: q 896 x 896, k and v 896 x 128, o 896 x 896, gate, up and down 896 x 4864.
  expect(decoderNumbers(INTERNVL2_1B.llm_config)).toBe(24 * (802_816 + 2 * 114_688 + 802_816 + 3 * 4_358_144));
  expect(decoderNumbers(INTERNVL2_1B.llm_config)).toBe(357_826_560);
});

test("a LoRA step passes frozen weights twice, adapters and attention three times, and the vocabulary at supervised positions", () => {
  // Numbers: q 16, k 8, v 8, o 16, gate 20, up 20, down 20 = 108; inputs + outputs: 8 + 6 + 6 + 8 + 9 + 9 + 9 = 55.
  const frozen = 2 * 3 * 108 + 2 * 1 * 4 * 10;
  const adapters = 2 * 3 * 2 * 55;
  const attention = 4 * 4 * 6;

  expect(loraStepFlops(SMALL.llm_config, { tokens: 3, pairs: 6, supervised: 1 }, 2)).toBe(2 * frozen + 3 * (adapters + attention));
  expect(2 * frozen + 3 * (adapters + attention)).toBe(3724);
});

test("a LoRA step over 512 tokens of Qwen2-0.5B's size takes 798 GFLOP, nine tenths of them in frozen matrices", () => {
  const flops = loraStepFlops(INTERNVL2_1B.llm_config, { tokens: 512, pairs: (512 * 513) / 2, supervised: 32 }, 8);

  expect(flops / 1e9).toBeCloseTo(797.6, 1);
  expect((4 * 512 * 357_826_560) / flops).toBeCloseTo(0.919, 3);
});

test("a vision tower counts patches, layers and attention of every image", () => {
  // 4 patches of 3 x 2 x 2 numbers to a width of 2; 5 tokens through 4 x 4 + 2 x 6 numbers; attention 5 x 5.
  expect(visionFlops(SMALL.vision_config)).toBe(2 * 4 * 2 * 12 + 2 * 5 * 28 + 4 * 2 * 25);
});

test("a full step passes everything three times, towers and projectors included", () => {
  const counts = { tokens: 3, pairs: 6, supervised: 1 };
  const decoder = 2 * 3 * 108 + 80 + 96;
  const picture = 672 + 2 * 1 * (8 * 4 + 16);
  // 12 frames x 3 x 4 bins to 2, 6 positions x 3 x 2 to 2, one layer over 6 positions; 2 tokens of 6 numbers to 4.
  const sound = 2 * 12 * 12 * 2 + 2 * 6 * 6 * 2 + 2 * 6 * 28 + 4 * 2 * 36 + 2 * 2 * (24 + 16);

  expect(forwardFlops(SMALL, counts, { frames: 2, sounds: 1 })).toEqual({ decoder: 3 * 2 * 108, attention: 96, vocabulary: 80, vision: 2 * 672, visionProjector: 2 * 96, audio: sound - 160, audioProjector: 160 });
  expect(fullStepFlops(SMALL, counts, { frames: 0, sounds: 0 })).toBe(3 * decoder);
  expect(fullStepFlops(SMALL, counts, { frames: 2, sounds: 1 })).toBe(3 * (decoder + 2 * picture + sound));
});

test("a decoded token passes the layers and the vocabulary once and sees what came before", () => {
  expect(decodeTokenFlops(SMALL.llm_config, 7)).toBe(2 * 108 + 2 * 40 + 4 * 4 * 7);
});
