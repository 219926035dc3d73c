/** @file Choosing and starting a backend. tfjs answers `false` and keeps the old one when it fails; here that is an error. */
import { availableParallelism, cpus } from "node:os";
import "@tensorflow/tfjs-backend-cpu";
import { env, getBackend, ready, setBackend } from "@tensorflow/tfjs-core";
import { UserError } from "../core/errors.ts";
import { registerOrtBackend } from "./onnxruntime/backend.ts";

export interface ActiveBackend {
  readonly name: string;
  /** What it runs on, e.g. "2 CPU threads". */
  readonly device: string;
  /** Why it was chosen. */
  readonly reason: string;
}

type Name = "onnxruntime" | "cpu";

/** Preference order of `auto`. */
const PREFERRED = ["onnxruntime", "cpu"] as const satisfies readonly Name[];

const START = {
  onnxruntime: registerOrtBackend,
  cpu: () => undefined,
} as const satisfies Record<Name, () => void>;

/** Starts the named backend, or under `auto` the fastest one that works, and says which and why. */
export async function selectBackend(wanted: string): Promise<ActiveBackend> {
  env().set("PROD", true);
  if (wanted !== "auto") return start(wanted, "asked for");
  const failures: string[] = [];
  for (const name of PREFERRED) {
    try {
      return await start(name, failures.length === 0 ? "fastest present" : `fastest that works; ${failures.join("; ")}`);
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new UserError({ kind: "SystemError", where: "backend auto", what: `no backend works (${failures.join("; ")})`, hint: "Run npm ci again." });
}

async function start(wanted: string, reason: string): Promise<ActiveBackend> {
  const name = PREFERRED.find((known) => known === wanted);
  if (name === undefined) {
    throw new UserError({ kind: "ConfigError", where: "backend", what: `"${wanted}" is not available in this version`, hint: `Available: auto, ${PREFERRED.join(", ")}.` });
  }
  START[name]();
  const isStarted = await setBackend(name);
  await ready();
  if (!isStarted || getBackend() !== name) throw new UserError({ kind: "SystemError", where: `backend ${name}`, what: "tfjs could not start it", hint: "Choose another with --backend." });
  return { name, device: `${availableParallelism()} CPU threads, ${cpus()[0]?.model.trim() ?? "unknown processor"}`, reason };
}
