import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { afterEach, expect, test, vi } from "vitest";
import { planRun } from "../../src/app/index.ts";
import type { DeviceLimits } from "../../src/backend/device-limits.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { oneStep, toyRunConfig, toyWorkplace, train, withStage } from "./toy-experiment.ts";

/** What the device is said to have. */
const device = vi.hoisted(() => ({ limits: undefined as DeviceLimits | undefined }));
vi.mock("../../src/backend/device-limits.ts", async (original) => {
  const real = await original<{ readonly deviceLimits: (active: unknown) => DeviceLimits }>();
  return { ...real, deviceLimits: (active: unknown) => device.limits ?? real.deviceLimits(active) };
});

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();
afterEach(() => {
  device.limits = undefined;
});

const plan = (config: RunConfig, stages: readonly string[] = ["see", "explain"]): ReturnType<typeof planRun> => planRun({ config, stages, signal: new AbortController().signal });

test("training that cannot fit is refused before a weight is loaded, for all stages at once; the plan says so and fails for nothing", { timeout: TIMEOUT_MS }, async () => {
  device.limits = { of: "webgpu (Fake GPU)", memory: { bytes: 50e6, source: "nvidia-smi" } };
  const config = oneStep(toyRunConfig(place.folder));
  const runDir = join(place.folder, "refused");
  const tensors = memory().numTensors;

  const refused = train(config, runDir);

  await expect(refused).rejects.toThrow(/^ConfigError memory: stage see does not fit into webgpu \(Fake GPU\)\. Got about \d+ MB, \d+ MB at the very least .* expected at most 50 MB \(nvidia-smi\)\.\n {2}What would need less: .*\nConfigError memory: stage explain does not fit/);
  expect(memory().numTensors).toBe(tensors);
  expect((await readdir(runDir)).filter((name) => /^(stage|plan)-/.test(name))).toEqual([]);

  const planned = await plan(config);
  expect(planned.fits.map(({ verdict }) => verdict)).toEqual(["exceeds", "exceeds"]);
  expect(renderPlan(planned)).toMatch(/\ndoes not fit: needs \d+ MB to \d+ MB, and webgpu \(Fake GPU\) has 50 MB \(nvidia-smi\)\n {2}budget\.gradientCheckpointing: true saves /);
});

test("a weight beyond the device's limit is refused by name before it is loaded", { timeout: TIMEOUT_MS }, async () => {
  device.limits = { of: "webgpu (Fake GPU)", largestTensor: 30_000 };
  const config = oneStep(toyRunConfig(place.folder));

  await expect(train(config, join(place.folder, "large"))).rejects.toThrow(/^ConfigError memory: language_model\.\S+ is a tensor too large for webgpu \(Fake GPU\)\. Got [\d,]+ x 16 float32 = 1 MB, expected at most 1 MB\./);
});

test("what may fit is trained with a warning; a stage that is done is not held against this device", { timeout: TIMEOUT_MS }, async () => {
  const config = oneStep(toyRunConfig(place.folder));
  const runDir = join(place.folder, "warned");
  const { stages } = await plan(config, ["see"]);
  device.limits = { of: "webgpu (Fake GPU)", memory: { bytes: 1e6 * stages[0]!.memory.peak, source: "nvidia-smi" } };

  const events = await train(config, runDir, { stages: ["see"] });

  expect(events.flatMap((event) => (event.kind === "warning" ? [event.message] : []))).toEqual([expect.stringMatching(/^stage see may not fit: \d+ MB to \d+ MB of the \d+ MB of webgpu \(Fake GPU\) \(nvidia-smi\)\. What would need less: /)]);
  expect(events.at(-1)?.kind).toBe("stage-end");
  device.limits = { of: "webgpu (Fake GPU)", memory: { bytes: 1e6, source: "nvidia-smi" } };
  expect((await train(config, runDir, { stages: ["see"], resume: true })).at(-1)?.kind).toBe("stage-start");
});

test("a plan is made where the backend does not start: with this machine's memory, and it says why", { timeout: TIMEOUT_MS }, async () => {
  const config = withStage({ ...toyRunConfig(place.folder), backend: "webgpu:no such adapter" }, "see", {});

  const planned = await plan(config, ["see"]);

  expect(planned.device.of).toBe("this machine");
  expect(planned.device.backendFailure).toMatch(/^webgpu:no such adapter does not start here: SystemError backend webgpu/);
  expect(planned.fits).toMatchObject([{ stage: "see", verdict: "fits" }]);
  expect(renderPlan(planned)).toMatch(/^warning: webgpu:no such adapter does not start here: .*\n\nstage see: /);
});
