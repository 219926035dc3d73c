import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { linears, LORA_A, LORA_B, LORA_SCALE } from "../../../src/model/linear.ts";
import { storeOf } from "../../model/support.ts";
import { describeOnGpu, normals, relativeDifference, useGpu, valuesOf } from "./software-gpu.ts";

interface Layer {
  readonly out: number;
  readonly hasBias?: boolean;
  /** 0: no adapter. */
  readonly rank?: number;
}

interface Case {
  readonly what: string;
  readonly rows: number;
  readonly input: number;
  readonly layers: readonly Layer[];
}

const CASES: readonly Case[] = [
  { what: "three odd layers, two with adapters of different ranks, two with biases", rows: 37, input: 21, layers: [{ out: 33, hasBias: true, rank: 3 }, { out: 19, hasBias: true }, { out: 35, rank: 5 }] },
  { what: "more layers than adapters, all aligned", rows: 36, input: 40, layers: [{ out: 48 }, { out: 24, hasBias: true, rank: 4 }] },
  { what: "a layer alone, with a bias", rows: 36, input: 40, layers: [{ out: 24, hasBias: true }] },
];

describeOnGpu("linear layers on a GPU", () => {
  test.each(CASES)("$what: outputs and every gradient are the composition's on the CPU", async (given) => {
    const onGpu = await outcome(given);
    await tf.setBackend("cpu");
    const onCpu = await outcome(given);
    await useGpu();

    expect([...onGpu.keys()]).toEqual([...onCpu.keys()]);
    for (const [name, values] of onCpu) expect(relativeDifference(onGpu.get(name)!, values), name).toBeLessThan(1e-5);
  });

  test("without adapters nothing but inputs is kept for the gradient", () => {
    const [x, weight] = [random("kept x", [36, 40]), random("kept weight", [24, 40])];
    const params = storeOf([["0.weight", weight]]);
    const dy = tf.ones([36, 24]);
    const before = tf.memory().numBytes;
    let kept = 0;
    const { value, grads } = tf.engine().gradients(() => {
      const y = tf.tidy(() => tf.neg(linears(params, ["0"], x)[0])); // needs nothing for its own gradient
      kept = tf.memory().numBytes - before;
      return y;
    }, [x, weight], dy);

    expect(kept).toBe(4 * (x.size + weight.size + value.size));
    tf.dispose([x, weight, dy, value, ...grads]);
  });

  test("a frozen weight under an adapter takes no gradient, and the others are the same", async () => {
    const [given] = CASES as [Case];
    const all = await outcome(given);

    const some = await outcome(given, (name) => name === "x" || name.includes("lora"));

    expect([...some.keys()].filter((name) => name.startsWith("d"))).toEqual(["dx", "d0.lora_A.weight", "d0.lora_B.weight", "d2.lora_A.weight", "d2.lora_B.weight"]);
    for (const [name, values] of some) expect(values, name).toEqual(all.get(name));
  });
});

/** Outputs, and gradients of the trained inputs, by name. */
async function outcome({ rows, input, layers }: Case, isTrained: (name: string) => boolean = () => true): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Tensor>(layers.flatMap(({ out, hasBias = false, rank = 0 }, i) => [
    [`${i}.weight`, random(`weight ${i}`, [out, input])] as const,
    ...(hasBias ? [[`${i}.bias`, random(`bias ${i}`, [out])] as const] : []),
    ...(rank > 0 ? [[`${i}.${LORA_A}`, random(`A ${i}`, [rank, input])] as const, [`${i}.${LORA_B}`, random(`B ${i}`, [out, rank])] as const] : []),
  ]));
  const scales = layers.flatMap(({ rank = 0 }, i) => (rank > 0 ? [[`${i}.${LORA_SCALE}`, tf.scalar(0.5 + i)] as const] : []));
  const inputs = new Map([["x", random("x", [rows, input])], ...weights]);
  const trained = [...inputs.keys()].filter(isTrained);
  let outputs: Tensor[] = [];
  const weighted = (...own: Tensor[]): tf.Scalar => {
    const given = new Map([...inputs, ...trained.map((name, i) => [name, own[i]!] as const)]);
    const params = storeOf([...[...given].filter(([name]) => name !== "x"), ...scales]);
    outputs = linears(params, layers.map((_, i) => String(i)), given.get("x")!).map((y) => tf.keep(y));
    return outputs.map((y, i): tf.Scalar => tf.sum(tf.mul(y, random(`dy ${i}`, y.shape)))).reduce((sum, own): tf.Scalar => tf.add(sum, own));
  };
  const gradients = tf.grads(weighted)(trained.map((name) => inputs.get(name)!));
  const names = [...outputs.map((_, i) => `y${i}`), ...trained.map((name) => `d${name}`)];
  const values = await valuesOf([...outputs, ...gradients]);
  tf.dispose([...inputs.values(), ...scales.map(([, scale]) => scale)]);
  return new Map(names.map((name, i) => [name, values[i]!]));
}

function random(name: string, shape: readonly number[]): Tensor {
  return tf.tensor(normals(`linear ${name}`, shape.reduce((product, size) => product * size, 1)), [...shape]);
}
