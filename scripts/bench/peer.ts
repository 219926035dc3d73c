/** @file The peer: the same work in PyTorch on the same device, tuned as well as it can be from outside; see peer/run.py for the inside. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { PeerTask } from "./bench-case.ts";
import { median, PATIENCE } from "./measure.ts";
import { runProgram } from "./processes.ts";
import { type PeerProbe, peerProbeSchema, type PeerRun, peerRunSchema } from "./runs.ts";

export interface Peer {
  /** E.g. "PyTorch 2.13.0 (MKL)" or "PyTorch 2.13.0 on NVIDIA H100, float32 without TF32". */
  readonly title: string;
  readonly run: (task: PeerTask) => Promise<PeerRun>;
  /** GFLOP/s of its bare product of square matrices; where it runs on a GPU, whose own rate it shows. */
  readonly peak?: () => Promise<number>;
}

/** Large enough for any GPU's full rate. */
const GEMM_SIZE = 4096;

const FOLDER = join(import.meta.dirname, "peer");

/** Freed memory stays with the process, as our pool keeps it: fresh pages cost more than an addition over them. */
const KEEP_MEMORY = { MALLOC_MMAP_MAX_: "0", MALLOC_TRIM_THRESHOLD_: String(2 ** 40), MALLOC_ARENA_MAX: "1" };

/** The peer that this Python has, on the GPU if it can. @throws Error that says why there is none. */
export async function openPeer(python: string, { isOnGpu }: { readonly isOnGpu: boolean }): Promise<Peer> {
  const probe = await runProgram({ command: python, args: [join(FOLDER, "probe.py")] }, peerProbeSchema);
  const environment = peerEnvironment(probe, { hasAvx512: await hasAvx512() });
  const device = isOnGpu && probe.gpu !== null ? "cuda" : "cpu";
  const run = (task: PeerTask): Promise<PeerRun> => {
    const input = JSON.stringify({ ...task, device, threads: availableParallelism(), patience: PATIENCE });
    return runProgram({ command: python, args: [join(FOLDER, "run.py")], environment, input }, peerRunSchema);
  };
  const peak = async (): Promise<number> => (2 * GEMM_SIZE ** 3) / median((await run({ kind: "gemm", size: GEMM_SIZE })).times) / 1e6;
  return { title: peerTitle(probe, { isOnGpu, core: environment["OPENBLAS_CORETYPE"] }), run, ...(device === "cuda" ? { peak } : {}) };
}

/** `core` is what OpenBLAS is told to run on. */
export function peerTitle({ version, hasMkl, openblasCore, gpu }: PeerProbe, { isOnGpu, core }: { readonly isOnGpu: boolean; readonly core: string | undefined }): string {
  if (isOnGpu && gpu !== null) return `PyTorch ${version} on ${gpu}, float32 without TF32`;
  const title = `PyTorch ${version} (${hasMkl ? "MKL" : `OpenBLAS ${core ?? openblasCore ?? "unknown"}`})`;
  return isOnGpu ? `${title} on the CPU, as it finds no CUDA device` : title;
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
