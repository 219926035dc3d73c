/** @file Content hashes. */
import { createHash } from "node:crypto";

/** Lower-case hex SHA-256 of the concatenated parts. */
export function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
