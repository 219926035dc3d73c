import { expect, test } from "vitest";
import { UserError, invariant, renderProblem } from "../../src/core/errors.ts";

test("a problem is one line, its hint a second", () => {
  expect(renderProblem({ kind: "DataError", where: "a.jsonl:3", what: "no id" })).toBe("DataError a.jsonl:3: no id.");
  expect(renderProblem({ kind: "DataError", where: "a.jsonl:3", what: "no id", hint: "Add one." })).toBe("DataError a.jsonl:3: no id.\n  Add one.");
});

test("several problems make one error; who must act decides the exit code", () => {
  const error = new UserError([{ kind: "MediaError", where: "a.mp4", what: "empty" }, { kind: "DataError", where: "b", what: "bad" }], { cause: "why" });

  expect(error.message).toBe("MediaError a.mp4: empty.\nDataError b: bad.");
  expect(error.name).toBe("MediaError");
  expect(error.cause).toBe("why");
  expect((["ConfigError", "CheckpointError", "DataError", "MediaError", "SystemError"] as const).map((kind) => new UserError({ kind, where: "", what: "" }).exitCode)).toEqual([2, 2, 3, 3, 1]);
});

test("a long list is cut in the message and whole for programs", () => {
  const many = (count: number): UserError => new UserError(Array.from({ length: count }, (_, i) => ({ kind: "MediaError" as const, where: `${i}.mp4`, what: "no such file" })));

  expect(many(21).message.split("\n").length).toBe(21);
  expect(many(1200).message.split("\n").slice(-2)).toEqual(["MediaError 19.mp4: no such file.", "and 1180 more problems like these (--json lists them all)"]);
  expect(many(1200).problems.length).toBe(1200);
});

test("a broken invariant is a bug, not a user's mistake", () => {
  const check = (rows: number): void => invariant(rows === 1, () => `${rows} rows, 1 label`);

  expect(() => check(1)).not.toThrow();
  expect(() => check(2)).toThrow("internal error: 2 rows, 1 label");
});
