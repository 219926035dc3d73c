import { describe, expect, test } from "vitest";
import { decoderLayout, rotaryShape } from "../../src/model/decoder-layout.ts";
import { ropeScalingSchema, rotaryFrequencies } from "../../src/model/rope-scaling.ts";
import { modelConfigSchema } from "../../src/model/config.ts";
import { toyConfig } from "./toy-model.ts";

// Dynamic scaling, llama3, yarn and longrope are also in the golden sets: `ntk.*` and `long.*`.

const SHAPE = { headDim: 4, theta: 100, maxPositions: 16 };

test("without scaling the frequencies are theta^(-2i/H)", () => {
  const { frequencies, magnitude } = rotaryFrequencies(SHAPE, 1000);

  expect([...frequencies]).toEqual([1, expect.closeTo(0.1, 12)]);
  expect(magnitude).toBe(1);
});

test("linear divides every frequency", () => {
  expect([...rotaryFrequencies({ ...SHAPE, scaling: ropeScalingSchema.parse({ type: "linear", factor: 4 }) }, 1).frequencies]).toEqual([0.25, expect.closeTo(0.025, 12)]);
});

test("dynamic changes the base beyond the trained length only", () => {
  const scaling = ropeScalingSchema.parse({ type: "dynamic", factor: 2 });
  const second = (length: number): number => rotaryFrequencies({ ...SHAPE, scaling }, length).frequencies[1] ?? NaN;

  expect(second(16)).toBeCloseTo(0.1, 12);
  // 2 * 24/16 - 1 = 2; base 100 * 2^(4/2) = 400; 400^(-1/2).
  expect(second(24)).toBeCloseTo(0.05, 12);
});

test("longrope takes the short list up to the original length, the long one beyond, and one magnitude for both", () => {
  const scaling = ropeScalingSchema.parse({ type: "su", short_factor: [1, 2], long_factor: [4, 10] });
  const at = (length: number) => rotaryFrequencies({ ...SHAPE, scaling, originalMaxPositions: 4 }, length);

  expect([...at(4).frequencies]).toEqual([1, expect.closeTo(0.05, 12)]);
  expect([...at(5).frequencies]).toEqual([0.25, expect.closeTo(0.01, 12)]);
  // sqrt(1 + ln(16/4) / ln(4)) = sqrt(2)
  for (const length of [4, 5]) expect(at(length).magnitude).toBeCloseTo(Math.SQRT2, 12);
  expect(rotaryFrequencies({ headDim: 4, theta: 100, maxPositions: 131072, originalMaxPositions: 4096, scaling }, 1).magnitude).toBeCloseTo(1.19024, 5);
});

test("Phi-3's yarn is longrope with YaRN's magnitude", () => {
  const scaling = ropeScalingSchema.parse({ type: "yarn", short_factor: [1, 2], long_factor: [4, 10] });

  const { frequencies, magnitude } = rotaryFrequencies({ ...SHAPE, scaling, originalMaxPositions: 4 }, 5);

  expect([...frequencies]).toEqual([0.25, expect.closeTo(0.01, 12)]);
  expect(magnitude).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
  expect(ropeScalingSchema.parse(scaling)).toEqual(scaling); // what is written is read alike
});

test("llama3 keeps short waves, stretches long ones and mixes those between", () => {
  const scaling = ropeScalingSchema.parse({ rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 100 });

  const { frequencies } = rotaryFrequencies({ headDim: 6, theta: 1000, scaling }, 1);

  // 100 / 2 pi = 15.9 waves of frequency 1: kept. 1.59 of 0.1: (1.5915 - 1) / 3 = 0.19718 kept, the rest over 8. 0.159 of 0.01: stretched.
  expect([...frequencies]).toEqual([1, expect.closeTo(0.1 * (0.197183 + 0.802817 / 8), 6), expect.closeTo(0.00125, 9)]);
});

test("yarn runs a ramp over the numbers of the frequencies", () => {
  const scaling = ropeScalingSchema.parse({ rope_type: "yarn", factor: 4, original_max_position_embeddings: 64, beta_fast: 8, beta_slow: 1 });

  const { frequencies, magnitude } = rotaryFrequencies({ headDim: 8, theta: 16, scaling }, 1);

  // 8 ln(64 / (8 * 2 pi)) / (2 ln 16) = 0.348: from 0; 8 ln(64 / 2 pi) / (2 ln 16) = 3.35: to 4; ramp 0, 1/4, 2/4, 3/4.
  expect([...frequencies]).toEqual([1, 0.5 * 0.8125, 0.25 * 0.625, 0.125 * 0.4375].map((stretched): unknown => expect.closeTo(stretched, 9)));
  expect(magnitude).toBeCloseTo(1.138629, 6);
});

describe("what a config asks for", () => {
  const shapeOf = (changes: object) => {
    const { llm_config: llm } = modelConfigSchema.parse({ ...toyConfig, llm_config: { ...toyConfig.llm_config, ...changes } });
    return rotaryShape(llm, decoderLayout(llm));
  };
  const dynamic = { rope_scaling: { type: "dynamic", factor: 2 } };

  test("Qwen2 ignores dynamic scaling as its original code did, the others apply it", () => {
    expect(shapeOf(dynamic).scaling).toBeUndefined();
    expect(shapeOf({ ...dynamic, architectures: ["InternLM2ForCausalLM"] }).scaling).toMatchObject({ rope_type: "dynamic" });
    expect(shapeOf({ rope_scaling: { rope_type: "yarn", factor: 4 } }).scaling).toMatchObject({ rope_type: "yarn" });
    expect(shapeOf({ rope_scaling: null }).scaling).toBeUndefined();
  });

  test("transformers 5 writes base and scaling in one table", () => {
    expect(shapeOf({ rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 777 } })).toMatchObject({ theta: 777, scaling: { rope_type: "linear", factor: 2 } });
    expect(shapeOf({ rope_parameters: { rope_type: "default", rope_theta: 777 } })).toMatchObject({ theta: 777, scaling: { rope_type: "default" } });
  });

  test("an unknown kind and a missing field are told", () => {
    expect(() => shapeOf({ rope_scaling: { type: "spiral", factor: 2 } })).toThrow(/rope_scaling/);
    expect(() => shapeOf({ rope_scaling: { type: "linear" } })).toThrow(/factor/);
  });
});
