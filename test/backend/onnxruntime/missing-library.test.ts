import { afterEach, beforeEach, expect, test, vi } from "vitest";

const { platform, arch } = process;
const pretend = (machine: { readonly platform: string; readonly arch: string }): void => {
  Object.defineProperty(process, "platform", { value: machine.platform });
  Object.defineProperty(process, "arch", { value: machine.arch });
};

beforeEach(() => {
  vi.resetModules();
});
afterEach(() => {
  pretend({ platform, arch });
  vi.doUnmock("../../../src/backend/onnxruntime/c-api.ts");
});

/** Of a fresh copy of the engine, which has not started yet. */
async function startFailure(): Promise<unknown> {
  const { startEngine } = await import("../../../src/backend/onnxruntime/engine.ts");
  try {
    startEngine();
    return undefined;
  } catch (error) {
    return error;
  }
}

test("a library that cannot be loaded is told in one line, with a way out", async () => {
  const cause = new Error("libonnxruntime.so.1: cannot open shared object file\nRequire stack: ...");
  vi.doMock("../../../src/backend/onnxruntime/c-api.ts", () => ({
    loadCApi: () => {
      throw cause;
    },
  }));

  const failure = await startFailure();

  expect(failure).toHaveProperty("message", "SystemError backend onnxruntime: ONNX Runtime cannot be used (libonnxruntime.so.1: cannot open shared object file).\n  Run npm ci, or choose --backend cpu (slow).");
  expect(failure).toHaveProperty("cause", cause);
  expect(failure).toHaveProperty("exitCode", 1);
});

test.each([
  { platform: "sunos", arch: "x64" },
  { platform: "linux", arch: "riscv64" },
])("a machine that the package has no library for is named: $platform-$arch", async (machine) => {
  pretend(machine);

  const failure = await startFailure();

  expect(failure).toHaveProperty("name", "SystemError"); // another copy of UserError than the one imported here
  expect(failure).toHaveProperty("message", expect.stringContaining(`(onnxruntime-node has no library for ${machine.platform}-${machine.arch}).\n  Run npm ci, or choose --backend cpu (slow).`));
});

test("auto goes on with the JavaScript backend and says why", async () => {
  pretend({ platform: "linux", arch: "riscv64" });
  const { selectBackend } = await import("../../../src/backend/select.ts");

  const active = await selectBackend("auto");

  expect(active.name).toBe("cpu");
  expect(active.reason).toMatch(/^fastest that works \(.*onnxruntime: ONNX Runtime cannot be used \(.*no library for linux-riscv64/);
});
