import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { maskedCrossEntropy } from "../../../src/model/cross-entropy.ts";
import { describeOnGpu, normals, relativeDifference, useGpu, valuesOf } from "./software-gpu.ts";

/** M, V: vocabularies that divide by four and not, below and above what one round of threads reads. */
const SHAPES = [[1, 1], [3, 7], [5, 8], [2, 1001], [2, 4100], [2, 20_003]] as const;

describeOnGpu("cross entropy on a GPU", () => {
  test.each(SHAPES)("losses, log-probabilities and the gradient are the formula's, in doubles: %i positions, a vocabulary of %i", async (rows, vocabulary) => {
    const logits = normals("logits", rows * vocabulary, 5);
    const labels = Array.from({ length: rows }, (_, row) => (row * 7919 + vocabulary - 1) % vocabulary);
    const counted = labels.map((_, row) => (row === 1 ? 0 : 1));
    const weight = counted.map((each, row) => each * (0.5 + row));
    const [losses, logProbs] = runOwnKernel("CrossEntropy", { logits: tf.tensor2d(logits, [rows, vocabulary]), labels: tf.tensor1d(labels), counted: tf.tensor1d(counted) });
    const [dLogits] = runOwnKernel("CrossEntropyGrad", { logProbs, labels: tf.tensor1d(labels), weight: tf.tensor1d(weight) });
    expect([losses.shape, logProbs.shape, dLogits.shape]).toEqual([[rows], [rows, vocabulary], [rows, vocabulary]]);
    const [gotLosses, gotLogProbs, gotDLogits] = (await valuesOf([losses, logProbs, dLogits])) as [Float32Array, Float32Array, Float32Array];

    const expected = labels.map((label, row) => {
      const own = Array.from(logits.slice(row * vocabulary, (row + 1) * vocabulary));
      const largest = own.reduce((a, b) => Math.max(a, b));
      const logSum = largest + Math.log(own.reduce((sum, value) => sum + Math.exp(value - largest), 0));
      const logProb = own.map((value) => value - logSum);
      return { loss: -logProb[label]! * counted[row]!, logProb, dLogits: logProb.map((value, i) => weight[row]! * (Math.exp(value) - (i === label ? 1 : 0))) };
    });
    if (vocabulary === 1) {
      // The only word is certain.
      expect([gotLosses[0], gotLogProbs[0], gotDLogits[0]]).toEqual([0, 0, 0]);
      return;
    }
    expect(relativeDifference(gotLosses, expected.map(({ loss }) => loss))).toBeLessThan(1e-6);
    expect(relativeDifference(gotLogProbs, expected.flatMap(({ logProb }) => logProb))).toBeLessThan(1e-6);
    expect(relativeDifference(gotDLogits, expected.flatMap((row) => row.dLogits))).toBeLessThan(3e-6);
    expect(gotLosses[1]).toBe(0);
  });

  test("huge logits, and ones that were masked out, give finite losses", async () => {
    const logits = tf.tensor2d([1e4, 1e4, -1e9, 0, -1e30, -1e30, -1e30, -1e30, 3e38, 0, 0, 0], [3, 4]);
    const [losses, logProbs] = runOwnKernel("CrossEntropy", { logits, labels: tf.tensor1d([0, 3, 0]), counted: tf.ones([3]) });
    const [got] = (await valuesOf([losses, logProbs])) as [Float32Array];

    expect(relativeDifference(got, [Math.log(2), Math.log(4), 0])).toBeLessThan(1e-6);
  });

  test("the model's loss and its gradient are those of tfjs's composition on the CPU", async () => {
    const logits = normals("logits", 66, 3);
    const labels = Int32Array.of(3, -100, 10, 0, -100, 7);
    const results = (): Promise<Float32Array[]> => {
      const { value, grad } = tf.valueAndGrad((own: tf.Tensor) => maskedCrossEntropy(own, labels).sum)(tf.tensor2d(logits, [6, 11]));
      return valuesOf([value, grad]);
    };

    const onGpu = await results();
    await tf.setBackend("cpu");
    const onCpu = await results();
    await useGpu();

    expect(onGpu.map((values, i) => relativeDifference(values, onCpu[i]!)).filter((difference) => !(difference < 2e-6))).toEqual([]);
  });
});
