import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { describeFailure, FailedResult } from "../../src/cli/failure.ts";
import { UserError } from "../../src/core/errors.ts";

const running = { stopped: false };

test("a user's mistake has no stack and the contract's exit code", () => {
  const error = new UserError({ kind: "DataError", where: "a.jsonl:3", what: "no id", hint: "Add one." });

  expect(describeFailure(error, running)).toEqual({
    exitCode: 3,
    text: "DataError a.jsonl:3: no id.\n  Add one.",
    json: { kind: "error", exitCode: 3, problems: error.problems },
  });
});

test("anything unexpected is called a bug, with its stack and its causes", () => {
  const { exitCode, text = "", json } = describeFailure(new Error("outer", { cause: new TypeError("inner") }), running);

  expect(exitCode).toBe(1);
  expect(text).toMatch(/^Error: outer\n {4}at /);
  expect(text).toContain("\ncaused by TypeError: inner\n");
  expect(text).toMatch(/\nThis is a bug in m2se: please report it with the command line and the text above\.$/);
  expect(json).toEqual({ kind: "error", exitCode: 1, message: "outer" });
  expect(describeFailure({ odd: 1 }, running).text).toContain("{ odd: 1 }");
});

test("a result that is a failure has been said: only the exit code is left", () => {
  expect(describeFailure(new FailedResult("said"), running)).toEqual({ exitCode: 1 });
});

test("a full disk is the machine's fault wherever it is met", () => {
  const error = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", path: "/data/x.npy" });

  expect(describeFailure(error, running)).toMatchObject({ exitCode: 1, text: "SystemError /data/x.npy: the disk is full. Free some space and run the command again." });
});

test("a missing file that no code expected stays a bug", () => {
  expect(describeFailure(Object.assign(new Error("ENOENT"), { code: "ENOENT", path: "x" }), running).text).toContain("This is a bug");
});

test("an aborted call after a stop request is no failure, without one it is", () => {
  const abort = new DOMException("This operation was aborted", "AbortError");

  expect(describeFailure(abort, { stopped: true })).toEqual({ exitCode: 0 });
  expect(describeFailure("SIGINT", { stopped: true })).toEqual({ exitCode: 0 });
  expect(describeFailure(abort, running).exitCode).toBe(1);
  expect(describeFailure(new UserError({ kind: "SystemError", where: "x", what: "y" }), { stopped: true })).toMatchObject({ exitCode: 1, text: "SystemError x: y." });
});

test("usage errors were printed by the parser; programs get them as a value", () => {
  expect(describeFailure(new CommanderError(1, "commander.unknownOption", "error: unknown option '--x'"), running)).toEqual({
    exitCode: 2,
    json: { kind: "error", exitCode: 2, problems: [{ kind: "UsageError", where: "command line", what: "unknown option '--x'" }] },
  });
  expect(describeFailure(new CommanderError(0, "commander.helpDisplayed", "(outputHelp)"), running)).toEqual({ exitCode: 0 });
});
