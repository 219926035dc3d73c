/** @file The peer: the same work in PyTorch, tuned as well as it can be from outside; see peer/run.py for the inside. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { PeerTask } from "./bench-case.ts";
import { PATIENCE } from "./measure.ts";
import { runProgram } from "./processes.ts";
import { type PeerProbe, peerProbeSchema, type PeerRun, peerRunSchema } from "./runs.ts";

export interface Peer {
  /** E.g. "PyTorch 2.13.0 (MKL)". */
  readonly title: string;
  readonly run: (task: PeerTask) => Promise<PeerRun>;
}

const FOLDER = join(import.meta.dirname, "peer");

/** Freed memory stays with the process, as our pool keeps it: fresh pages cost more than an addition over them. */
const KEEP_MEMORY = { MALLOC_MMAP_MAX_: "0", MALLOC_TRIM_THRESHOLD_: String(2 ** 40), MALLOC_ARENA_MAX: "1" };

/** The peer that this Python has. @throws Error that says why there is none. */
export async function openPeer(python: string): Promise<Peer> {
  const probe = await runProgram({ command: python, args: [join(FOLDER, "probe.py")] }, peerProbeSchema);
  const environment = peerEnvironment(probe, { hasAvx512: await hasAvx512() });
  const core = environment["OPENBLAS_CORETYPE"];
  return {
    title: `PyTorch ${probe.version} (${probe.hasMkl ? "MKL" : `OpenBLAS ${core ?? probe.openblasCore ?? "unknown"}`})`,
    run: (task) => {
      const input = JSON.stringify({ ...task, threads: availableParallelism(), patience: PATIENCE });
      return runProgram({ command: python, args: [join(FOLDER, "run.py")], environment, input }, peerRunSchema);
    },
  };
}

/** OpenBLAS's kernels for AVX-512; what it believes to be anything else on such a processor runs several times slower. */
const AVX512_CORES = ["SkylakeX", "Cooperlake", "SapphireRapids", "Zen4", "Zen5"];

/** Environment variables under which it is fastest. */
export function peerEnvironment({ openblasCore }: Pick<PeerProbe, "openblasCore">, { hasAvx512 }: { hasAvx512: boolean }): Readonly<Record<string, string>> {
  const isMisjudged = hasAvx512 && openblasCore !== null && !AVX512_CORES.some((core) => core.toLowerCase() === openblasCore.toLowerCase());
  const threads = String(availableParallelism());
  return { OMP_WAIT_POLICY: "passive", OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads, ...KEEP_MEMORY, ...(isMisjudged ? { OPENBLAS_CORETYPE: "SKYLAKEX" } : {}) };
}

async function hasAvx512(): Promise<boolean> {
  return (await readFile("/proc/cpuinfo", "utf8").catch(() => "")).includes("avx512f");
}
