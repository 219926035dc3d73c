import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeWithDriver } from "../backend/webgpu/software-gpu.ts";

describeWithDriver("a program that trains on a GPU", () => {
  test("ends by itself when it is done, and prints nothing of its own accord", async () => {
    const { code, out, err } = await program();

    expect({ code, out, err }).toEqual({ code: 0, out: "step 1\nsaved step 1\nstep 2\nsaved step 2\nstep 3\nsaved step 3\n", err: "" });
  });

  test("says that the device was lost in the middle of a step, saves nothing more and ends with 1", async () => {
    const { code, out, err } = await program("lost");

    expect(out).toBe("step 1\nsaved step 1\n");
    expect(err).toMatch(/^SystemError backend webgpu \(.*SwiftShader.*\): the device was lost: .+\.\n {2}Checkpoints are whole: go on with --resume\. If it happens again, the driver's log says more\.\n$/);
    expect(code).toBe(1);
  });
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function program(...args: readonly string[]): Promise<Result> {
  return new Promise((resolve) => {
    execFile(process.execPath, ["--import", "tsx", join(import.meta.dirname, "gpu-program.ts"), ...args], { timeout: 50_000 }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }));
  });
}
