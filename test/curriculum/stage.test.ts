import { expect, test } from "vitest";
import { selectStages } from "../../src/curriculum/stage.ts";

const stages = [{ name: "multitask" }, { name: "reasoning" }];

test("a stage is picked by number, by name, or all are", () => {
  expect(selectStages(stages, "1")).toEqual([stages[0]]);
  expect(selectStages(stages, "2")).toEqual([stages[1]]);
  expect(selectStages(stages, "reasoning")).toEqual([stages[1]]);
  expect(selectStages(stages, "all")).toEqual(stages);
});

test("a wrong stage lists the known ones", () => {
  const hint = "\n  Known: all, 1, 2, multitask, reasoning.";

  expect(() => selectStages(stages, "reasonning")).toThrow(`ConfigError --stage: unknown stage "reasonning".${hint} Did you mean "reasoning"?`);
  for (const wrong of ["0", "3", "-1", "1.5", ""]) expect(() => selectStages(stages, wrong)).toThrow(`ConfigError --stage: unknown stage "${wrong}".${hint}`);
});
