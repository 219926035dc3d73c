import { expect, test } from "vitest";
import { z } from "zod";
import { runProgram } from "../../../scripts/bench/processes.ts";

const schema = z.strictObject({ value: z.number() });

function node(code: string, input = ""): Promise<{ value: number }> {
  return runProgram({ command: process.execPath, args: ["-e", code], environment: { BENCH_TEST: "7" }, input }, schema);
}

test("the last line counts, whatever was printed before; environment and input arrive", async () => {
  const code = `let text = ""; process.stdin.on("data", (part) => text += part).on("end", () => { console.log("noise"); console.log(JSON.stringify({ value: Number(text) + Number(process.env.BENCH_TEST) })); });`;

  expect(await node(code, "35")).toEqual({ value: 42 });
});

test("a program that fails is quoted with its exit code and the end of what it said", async () => {
  await expect(node(`console.error("first\\nModuleNotFoundError: no torch"); process.exit(3)`)).rejects.toThrow("it ended with exit code 3\nfirst\nModuleNotFoundError: no torch");
});

test("a killed program is told from one that failed", async () => {
  await expect(node(`process.kill(process.pid, "SIGKILL")`)).rejects.toThrow("it was killed by SIGKILL (out of memory, or longer than 20 minutes)");
});

test("a program that is not there is an error, and nothing is left that would hold this process", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();

  await expect(runProgram({ command: "no-such-python", args: [] }, schema)).rejects.toThrow("ENOENT");

  expect(timers()).toBe(before);
});
