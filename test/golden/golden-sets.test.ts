import { fileURLToPath } from "node:url";
import { basename, join } from "node:path";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../model/support.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { checkSet, findSets } from "./check-set.ts";
import { goldenPath } from "./golden.ts";

const SETS = findSets(fileURLToPath(new URL(".", import.meta.url)));
/** Comparisons that each kind makes at least: a check that found nothing to do would pass. */
const FEWEST: Readonly<Record<string, number>> = { "internvl-chat": 16, "internvl-image": 12, "internvl-prompts": 100, "safetensors-dtypes": 12, "whisper-encoder": 3, "whisper-logmel": 5 };

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  test.each(SETS.map((folder) => ({ set: basename(folder), folder })))("every array of $set is within its tolerance", { timeout: 60_000 }, async ({ folder }) => {
    const { kind, comparisons, unchecked } = await checkSet(folder);

    expect(comparisons.filter(({ isOk }) => !isOk)).toEqual([]);
    expect(comparisons.length).toBeGreaterThanOrEqual(FEWEST[kind] ?? Infinity);
    expect(unchecked).toEqual([]);
  });
});

test("all sets of the folder are found", () => {
  expect(SETS.map((folder) => basename(folder))).toEqual(["image-preprocess", "internvl-hf-llama", "internvl-hf-qwen2", "internvl2-internlm2", "internvl2-phi3", "internvl2-qwen2", "prompts", "safetensors-dtypes", "whisper-encoder", "whisper-logmel"]);
});

test("an unknown kind, a broken set and a wrong array are failures that say why, and the rest of the set is still checked", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "odd"));
  await writeFile(join(folder, "odd/expected.json"), JSON.stringify({ kind: "internvl-chart" }));
  await mkdir(join(folder, "broken"));
  await writeFile(join(folder, "broken/expected.json"), "[]");
  await cp(goldenPath("prompts"), join(folder, "wrong"), { recursive: true });
  const expected = JSON.parse(await readFile(join(folder, "wrong/expected.json"), "utf8")) as { card_frame_indices: { indices: number[] }[]; templates: { template: string }[] };
  expected.card_frame_indices[0]!.indices[1] = 19;
  expected.templates[0]!.template = "Hermes-3";
  await writeFile(join(folder, "wrong/expected.json"), JSON.stringify(expected));

  expect(findSets(folder).map((path) => basename(path))).toEqual(["broken", "odd", "wrong"]);
  const [broken, odd, wrong] = await Promise.all(findSets(folder).map(checkSet));

  expect(odd?.comparisons.map(({ note }) => note)).toEqual([expect.stringContaining('unknown kind "internvl-chart", known: internvl-chat, ')]);
  expect(broken?.comparisons.map(({ note }) => note)).toEqual([expect.stringContaining("has no kind")]);
  const failures = wrong?.comparisons.filter(({ isOk }) => !isOk) ?? [];
  expect(failures.map(({ array }) => array)).toEqual(["templates.0", "card_frame_indices.0"]);
  expect(failures.map(({ note }) => note)).toEqual([expect.stringContaining('unknown chat template "Hermes-3"'), "first at 1: got 18, expected 19"]);
  expect(wrong?.comparisons.length).toBeGreaterThan(100);
});
