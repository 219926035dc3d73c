import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { readFloats } from "../../../src/backend/host-memory.ts";
import { registerWebGpuBackend } from "../../../src/backend/webgpu/backend.ts";
import type { OpenDevice } from "../../../src/backend/webgpu/device.ts";
import { describeFailure } from "../../../src/cli/failure.ts";
import { describeWithDriver, useGpu } from "./software-gpu.ts";

const WHERE = String.raw`SystemError backend webgpu \(.*SwiftShader.*\)`;

describeWithDriver("a GPU that fails", () => {
  test("a command that the device refuses is thrown by the next read, in the device's words, and by every read after it", async () => {
    const { device } = await freshGpu();
    const before = tf.matMul(ones(), ones());
    await readFloats(before);

    device.createBuffer({ size: 64, usage: 0 });

    const refused = new RegExp(`^${WHERE}: the device refused a command: Buffer usages must not be 0\\.\\n  This is a fault of the program or the driver: update the driver, or use --backend onnxruntime\\.$`);
    await expect(readFloats(tf.matMul(ones(), ones()))).rejects.toThrow(refused);
    await expect(readFloats(tf.matMul(ones(), ones()))).rejects.toThrow(refused);
  });

  test("code that does not compile is told, though tfjs goes on with whatever is in memory", async () => {
    const { device, failure } = await freshGpu();

    device.createShaderModule({ code: "no shader" });

    await expect(readFloats(tf.matMul(ones(), ones()))).rejects.toThrow("the device refused a command: Error while parsing WGSL: :1:1 error");
    expect(failure()?.message).toContain("Error while parsing WGSL");
  });

  test("a tensor larger than the device takes is told with both sizes", async () => {
    const { device } = await freshGpu();
    const most = device.limits.maxBufferSize;

    const tooLarge = tf.fill([most / 4 + 1], 1);

    await expect(readFloats(tf.sum(tooLarge))).rejects.toThrow(`the device refused a command: Buffer size (${most + 4}) exceeds the max buffer size limit (${most}).`);
  });

  test("memory that the device has no more of is told with what to do", async () => {
    const { device, failure } = await freshGpu();

    for (let i = 0; i < 256 && failure() === undefined; i++) {
      device.createBuffer({ size: 1 << 30, usage: GPUBufferUsage.STORAGE });
      await new Promise((resolve) => setImmediate(resolve));
    }

    await expect(readFloats(tf.matMul(ones(), ones()))).rejects.toThrow(new RegExp(`^${WHERE}: the GPU's memory is full: .+\\.\n  Use a smaller budget\\.rowTokens or budget\\.gradientCheckpointing: true, and go on with --resume\\.$`));
    device.destroy();
  });

  test.each(["before a read", "during a read", "long before a read"])("a device that is lost %s is told, with the way on", async (when) => {
    const { device } = await freshGpu();
    const product = tf.matMul(ones(), ones());
    const started = when === "during a read" ? readFloats(product) : undefined;

    device.destroy();
    if (when === "long before a read") await new Promise((resolve) => setTimeout(resolve, 50));
    const error: unknown = await (started ?? readFloats(tf.add(tf.matMul(product, ones()), 1))).catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ message: expect.stringMatching(new RegExp(`^${WHERE}: the device was lost: .*\\.\\n  Checkpoints are whole: go on with --resume\\. If it happens again, the driver's log says more\\.$`)) as string });
    expect(describeFailure(error, { stopped: false })).toMatchObject({ exitCode: 1, text: (error as Error).message, json: { kind: "error", exitCode: 1 } });
  });

  test("a new device works when another was lost", async () => {
    const { device } = await freshGpu();
    device.destroy();

    const { failure } = await freshGpu();

    expect((await readFloats(tf.matMul(ones(), ones())))[0]).toBe(8);
    expect(failure()).toBeUndefined();
  });
});

async function freshGpu(): Promise<OpenDevice> {
  const open = await registerWebGpuBackend("SwiftShader");
  await useGpu();
  return open;
}

function ones(): tf.Tensor {
  return tf.tensor2d(new Float32Array(64).fill(1), [8, 8]);
}
