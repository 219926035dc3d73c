import { getGradient, grad, square, tensor1d, unregisterGradient } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { registerGradients } from "../../src/backend/gradients.ts";
import { selectBackend } from "../../src/backend/select.ts";

await selectBackend("cpu");

test("the gradients of tfjs's ops are there once they were asked for", () => {
  expect(getGradient("BatchMatMul")).toBeUndefined(); // should tfjs register them one day, gradients.ts can go

  registerGradients();
  registerGradients();

  expect(getGradient("BatchMatMul")).toBeDefined();
  expect([...grad((x) => square(x))(tensor1d([1, -3])).dataSync()]).toEqual([2, -6]);
});

test("our kernels' gradients come too when another package has brought tfjs's", () => {
  const ours = getGradient("RmsNorm");
  unregisterGradient("RmsNorm");

  registerGradients();

  expect(ours).toBeDefined();
  expect(getGradient("RmsNorm")).toBe(ours);
});
