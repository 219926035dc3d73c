/** @file Where the golden fixtures lie; README.md beside this file says what is in them and what made them. */
import { fileURLToPath } from "node:url";

/** Path of a golden file: `goldenPath("internvl2-qwen2", "config.json")`. */
export function goldenPath(...parts: readonly string[]): string {
  return fileURLToPath(new URL(parts.join("/"), import.meta.url));
}
