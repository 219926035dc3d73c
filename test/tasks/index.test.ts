import { expect, test } from "vitest";
import { TASKS } from "../../src/tasks/index.ts";
import { TASK_NAMES } from "../../src/tasks/task.ts";
import { conversation, recordOf, utterance } from "./support.ts";

test("every task is registered under its own name and names a metric that it computes", () => {
  expect(Object.keys(TASKS)).toEqual([...TASK_NAMES]);
  for (const name of TASK_NAMES) {
    expect(TASKS[name].name).toBe(name);
    expect(TASKS[name].score([]).metrics).toHaveProperty(TASKS[name].mainMetric);
  }
});

test("identifiers are the paper's words in angle brackets and stand in the instruction", () => {
  expect(TASK_NAMES.map((name) => TASKS[name].identifier)).toEqual(["<sentiment>", "<emotion>", "<expression>", "<reason>", "<cause>"]);
  for (const name of TASK_NAMES) {
    const [sample] = TASKS[name].samples(name === "ecpe" ? conversation : recordOf(utterance));
    expect(JSON.stringify(sample?.instruction)).toContain(TASKS[name].identifier);
  }
});

test("the clip tasks of one utterance share prefix and prefix key", () => {
  const samples = (["msa", "erc", "fer", "eri"] as const).flatMap((name) => TASKS[name].samples(recordOf(utterance)));

  expect(samples).toHaveLength(4);
  expect(new Set(samples.map(({ prefixKey }) => prefixKey)).size).toBe(1);
  for (const { prefix } of samples) expect(prefix).toEqual(samples[0]?.prefix);
});

test("every target parses, and perfect answers have no parse failure and the best main metric", () => {
  for (const name of TASK_NAMES) {
    const samples = TASKS[name].samples(name === "ecpe" ? conversation : recordOf(utterance));
    const scores = TASKS[name].score(samples.map(({ id, target }) => ({ id, gold: target, response: target })));
    expect(samples.length).toBeGreaterThan(0);
    expect(scores.parseFailures).toBe(0);
    expect(scores.metrics[TASKS[name].mainMetric]).toBeCloseTo(1, 6);
  }
});
