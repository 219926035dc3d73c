import { expect, test } from "vitest";
import type { ProbeOptions } from "../../src/doctor/run-probe.ts";
import { runProbe } from "../../src/doctor/run-probe.ts";

/** A child process that runs this script; its last argument is the probe. */
function child(script: string, more: Partial<ProbeOptions> = {}): ProbeOptions {
  return { command: [process.execPath, "-e", script, "--"], timeoutMs: 10_000, signal: new AbortController().signal, ...more };
}

test("the answer is the child's line, whatever a driver prints around it", async () => {
  const script = `console.log("Warning: {odd}"); console.log(JSON.stringify({ kind: "probe", ok: true, value: process.argv.at(-1) })); console.log("{}"); console.error("noise")`;

  expect(await runProbe("webgpu:x y", child(script))).toEqual({ ok: true, value: "webgpu:x y" });
  expect(await runProbe("cpu", child(`console.log(JSON.stringify({ kind: "probe", ok: false, what: "no driver" }))`))).toEqual({ ok: false, what: "no driver" });
});

test.each([
  { what: "crashes", script: `console.error("bad shader\\n"); process.kill(process.pid, "SIGSEGV"); setTimeout(() => {}, 5000)`, answer: "it crashed (SIGSEGV): bad shader" },
  { what: "ends without an answer", script: `console.error("first\\nlast words"); process.exit(7)`, answer: "it ended with code 7 and no answer: last words" },
  { what: "says nothing at all", script: "", answer: "it ended with code 0 and no answer" },
])("a child that $what is told with its last words", async ({ script, answer }) => {
  expect(await runProbe("webgpu", child(script))).toEqual({ ok: false, what: answer });
});

test("a child that hangs is ended", async () => {
  expect(await runProbe("webgpu", child("setInterval(() => {}, 1000)", { timeoutMs: 300 }))).toEqual({ ok: false, what: "it gave no answer within 0.3 s" });
});

test("a program that is not there is told", async () => {
  expect(await runProbe("webgpu", child("", { command: ["/nonexistent/node"] }))).toEqual({ ok: false, what: "it could not be started: spawn /nonexistent/node ENOENT" });
});

test("whoever asks to stop stops the child", async () => {
  const stop = new AbortController();
  const asked = runProbe("webgpu", child("setInterval(() => {}, 1000)", { signal: stop.signal }));
  stop.abort("SIGINT");

  await expect(asked).rejects.toBe("SIGINT");
});
