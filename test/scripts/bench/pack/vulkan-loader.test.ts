import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findLoader } from "../../../../scripts/bench/pack/vulkan-loader.ts";

async function folder({ withLoader }: { readonly withLoader: boolean }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "m2se-loader-"));
  if (withLoader) await writeFile(join(path, "libvulkan.so.1"), "");
  return path;
}

test("the system's loader goes before the fetched one", async () => {
  const [empty, system, fetched] = [await folder({ withLoader: false }), await folder({ withLoader: true }), await folder({ withLoader: true })];

  expect(await findLoader({ named: undefined, system: [empty, system], fetched })).toBe(join(system, "libvulkan.so.1"));
  expect(await findLoader({ named: undefined, system: [empty], fetched })).toBe(join(fetched, "libvulkan.so.1"));
});

test("a named loader is a file or its folder, whatever else there is", async () => {
  const [named, fetched] = [await folder({ withLoader: true }), await folder({ withLoader: true })];
  const file = join(named, "libvulkan.so.1");

  expect(await findLoader({ named, system: [], fetched })).toBe(file);
  expect(await findLoader({ named: file, system: [], fetched })).toBe(file);
});

test("no loader is an error that says where was looked and how to get one", async () => {
  await expect(findLoader({ named: undefined, system: ["/none"], fetched: "/nowhere" })).rejects.toThrow(
    "SystemError libvulkan.so.1: the Vulkan loader is in none of /none, /nowhere.\n  scripts/software-gpu.sh fetches one; --vulkan PATH names another.",
  );
  await expect(findLoader({ named: "/nope", system: [], fetched: "/nowhere" })).rejects.toThrow("SystemError /nope: there is no libvulkan.so.1.");
});
