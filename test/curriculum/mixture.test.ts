import { expect, test } from "vitest";
import { listCount } from "../../src/core/number-lists.ts";
import { drawEpoch, epochShares, type Mixture, numberPrefixes, resolveMixture } from "../../src/curriculum/mixture.ts";
import type { Drawable, EpochKey } from "../../src/curriculum/mixture.ts";

const levels = { high: 0.8, low: 0.3 };
const key: EpochKey = { seed: 42, stage: "one", epoch: 0, share: 1 };

test("words become the numbers of levels, numbers stay", () => {
  expect(resolveMixture("one", { mixture: { msa: "high", erc: "low", fer: 0.5, eri: 0 }, levels })).toEqual({ msa: 0.8, erc: 0.3, fer: 0.5, eri: 0 });
});

test("every unknown level word is reported with its place and the known ones", () => {
  const resolve = (): unknown => resolveMixture("one", { mixture: { msa: "hihg", erc: "toString", fer: "low" }, levels });

  expect(resolve).toThrow(
    'ConfigError stages.one.mixture.msa: unknown level "hihg".\n  Known: high, low. Did you mean "high"?\nConfigError stages.one.mixture.erc: unknown level "toString".\n  Known: high, low.',
  );
});

test("a mixture that can draw nothing is an error", () => {
  const message = "ConfigError stages.one.mixture: no task has a probability above 0.\n  Give at least one of msa, erc, fer, eri, ecpe a level";

  expect(() => resolveMixture("one", { mixture: {}, levels })).toThrow(message);
  expect(() => resolveMixture("one", { mixture: { msa: 0 }, levels })).toThrow(message);
});

test("over many units a task's share is its level, and tasks and epochs are drawn independently", () => {
  const units = 4000;
  const samples = clips(units);
  const draw = (epoch: number): Set<string> => new Set(drawn(samples, { msa: 0.8, erc: 0.3 }, { ...key, epoch }).map(({ unit, task }) => `${unit} ${task}`));
  const [first, second] = [draw(0), draw(1)];
  const share = (holds: (unit: string) => boolean): number => samples.filter(({ task, unit }) => task === "msa" && holds(unit)).length / units;

  const tolerance = 0.03; // four standard errors of a share of 4000
  expect(Math.abs(share((unit) => first.has(`${unit} msa`)) - 0.8)).toBeLessThan(tolerance);
  expect(Math.abs(share((unit) => first.has(`${unit} erc`)) - 0.3)).toBeLessThan(tolerance);
  expect(Math.abs(share((unit) => first.has(`${unit} msa`) && first.has(`${unit} erc`)) - 0.24)).toBeLessThan(tolerance);
  expect(Math.abs(share((unit) => first.has(`${unit} erc`) && second.has(`${unit} erc`)) - 0.09)).toBeLessThan(tolerance);
  expect([...first].filter((entry) => entry.endsWith("fer"))).toEqual([]);
});

test("probability 1 draws everything and 0 nothing; a unit that draws no task is absent", () => {
  const samples = clips(50);

  expect(drawn(samples, { msa: 1, erc: 0 }, key).map(({ unit }) => unit).sort()).toEqual(samples.filter(({ task }) => task === "msa").map(({ unit }) => unit).sort());
});

test("an epoch drawn again is identical; another seed, stage or epoch is not", () => {
  const samples = clips(100);
  const draw = (changes: Partial<EpochKey>): string[] => drawn(samples, { msa: 0.5, erc: 0.5 }, { ...key, ...changes }).map(({ unit, task }) => `${unit} ${task}`);

  expect(draw({}).length).toBeGreaterThan(50);
  expect(draw({})).toEqual(draw({}));
  for (const changes of [{ seed: 43 }, { stage: "two" }, { epoch: 1 }]) {
    const order = (keyChanges: Partial<EpochKey>): string[] => drawn(samples, { msa: 1 }, { ...key, ...keyChanges }).map(({ unit }) => unit);
    expect(draw(changes)).not.toEqual(draw({}));
    expect(order(changes)).not.toEqual(order({}));
    expect(order(changes).sort()).toEqual(order({}).sort());
  }
});

test("adding clips changes no decision about the others", () => {
  const draw = (count: number): string[] => drawn(clips(count), { msa: 0.5 }, key).map(({ unit }) => unit);
  const [few, many] = [draw(100), draw(200)];

  expect(few.length).toBeGreaterThan(20);
  expect(many.filter((unit) => Number(unit.slice(1)) < 100).sort()).toEqual([...few].sort());
});

test("all targets of a conversation share one decision, and a tree's samples stand together in random order of trees", () => {
  const samples = Array.from({ length: 60 }, (_, i): Drawable => ({ task: "ecpe", unit: `d${i % 20}`, prefixKey: `d${i % 20}` }));

  const units = drawn(samples, { ecpe: 0.5 }, key).map(({ unit }) => unit);

  const order = units.filter((unit, i) => unit !== units[i - 1]);
  expect(new Set(order).size).toBe(order.length);
  expect(order.length).toBeGreaterThan(4);
  expect(order.length).toBeLessThan(16);
  expect(units.length).toBe(3 * order.length);
  expect(order).not.toEqual([...order].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
});

test("half an epoch is the first half of the whole one's order", () => {
  const samples = clips(41);
  const whole = drawn(samples, { msa: 1 }, key);

  expect(drawn(samples, { msa: 1 }, { ...key, share: 0.5 })).toEqual(whole.slice(0, 21));
});

test("a part of an epoch is not a group more because 2.2 - 2 is a little more than a fifth", () => {
  const samples = Array.from({ length: 10 }, (_, i) => ({ task: "erc" as const, unit: `u${i}`, prefixKey: `u${i}` }));
  const sizes = (epochs: number): number[] => epochShares(epochs).map((share, epoch) => listCount(drawEpoch(samples, numberPrefixes(samples), { erc: 1 }, { seed: 1, stage: "a", epoch, share })));

  expect([1.1, 2.2, 3.7, 0.25].map(sizes)).toEqual([[10, 1], [10, 10, 2], [10, 10, 10, 7], [3]]);
});

test("epochs and their shares", () => {
  expect(epochShares(2)).toEqual([1, 1]);
  expect(epochShares(0.25)).toEqual([0.25]);
  expect(epochShares(2.5)).toEqual([1, 1, 0.5]);
});

/** An epoch's samples in their order. */
function drawn(samples: readonly Drawable[], mixture: Mixture, epoch: EpochKey): Drawable[] {
  return Array.from(drawEpoch(samples, numberPrefixes(samples), mixture, epoch).items, (i) => samples[i]!);
}

function clips(count: number): Drawable[] {
  return Array.from({ length: count }, (_, i) => (["msa", "erc", "fer"] as const).map((task): Drawable => ({ task, unit: `c${i}`, prefixKey: `c${i}` }))).flat();
}
