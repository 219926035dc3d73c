import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Kept } from "../../src/backend/blocks.ts";
import { addDroppedAdapter } from "../../src/model/dropped-adapter.ts";
import { runLayer } from "../../src/model/layer.ts";
import { linear, linears, orientedLinears } from "../../src/model/linear.ts";
import { addLora } from "../../src/model/lora.ts";
import { ParamStore } from "../../src/model/params.ts";
import { expectGradientsMatchDifferences, randomTensor, useBackend } from "./support.ts";

const RATE = 0.3;
const DROPOUT = { adapters: RATE, residual: 0, key: [42, "see", 3, 1] } as const;

describe.each(["cpu", "onnxruntime"])("dropout before adapters on %s", (backend) => {
  let params: ParamStore;
  beforeEach(async () => {
    await useBackend(backend);
    params = new ParamStore();
    for (const name of ["q", "k", "v"]) {
      params.set(`${name}.weight`, randomTensor(`${name} weight`, [6, 5]));
      params.set(`${name}.bias`, randomTensor(`${name} bias`, [6]));
    }
    addLora(params, { rank: 2, alpha: 6, targets: ["q", "k"] }, 1);
    for (const name of ["q", "k"]) params.set(`${name}.lora_B.weight`, randomTensor(`${name} B`, [6, 2]));
  });
  afterEach(() => params.dispose());

  test("y = W x + b + scale B(A(mask x)): the input of the adapter alone is dropped, each adapter's by a mask of its own", () => {
    const x = randomTensor("x", [4, 5]);
    params.setDropout(DROPOUT);

    const outputs = linears(params, ["q", "k", "v"], x);

    const masks = ["q", "k"].map((name) => [...params.dropoutMask("adapters", name, [4, 5]).dataSync()]);
    expect(masks[0]).not.toEqual(masks[1]);
    expect(new Set(masks[0])).toEqual(new Set([0, Math.fround(1 / (1 - RATE))]));
    for (const [i, name] of (["q", "k", "v"] as const).entries()) expectClose(outputs[i]!, byHand(params, name, x, masks[i]));
    const [columns] = orientedLinears(params, ["q"], tf.transpose(x), { columnsIn: true, columnsOut: true });
    expectClose(tf.transpose(columns), byHand(params, "q", x, masks[0]));
  });

  test("without dropout an adapter is, bit for bit, what it was, and so it is after the step", () => {
    const x = randomTensor("x", [4, 5]);
    const before = linear(params, "q", x).dataSync().slice();
    params.setDropout(DROPOUT);
    const dropped = linear(params, "q", x).dataSync().slice();
    params.setDropout(undefined);

    expect(dropped).not.toEqual(before);
    expect(linear(params, "q", x).dataSync()).toEqual(before);
    expect(() => params.dropoutMask("adapters", "q", [4, 5])).toThrow("a mask outside of a training step");
  });

  test("over many steps the dropped output is, on average, the whole one", () => {
    const x = randomTensor("x", [4, 5]);
    const whole = linear(params, "q", x);
    let sum: Tensor = tf.zerosLike(whole);
    const steps = 500;
    for (let step = 0; step < steps; step++) {
      params.setDropout({ adapters: RATE, residual: 0, key: [42, "see", step, 0] });
      sum = tf.tidy(() => tf.add(sum, linear(params, "q", x)));
    }

    const difference = tf.max(tf.abs(tf.sub(tf.div(sum, steps), whole))).dataSync()[0]!;
    const once = tf.max(tf.abs(tf.sub(linear(params, "q", x), whole))).dataSync()[0]!;
    expect(once).toBeGreaterThan(0.5);
    expect(difference).toBeLessThan(0.4);
  });

  test("gradients, in the input, the base's result and both halves of the adapter, equal finite differences", () => {
    params.setDropout(DROPOUT);
    const scale = tf.scalar(3);
    const fn = (base: Tensor, x: Tensor, a: Tensor, b: Tensor): Tensor => addDroppedAdapter(base, { x, adapter: { a, b, scale }, mask: () => params.dropoutMask("adapters", "q", x.shape) });

    expectGradientsMatchDifferences(fn, [[3, 6], [3, 5], [2, 5], [6, 2]].map((shape, i) => randomTensor(`input ${i}`, shape, 0.5)));
  });

  test("a block gives the same losses and gradients whether it keeps what it computed or computes it again", () => {
    const [kept, again] = (["intermediates", "inputs"] as const).map((keeps) => blockGradients(params, keeps));

    expect(kept!.length).toBe(1 + 5);
    expect(again).toEqual(kept);
    for (const values of kept!) expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(0.01);
  });

  test("a block that ran without dropout runs with it, and again without", () => {
    const x = randomTensor("x", [4, 5]);
    const run = (): number[] => [...runLayer({ name: "dropped", params, inputs: { x }, fn: (own, inputs) => [linear(own, "q", inputs.x)] }).dataSync()];
    const plain = run();
    const before = tf.memory().numTensors;
    params.setDropout(DROPOUT);
    const dropped = run();
    params.setDropout({ ...DROPOUT, key: [42, "see", 4, 1] });
    const next = run();
    params.setDropout(undefined);

    expect(run()).toEqual(plain);
    expect(new Set([plain, dropped, next].map(String)).size).toBe(3);
    expect(tf.memory().numTensors - before).toBe(3); // the results
    params.setDropout(DROPOUT);
    const mask = [...params.dropoutMask("adapters", "q", [4, 5]).dataSync()];
    dropped.forEach((value, i) => expect(value).toBeCloseTo(byHand(params, "q", x, mask)[i]!, 4));
  });
});

/** Loss and gradients of x, A and B of a block with two dropped adapters. */
function blockGradients(params: ParamStore, kept: Kept): number[][] {
  const trained = ["q", "k"].flatMap((name) => [`${name}.lora_A.weight`, `${name}.lora_B.weight`]);
  params.setTrainable(trained, kept);
  params.setDropout(DROPOUT);
  const { value, grads } = tf.valueAndGrads((...[x]: Tensor[]) =>
    tf.sum<tf.Scalar>(tf.square(runLayer({
      name: "block",
      params,
      inputs: { x: x! },
      fn: (own, inputs) => {
        const [query, key] = linears(own, ["q", "k"], tf.sigmoid(inputs.x));
        return [tf.mul(query, key)];
      },
    }))),
  )([randomTensor("x", [4, 5]), ...trained.map((name) => params.get(name))]);
  return [value, ...grads].map((tensor) => [...tensor.dataSync()]);
}

/** In doubles, from the definition. */
function byHand(params: ParamStore, name: string, x: Tensor, mask: readonly number[] | undefined): number[] {
  const matrix = (tensor: Tensor): number[][] => tensor.arraySync() as number[][];
  const [rows, weight, bias] = [matrix(x), matrix(params.get(`${name}.weight`)), params.get(`${name}.bias`).dataSync()];
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return rows.flatMap((row, t) =>
    weight.map((own, o) => {
      const base = dot(own, row) + bias[o]!;
      if (mask === undefined) return base;
      const dropped = row.map((value, i) => value * mask[t * row.length + i]!);
      const down = matrix(params.get(`${name}.lora_A.weight`)).map((a) => dot(a, dropped));
      return base + 3 * dot(matrix(params.get(`${name}.lora_B.weight`))[o]!, down);
    }),
  );
}

function expectClose(actual: Tensor, expected: readonly number[]): void {
  const values = actual.dataSync();
  expect(values.length).toBe(expected.length);
  expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 4));
}
