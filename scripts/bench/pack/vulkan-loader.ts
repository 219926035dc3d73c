/** @file The Vulkan loader: the library through which Dawn finds GPUs. Dawn looks for it beside its own file first. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../src/core/errors.ts";

export const LOADER = "libvulkan.so.1";

/** Of Debian and Ubuntu, of Fedora, of others. */
export const SYSTEM_FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

/**
 * The loader's file: the named one (or the one in the named folder), else the system's, else that in `fetched`.
 *
 * @throws UserError - SystemError when it is in none of these places.
 */
export async function findLoader({ named, fetched, system = SYSTEM_FOLDERS }: { readonly named: string | undefined; readonly fetched: string; readonly system?: readonly string[] }): Promise<string> {
  const places = named === undefined ? [...system, fetched].map((folder) => join(folder, LOADER)) : [named, join(named, LOADER)];
  for (const place of places) if (await isFile(place)) return place;
  throw new UserError({
    kind: "SystemError",
    where: named ?? LOADER,
    what: named === undefined ? `the Vulkan loader is in none of ${[...system, fetched].join(", ")}` : `there is no ${LOADER}`,
    hint: "scripts/software-gpu.sh fetches one; --vulkan PATH names another.",
  });
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isFile(), () => false);
}
