/** @file The benchmark: peak first, then case by case, both sides in turn. */
import type { BenchCase } from "./bench-case.ts";
import type { CaseName } from "./case-names.ts";
import { benchCase } from "./cases.ts";
import type { Peer } from "./peer.ts";
import { type BenchResult, caseResult, type CaseRuns, rounded } from "./results.ts";
import type { GemmRun, MeasuredRun, PeerRun } from "./runs.ts";

/** Whoever does the work; replaced in tests. */
export interface Sides {
  readonly peak: () => Promise<GemmRun>;
  readonly ours: (name: CaseName) => Promise<MeasuredRun>;
  /** Undefined where there is no PyTorch. */
  readonly findPeer: (isOnGpu: boolean) => Promise<Peer | undefined>;
}

/** Runs of each side when there are two; alone one is enough. */
const ROUNDS = 2;

type Say = (text: string) => void;

/**
 * Measures the named cases; the peak is the best of several looks. A case that cannot run has nulls; why is said through
 * `say`, as is progress.
 *
 * @throws Error when the first look at the peak fails: then the backend does not work.
 */
export async function runBench(backend: string, names: readonly CaseName[], sides: Sides, say: Say): Promise<BenchResult> {
  const measured: { readonly name: CaseName; readonly described: BenchCase; readonly runs: CaseRuns }[] = [];
  say("matrix product peak");
  const { device, isOnGpu, gflops } = await sides.peak();
  say(`m2se: ${backend} on ${device}`);
  const peer = await sides.findPeer(isOnGpu);
  const peerPeak = peer?.peak === undefined ? null : await tried(peer.peak, "matrix product peak: peer", say);
  let peak = gflops;
  for (const name of names) {
    const described = await benchCase(name);
    measured.push({ name, described, runs: await alternate(name, described, { ours: sides.ours, peer }, say) });
    // Again after every case: on a shared machine a single look at the peak may fall into a busy moment.
    const again = await tried(sides.peak, "matrix product peak: m2se", say);
    peak = Math.max(peak, again?.gflops ?? 0);
  }
  const whole = Math.max(peak, peerPeak ?? 0);
  return {
    backend,
    device,
    gemmPeakGflops: rounded(peak),
    peer: peer?.title ?? null,
    peerGemmPeakGflops: peerPeak === null ? null : rounded(peerPeak),
    cases: measured.map(({ name, described, runs }) => caseResult(name, described, runs, whole)),
  };
}

/** Ours, peer, ours, peer, so that a busy minute hits both. A side that failed is not asked again. */
async function alternate(name: CaseName, { peer: task }: BenchCase, sides: { readonly ours: Sides["ours"]; readonly peer: Peer | undefined }, say: Say): Promise<CaseRuns> {
  const ours: MeasuredRun[] = [];
  const peer: PeerRun[] = [];
  const other = task === null ? undefined : sides.peer;
  const turns = [
    { side: "m2se", run: async () => ours.push(await sides.ours(name)) },
    ...(task === null || other === undefined ? [] : [{ side: "peer", run: async () => peer.push(await other.run(task)) }]),
  ];
  const failed = new Set<string>();
  for (let round = 0; round < (other === undefined ? 1 : ROUNDS); round++) {
    for (const { side, run } of turns) {
      if (failed.has(side)) continue;
      say(`${name}: ${side}`);
      if ((await tried(run, `${name}: ${side}`, say)) === null) failed.add(side);
    }
  }
  for (const mode of new Set(peer.map((run) => run.mode))) say(`${name}: peer ran with ${mode}`);
  return { ours, peer };
}

/** What `run` gives, or null when it failed; why is said. */
async function tried<T>(run: () => Promise<T>, what: string, say: Say): Promise<T | null> {
  try {
    return await run();
  } catch (error) {
    say(`${what} could not run it: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}
