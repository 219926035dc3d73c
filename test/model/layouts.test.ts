import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import type { LlmConfig } from "../../src/model/config.ts";
import { decoderLayout } from "../../src/model/decoder-layout.ts";
import { headShape } from "../../src/model/layouts/layout.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { randomTensor, relativeError, storeOf, useBackend } from "./support.ts";
import { toyConfig } from "./toy-model.ts";

/** 4 heads over 2 key heads of 4: rows of q 16, k 8, v 8. */
const LLM = toyConfig.llm_config;
const [WIDTH, INNER] = [LLM.hidden_size, LLM.intermediate_size];

const of = (architecture: string): { config: LlmConfig; layout: ReturnType<typeof decoderLayout> } => {
  const config = { ...LLM, architectures: [architecture] };
  return { config, layout: decoderLayout(config) };
};

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  let separate: ParamStore;
  let x: Tensor;
  beforeAll(async () => {
    await useBackend(backend);
    x = randomTensor("x", [3, WIDTH]);
    separate = storeOf(of("LlamaForCausalLM").layout.attentionShapes(LLM).map(([name, shape]) => [name, randomTensor(name, shape)] as const));
    for (const [name, shape] of of("LlamaForCausalLM").layout.mlpShapes(LLM)) separate.set(name, randomTensor(name, shape));
  });

  test("InternLM2's interleaved matrix gives the queries, keys and values of separate ones", () => {
    const { layout, config } = of("InternLM2ForCausalLM");
    const [q, k, v] = ["q", "k", "v"].map((part) => separate.get(`self_attn.${part}_proj.weight`));
    // By key head: its two query heads, its key, its value, four rows each.
    const rows = [tf.slice(q!, [0, 0], [8, WIDTH]), tf.slice(k!, [0, 0], [4, WIDTH]), tf.slice(v!, [0, 0], [4, WIDTH]), tf.slice(q!, [8, 0], [8, WIDTH]), tf.slice(k!, [4, 0], [4, WIDTH]), tf.slice(v!, [4, 0], [4, WIDTH])];
    const fused = storeOf([["attention.wqkv.weight", tf.concat(rows, 0)]]);

    const actual = layout.projectIn(fused, x, headShape(config));

    expectSame(actual, of("LlamaForCausalLM").layout.projectIn(separate, x, headShape(LLM)));
  });

  test("Phi-3's joined matrices give what separate ones give", () => {
    const { layout, config } = of("Phi3ForCausalLM");
    const fused = storeOf([
      ["self_attn.qkv_proj.weight", tf.concat(["q", "k", "v"].map((part) => separate.get(`self_attn.${part}_proj.weight`)), 0)],
      ["mlp.gate_up_proj.weight", tf.concat(["gate", "up"].map((part) => separate.get(`mlp.${part}_proj.weight`)), 0)],
      ["mlp.down_proj.weight", separate.get("mlp.down_proj.weight")],
    ]);
    const llama = of("LlamaForCausalLM").layout;

    expectSame(layout.projectIn(fused, x, headShape(config)), llama.projectIn(separate, x, headShape(LLM)));
    expect(relativeError(layout.mlp(fused, x), llama.mlp(separate, x))).toBeLessThan(1e-6);
  });
});

test("every family says its matrices and biases", () => {
  const names = (architecture: string, changes: Partial<LlmConfig> = {}): string => {
    const { layout, config } = of(architecture);
    return [...layout.attentionShapes({ ...config, ...changes }), ...layout.mlpShapes({ ...config, ...changes })].map(([name, shape]) => `${name.replace(".weight", "")} ${shape.join("x")}`).join(", ");
  };
  const mlp = `mlp.gate_proj ${INNER}x${WIDTH}, mlp.up_proj ${INNER}x${WIDTH}, mlp.down_proj ${WIDTH}x${INNER}`;

  expect(names("Qwen2ForCausalLM")).toBe(`self_attn.q_proj 16x16, self_attn.q_proj.bias 16, self_attn.k_proj 8x16, self_attn.k_proj.bias 8, self_attn.v_proj 8x16, self_attn.v_proj.bias 8, self_attn.o_proj 16x16, ${mlp}`);
  expect(names("LlamaForCausalLM")).toBe(`self_attn.q_proj 16x16, self_attn.k_proj 8x16, self_attn.v_proj 8x16, self_attn.o_proj 16x16, ${mlp}`);
  expect(names("LlamaForCausalLM", { attention_bias: true, mlp_bias: true })).toContain("self_attn.o_proj.bias 16, mlp.gate_proj 24x16, mlp.gate_proj.bias 24");
  expect(names("InternLM2ForCausalLM", { bias: false })).toBe("attention.wqkv 32x16, attention.wo 16x16, feed_forward.w1 24x16, feed_forward.w3 24x16, feed_forward.w2 16x24");
  expect(names("InternLM2ForCausalLM")).toContain("attention.wqkv.bias 32, attention.wo 16x16, attention.wo.bias 16, feed_forward.w1");
  expect(names("Phi3ForCausalLM")).toBe("self_attn.qkv_proj 32x16, self_attn.o_proj 16x16, mlp.gate_up_proj 48x16, mlp.down_proj 16x24");
});

type Projected = ReturnType<ReturnType<typeof decoderLayout>["projectIn"]>;

function expectSame(actual: Projected, expected: Projected): void {
  for (const part of ["query", "key", "value"] as const) expect(relativeError(actual[part], expected[part]), part).toBeLessThan(1e-6);
}
