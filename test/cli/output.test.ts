import { expect, test } from "vitest";
import { createOutput, type OutputOptions } from "../../src/cli/output.ts";

function setUp(options: Partial<Pick<OutputOptions, "json">> & { terminal?: boolean } = {}): { clock: { ms: number }; written: string[]; output: ReturnType<typeof createOutput> } {
  const clock = { ms: 0 };
  const written: string[] = [];
  const sink = (name: string): OutputOptions["stdout"] => ({ write: (text) => written.push(`${name}: ${text}`), isTTY: options.terminal ?? false, columns: 12 });
  return { clock, written, output: createOutput({ stdout: sink("out"), stderr: sink("err"), json: options.json ?? false, now: () => clock.ms }) };
}

test("people read stdout and programs get nothing, unless --json", () => {
  const { written, output } = setUp();

  output.human("a table");
  output.json({ a: 1 });

  expect(written).toEqual(["out: a table\n"]);
});

test("--json gives programs stdout, one line a value, and people stderr", () => {
  const { written, output } = setUp({ json: true });

  output.human("a table");
  output.json({ a: "1\n2" });

  expect(written).toEqual(["err: a table\n", 'out: {"a":"1\\n2"}\n']);
});

test("on a terminal progress stays on one line, cut to its width, and makes room for what stays", () => {
  const { written, output } = setUp({ terminal: true });

  output.progress("step 1/9 loss 3");
  output.progress("step 2/9");
  output.human("saved");
  output.human("done");

  expect(written).toEqual(["err: \r\u001b[2Kstep 1/9 lo", "err: \r\u001b[2Kstep 2/9", "err: \r\u001b[2K", "out: saved\n", "out: done\n"]);
});

test("elsewhere progress is a plain line every five seconds at most", () => {
  const { clock, written, output } = setUp();

  for (const ms of [0, 100, 4999, 5000, 9000, 10_000]) {
    clock.ms = ms;
    output.progress(`at ${ms}`);
  }

  expect(written).toEqual(["err: at 0\n", "err: at 5000\n", "err: at 10000\n"]);
});
