/** @file Which backend compiles blocks. */
import { backend } from "@tensorflow/tfjs-core";
import { OrtBackend } from "./onnxruntime/backend.ts";
import { type BlockCall, BlockCompiler, isTaped, type Kept } from "./onnxruntime/compile.ts";

const compilers = new WeakMap<OrtBackend, BlockCompiler>();

/** The current backend's block compiler; undefined where blocks run op by op. */
export function blockCompiler(): BlockCompiler | undefined {
  const current = backend();
  if (!(current instanceof OrtBackend)) return undefined;
  const compiler = compilers.get(current) ?? new BlockCompiler(current);
  compilers.set(current, compiler);
  return compiler;
}

export { type BlockCall, isTaped, type Kept };
