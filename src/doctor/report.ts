/** @file What m2se doctor found, as plain data: `m2se doctor --json` prints it as it stands. */
import type { ActiveBackend } from "../backend/select.ts";
import type { AdapterFacts } from "../backend/webgpu/adapters.ts";
import type { SelfTest } from "./self-test.ts";

export interface DoctorReport {
  /** Whether training is possible at all. */
  readonly canTrain: boolean;
  readonly node: NodeReport;
  readonly programs: readonly ProgramReport[];
  readonly disk: DiskReport;
  /** GPU device files of Linux; absent where a driver alone knows. */
  readonly gpuFiles?: readonly string[];
  readonly adapters: readonly AdapterFacts[];
  readonly backends: readonly BackendReport[];
  /** What `--backend auto` takes; absent when it fails. */
  readonly auto?: ActiveBackend;
  readonly problems: readonly DoctorProblem[];
}

export interface NodeReport {
  readonly version: string;
  /** The oldest that is supported. */
  readonly needed: string;
  readonly ok: boolean;
}

export interface ProgramReport {
  readonly name: "ffmpeg" | "ffprobe";
  /** Absent when none works. */
  readonly found?: { readonly path: string; readonly version: string; /** `PATH`, `npm`, or the environment variable that names it. */ readonly source: string };
}

export interface DiskReport {
  readonly folder: string;
  readonly writable: boolean;
  readonly freeBytes: number;
}

export interface BackendReport {
  /** As `--backend` takes it. */
  readonly name: string;
  /** absent: not installed, or no hardware for it, which is no problem; wrong: it runs, but its numbers are not the reference's. */
  readonly state: "works" | "wrong" | "fails" | "absent";
  /** Why it does not work. */
  readonly why?: string;
  readonly test?: SelfTest;
}

export interface DoctorProblem {
  readonly where: string;
  readonly what: string;
  /** The one command that fixes it. */
  readonly fix: string;
  /** Whether it makes training impossible. */
  readonly blocking: boolean;
}
