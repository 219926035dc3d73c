/** @file Which process of which machine: names in files by which another process can tell whether the owner is still there. */
import { hostname } from "node:os";

/** This machine's name, in letters, digits and underscores. */
export function machineName(): string {
  return hostname().replace(/[^A-Za-z0-9]/g, "_");
}

/** Whether a process of this machine is there. Signal 0 only asks; EPERM means alive, but another user's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
