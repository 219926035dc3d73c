/** @file Which backend compiles blocks. */
import { backend } from "@tensorflow/tfjs-core";
import { OrtBackend } from "./onnxruntime/backend.ts";
import type { BlockCall, BlockParams, Kept } from "./onnxruntime/block-call.ts";
import { BlockCompiler, isTaped } from "./onnxruntime/compile.ts";

const compilers = new WeakMap<OrtBackend, BlockCompiler>();

/** The current backend's block compiler; undefined where blocks run op by op. */
export function blockCompiler(): BlockCompiler | undefined {
  const current = backend();
  if (!(current instanceof OrtBackend)) return undefined;
  const compiler = compilers.get(current) ?? new BlockCompiler(current);
  compilers.set(current, compiler);
  return compiler;
}

/** Whether compiled blocks unpack weights of 8 bits as they compute; elsewhere every weight is float32. */
export function keepsPackedWeights(): boolean {
  return blockCompiler() !== undefined;
}

export { type BlockCall, type BlockParams, isTaped, type Kept };
