import util from "node:util";
import { getBackend } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { MODEL_KERNELS } from "../../src/backend/model-kernels.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { addRemovedFunctions, checkKernels, type PackageLoader, registerTensorflowBackend, TENSORFLOW_PACKAGES, tensorflowPackages } from "../../src/backend/tensorflow.ts";
import { compareSteps, isSameStep, tinyStep } from "../../src/doctor/step-check.ts";

/** Packages by name: what loading one does. */
function packages(installed: Readonly<Record<string, () => unknown>>): PackageLoader {
  const find = (name: string): (() => unknown) => {
    const load = installed[name];
    if (load === undefined) throw new Error(`Cannot find module '${name}'`);
    return load;
  };
  return { resolve: (name) => String(find(name.replace(/\/package\.json$/, ""))), load: (name) => find(name)() };
}

const broken = (): never => {
  throw new Error("The Node.js native addon module (tfjs_binding.node) can not be found at path: /x/tfjs_binding.node. \nPlease run ...");
};

test("installed packages are found without loading them, the GPU's first", () => {
  expect(tensorflowPackages(packages({}))).toEqual([]);
  expect(tensorflowPackages(packages({ "@tensorflow/tfjs-node": broken, "@tensorflow/tfjs-node-gpu": broken }))).toEqual(TENSORFLOW_PACKAGES);
});

test("without a package the way to one is told", () => {
  expect(() => registerTensorflowBackend(packages({}))).toThrow(
    "SystemError backend tensorflow: @tensorflow/tfjs-node-gpu is not installed; @tensorflow/tfjs-node is not installed.\n" +
      "  npm install --no-save --save-prod @tensorflow/tfjs-node@4.22.0, then scripts/link-tensorflow.sh PATH builds its addon against a libtensorflow of yours.",
  );
});

test("a package that does not load is told with its reason, in one line", () => {
  expect(() => registerTensorflowBackend(packages({ "@tensorflow/tfjs-node": broken }))).toThrow(
    "SystemError backend tensorflow: @tensorflow/tfjs-node-gpu is not installed; @tensorflow/tfjs-node does not load: The Node.js native addon module (tfjs_binding.node) can not be found at path: /x/tfjs_binding.node..\n" +
      "  scripts/link-tensorflow.sh PATH builds its addon against a libtensorflow of yours.",
  );
});

test("a package that loads but registers too few kernels is refused with their names", () => {
  expect(() => checkKernels((name) => (["Erf", "Transpose"].includes(name) ? undefined : {}))).toThrow(
    `SystemError backend tensorflow: it lacks 2 of the ${MODEL_KERNELS.length} kernels that the model runs: Erf, Transpose.\n  Install version 4.22.0 of the package, or choose --backend onnxruntime.`,
  );
  expect(() => checkKernels(() => ({}))).not.toThrow();
  expect(() => registerTensorflowBackend(packages({ "@tensorflow/tfjs-node-gpu": () => ({}) }))).toThrow(`it lacks ${MODEL_KERNELS.length} of the ${MODEL_KERNELS.length} kernels`);
});

test("functions that Node 23 removed come back, those that are there stay", () => {
  const own = (): boolean => true;
  const target = { isArray: own, isNullOrUndefined: undefined as unknown };
  Reflect.deleteProperty(target, "isNullOrUndefined");

  addRemovedFunctions(target);

  expect(target.isArray).toBe(own);
  const { isNullOrUndefined } = target as { isNullOrUndefined: (value: unknown) => boolean };
  expect([undefined, null, 0, ""].map(isNullOrUndefined)).toEqual([true, true, false, false]);
  addRemovedFunctions(util);
  expect((Reflect.get(util, "isArray") as (value: unknown) => boolean)([])).toBe(true);
});

const isInstalled = tensorflowPackages().length > 0;
// eslint-disable-next-line no-console -- a skipped test says why
if (!isInstalled) console.warn("skipped: the whole model on tensorflow (neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed)");

test.skipIf(!isInstalled)("the whole model's loss and gradients are the reference's", { timeout: 60_000 }, async () => {
  await selectBackend("cpu");
  const reference = await tinyStep();

  const active = await selectBackend("tensorflow");
  const difference = compareSteps(reference, await tinyStep());

  expect([active.name, getBackend()]).toEqual(["tensorflow", "tensorflow"]);
  expect(active.device).toMatch(/^libtensorflow \d+\.\d+\.\d+ \(tfjs-node(-gpu)?\) on /);
  expect(difference.loss).toBeLessThan(1e-4);
  expect(difference.gradient).toBeLessThan(1e-3);
  expect(isSameStep(difference)).toBe(true);
});
