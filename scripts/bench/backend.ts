/** @file The backend that is timed: the one that users without a GPU get. A fallback to plain JavaScript must not pass for it. */
export const BACKEND = "onnxruntime";
