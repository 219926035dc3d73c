import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findGlvnd, GLVND } from "../../../../scripts/bench/pack/glvnd.ts";

async function folder(names: readonly string[]): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "m2se-glvnd-"));
  await fill(path, names);
  return path;
}

async function fill(path: string, names: readonly string[]): Promise<void> {
  await mkdir(path, { recursive: true });
  for (const name of names) await writeFile(join(path, name), "");
}

test("the system's libraries go before the fetched ones, and come from one folder", async () => {
  const [part, system, fetched] = [await folder(GLVND.slice(1)), await folder(GLVND), await folder(GLVND)];
  const fetch = (): Promise<void> => Promise.reject(new Error("nothing is to be fetched"));

  expect(await findGlvnd({ system: [part, system], fetched, fetch })).toEqual(GLVND.map((name) => join(system, name)));
  expect(await findGlvnd({ system: [part], fetched, fetch })).toEqual(GLVND.map((name) => join(fetched, name)));
});

test("what is nowhere is fetched; where that fails there are none", async () => {
  const fetched = join(await folder([]), "new");

  expect(await findGlvnd({ system: [], fetched, fetch: () => Promise.reject(new Error("no network")) })).toBeUndefined();
  expect(await findGlvnd({ system: [], fetched, fetch: (path) => fill(path, GLVND) })).toEqual(GLVND.map((name) => join(fetched, name)));
});
