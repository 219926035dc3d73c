import { expect, test } from "vitest";
import { type BenchArguments, readArguments } from "../../../scripts/bench/arguments.ts";
import { CASE_NAMES } from "../../../scripts/bench/case-names.ts";

function read(...args: string[]): { result: BenchArguments | { readonly exitCode: number }; out: string; err: string } {
  let [out, err] = ["", ""];
  const result = readArguments(args, { writeOut: (text) => (out += text), writeErr: (text) => (err += text) });
  return { result, out, err };
}

test("without flags everything is measured for people", () => {
  expect(read().result).toEqual({ json: false, backend: "onnxruntime", precision: "single", frozenBase: "float32", cases: CASE_NAMES });
});

test("--json and --only are read", () => {
  expect(read("--json", "--only", "train-512").result).toMatchObject({ json: true, cases: ["train-512"] });
});

test("--only gemm is the peak alone", () => {
  expect(read("--only", "gemm").result).toMatchObject({ cases: [] });
});

test.each(["webgpu", "webgpu:NVIDIA H100", "tensorflow", "onnxruntime", "cpu"])("--backend %s is taken", (backend) => {
  expect(read("--backend", backend).result).toMatchObject({ backend });
});

test.each(["auto", "cuda", "webgpu:"])("--backend %s ends with 2: what was measured must be certain", (backend) => {
  const { result, err } = read("--backend", backend);

  expect(result).toEqual({ exitCode: 2 });
  expect(err).toContain(`error: option '--backend <name>' argument '${backend}' is invalid. Allowed are webgpu, webgpu:NAME, tensorflow, onnxruntime and cpu.`);
});

test("the last --backend counts, so that a script's can be overridden", () => {
  expect(read("--backend", "webgpu", "--backend", "webgpu:SwiftShader").result).toMatchObject({ backend: "webgpu:SwiftShader" });
});

test("--precision is read, and only what there is", () => {
  expect(read("--precision", "half").result).toMatchObject({ precision: "half" });
  expect(read("--precision", "bf16").result).toEqual({ exitCode: 2 });
});

test("--frozen-base is read, and only what there is", () => {
  expect(read("--frozen-base", "int8").result).toMatchObject({ frozenBase: "int8" });
  expect(read("--frozen-base", "int4").result).toEqual({ exitCode: 2 });
});

test("an unknown case ends with 2 and names the ones there are", () => {
  const { result, err } = read("--only", "train-9");

  expect(result).toEqual({ exitCode: 2 });
  expect(err).toContain("error: option '--only <name>' argument 'train-9' is invalid. Allowed choices are train-128, train-512, train-2048, train-2048-checkpointed, train-tiny, vision-448, decode, gemm.");
});

test("an unknown flag and a stray word end with 2", () => {
  const flag = read("--fast");
  const word = read("decode");

  expect(flag.result).toEqual({ exitCode: 2 });
  expect(flag.err).toContain("unknown option '--fast'");
  expect(word.result).toEqual({ exitCode: 2 });
  expect(word.err).toContain("too many arguments");
});

test("help goes to stdout, ends with 0 and names the variable for another Python", () => {
  const { result, out } = read("--help");

  expect(result).toEqual({ exitCode: 0 });
  expect(out).toContain("M2SE_BENCH_PYTHON");
});
