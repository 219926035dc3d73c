import { expect, test } from "vitest";
import { brokenRules } from "../../src/config/rules.ts";
import { runConfigSchema } from "../../src/config/schema.ts";

/** Broken rules of a config with these stages, as `path: text`. */
function issuesOf(stages: readonly Record<string, unknown>[], more: Record<string, unknown> = {}): string[] {
  const full = stages.map((stage, index) => ({ name: `s-${index}`, mixture: { msa: "high" }, trainable: [{ match: ".*", learningRate: 1 }], ...stage }));
  const config = runConfigSchema.parse({ name: "x", data: { root: "r" }, model: { folder: "m" }, stages: full, ...more });
  return brokenRules(config).map(({ path, what, hint }) => `${path.join(".")}: ${what}${hint === undefined ? "" : ` | ${hint}`}`);
}

test("a right config breaks no rule", () => {
  expect(issuesOf([{ name: "one" }, { name: "two", initFrom: "one", mixture: { eri: "low", erc: 0.2 } }])).toEqual([]);
});

test("stage names differ and leave the command line's words alone", () => {
  expect(issuesOf([{ name: "one" }, { name: "one" }])).toEqual(['stages.1.name: stages 1 and 2 are both called "one", expected different names']);
  expect(issuesOf([{ name: "all" }])).toEqual(['stages.0.name: a stage cannot be called "all", the command line uses that word']);
  expect(issuesOf([{ name: "2" }])).toEqual(['stages.0.name: got "2", expected a name with a letter in it | --stage takes numbers as positions in the list.']);
});

test("a stage starts from base or an earlier stage", () => {
  expect(issuesOf([{ name: "one", initFrom: "two" }, { name: "two", initFrom: "oen" }])).toEqual([
    'stages.0.initFrom: "two" does not come before this stage, expected base or an earlier stage | Known: base.',
    'stages.1.initFrom: no stage is called "oen", expected base or an earlier stage | Known: base, one. Did you mean "one"?',
  ]);
});

test("the mixture's words are levels, and something is drawn", () => {
  expect(issuesOf([{ mixture: { msa: "hihg", erc: "low" } }])).toEqual([
    'stages.0.mixture.msa: got "hihg", expected a number from 0 to 1 or a word from levels | Known: high, low. Did you mean "high"?',
  ]);
  expect(issuesOf([{ mixture: { msa: 0, erc: "never" } }], { levels: { never: 0 } })).toEqual(["stages.0.mixture: no task is ever drawn, expected at least one with a probability above 0"]);
  expect(issuesOf([{ mixture: {} }])).toHaveLength(1);
  expect(issuesOf([{ mixture: { msa: "constructor" } }])).toHaveLength(1);
});

test("a stage trains something", () => {
  expect(issuesOf([{ trainable: [{ match: "lora", learningRate: 0 }] }])).toEqual([
    "stages.0.trainable: every learning rate is 0, expected at least one above 0 | A stage that trains nothing can be left out.",
  ]);
});

test("patterns are regular expressions", () => {
  expect(issuesOf([{ trainable: [{ match: "(", learningRate: 1 }], lora: { targets: "[" } }])).toEqual([
    expect.stringMatching(/^stages\.0\.trainable\.0\.match: got "\(", expected a regular expression \(.*Unterminated group\)$/),
    expect.stringMatching(/^stages\.0\.lora\.targets: got "\[", expected a regular expression \(.*Unterminated character class\)$/),
  ]);
  expect(issuesOf([{ lora: { targets: ["[", "q_proj"] } }])).toEqual([]);
});

test("warm-up leaves steps at the peak", () => {
  expect(issuesOf([{ schedule: { warmup: 1 } }])).toEqual([
    "stages.0.schedule.warmup: got 1, expected a share below 1 | With 1 the whole stage is warm-up and the peak learning rate comes at its last step.",
  ]);
});

test("lora names its targets or an adapter's folder, and its patterns are regular expressions", () => {
  const lora = (settings: Record<string, unknown>): string[] => issuesOf([{ lora: settings }]);

  expect(lora({ targets: ["q_proj"] })).toEqual([]);
  expect(lora({ from: "adapter", dropout: 0.05 })).toEqual([]);
  expect(lora({ rank: 4 })).toEqual(["stages.0.lora: got neither targets nor from, expected one of them | targets: which modules get new adapters; from: the folder of an adapter to go on with."]);
  expect(lora({ targets: "x", from: "adapter" })).toEqual(["stages.0.lora: got targets and from, expected one of them | An adapter's folder says itself which modules it adapts."]);
  expect(lora({ targets: ["q_proj"], alphaPattern: { "(": 2 } })).toEqual([expect.stringMatching(/^stages\.0\.lora\.alphaPattern\.\(: got "\(", expected a regular expression/)]);
});
