/** @file The software GPU that `scripts/software-gpu.sh` fetched: what a process's environment needs for Dawn to find it. */
import { existsSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../.cache/software-gpu");

/** Variables to add; none where the driver was not fetched, or the environment names a driver already. They have to be there when the process starts. */
export function softwareGpuEnvironment(environment: NodeJS.ProcessEnv = process.env, folder = FOLDER): Record<string, string> {
  const description = join(folder, "vk_swiftshader_icd.json");
  const isNamed = environment["VK_DRIVER_FILES"] !== undefined || environment["VK_ICD_FILENAMES"] !== undefined;
  if (isNamed || !existsSync(description)) return {};
  const folders = [folder, environment["LD_LIBRARY_PATH"]].filter((path) => path !== undefined && path !== "");
  return { VK_DRIVER_FILES: description, LD_LIBRARY_PATH: folders.join(":") };
}
