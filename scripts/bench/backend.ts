/** @file The backend that is timed: without `--backend` the one that users without a GPU get. A fallback to plain JavaScript must not pass for it. */

/** By which the child processes are told. */
export const BACKEND_VARIABLE = "M2SE_BENCH_BACKEND";

export const BACKEND = process.env[BACKEND_VARIABLE] ?? "onnxruntime";

/** Whether it computes with a GPU's memory, which is scarcer or faster than the machine's. */
export const IS_GPU = !["onnxruntime", "cpu"].includes(BACKEND);
