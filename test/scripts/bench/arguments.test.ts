import { expect, test } from "vitest";
import { type BenchArguments, readArguments } from "../../../scripts/bench/arguments.ts";

function read(...args: string[]): { result: BenchArguments | { readonly exitCode: number }; out: string; err: string } {
  let [out, err] = ["", ""];
  const result = readArguments(args, { writeOut: (text) => (out += text), writeErr: (text) => (err += text) });
  return { result, out, err };
}

test("without flags everything is measured for people", () => {
  expect(read().result).toEqual({ json: false });
});

test("--json and --only are read", () => {
  expect(read("--json", "--only", "train-512").result).toEqual({ json: true, only: "train-512" });
});

test("an unknown case ends with 2 and names the ones there are", () => {
  const { result, err } = read("--only", "train-9");

  expect(result).toEqual({ exitCode: 2 });
  expect(err).toContain("error: option '--only <name>' argument 'train-9' is invalid. Allowed choices are train-128, train-512, train-2048, train-tiny, vision-448, decode.");
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
