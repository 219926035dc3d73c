/** @file The smallest EmoVerse that has every part: both towers, both projectors, a grouped-query decoder. */
import "@tensorflow/tfjs-backend-cpu";
import { enableProdMode, setBackend } from "@tensorflow/tfjs-core";
import { onTestFinished } from "vitest";
import { modelConfigSchema } from "../../src/model/config.ts";
import { initRandom } from "../../src/model/init.ts";
import { ParamStore } from "../../src/model/params.ts";

export const toyConfig = modelConfigSchema.parse({
  architectures: ["InternVLChatModel"],
  downsample_ratio: 0.5,
  ps_version: "v2",
  template: "Hermes-2",
  vision_config: { hidden_size: 8, image_size: 16, patch_size: 4, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 16, norm_type: "layer_norm", qkv_bias: true, qk_normalization: false },
  llm_config: { architectures: ["Qwen2ForCausalLM"], hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 32, max_position_embeddings: 256 },
  audio_config: { d_model: 8, encoder_layers: 2, encoder_attention_heads: 2, encoder_ffn_dim: 16, num_mel_bins: 4, max_source_positions: 12, frame_stack: 4 },
});

/** A randomly started toy model on the plain CPU backend, disposed when the running test ends. */
export async function toyStore(seed = 1): Promise<ParamStore> {
  const store = await emptyStore();
  initRandom(toyConfig, seed, store);
  return store;
}

/** An empty store on the plain CPU backend, disposed when the running test ends. */
export async function emptyStore(): Promise<ParamStore> {
  enableProdMode();
  await setBackend("cpu");
  const store = new ParamStore();
  onTestFinished(() => store.dispose());
  return store;
}
