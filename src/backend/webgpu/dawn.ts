/** @file Dawn, the WebGPU implementation inside the npm package `webgpu`. */
import type * as Dawn from "webgpu";
import { UserError } from "../../core/errors.ts";

/** The package, with WebGPU's names put among the global ones, where tfjs looks for them. @throws UserError - SystemError when it does not load. */
export async function importDawn(): Promise<typeof Dawn> {
  try {
    const dawn = await import("webgpu");
    Object.assign(globalThis, dawn.globals);
    return dawn;
  } catch (error) {
    throw new UserError(
      { kind: "SystemError", where: "backend webgpu", what: "the package webgpu is not installed or does not load on this system (it needs glibc 2.34)", hint: "Run npm ci again, without --omit=optional." },
      { cause: error },
    );
  }
}
