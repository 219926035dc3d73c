/** @file The benchmark: peak first, then case by case, both sides in turn. */
import type { BenchCase, PeerTask } from "./bench-case.ts";
import type { CaseName } from "./case-names.ts";
import { benchCase } from "./cases.ts";
import { type BenchResult, caseResult, type CaseRuns, rounded } from "./results.ts";
import type { MeasuredRun, PeerRun } from "./runs.ts";

/** Whoever does the work; replaced in tests. */
export interface Sides {
  readonly peak: () => Promise<number>;
  readonly ours: (name: CaseName) => Promise<MeasuredRun>;
  /** Absent where there is no PyTorch. */
  readonly peer?: ((task: PeerTask) => Promise<PeerRun>) | undefined;
}

/** Runs of each side when there are two; alone one is enough. */
const ROUNDS = 2;

/** Measures the named cases; the peak is the best of several looks. A case that cannot run has nulls; why is said through `say`, as is progress. */
export async function runBench(names: readonly CaseName[], sides: Sides, say: (text: string) => void): Promise<BenchResult> {
  const measured: { readonly name: CaseName; readonly described: BenchCase; readonly runs: CaseRuns }[] = [];
  say("matrix product peak");
  let peak = await sides.peak();
  for (const name of names) {
    const described = await benchCase(name);
    measured.push({ name, described, runs: await alternate(name, described, sides, say) });
    // Again after every case: on a shared machine a single look at the peak may fall into a busy moment.
    peak = Math.max(peak, await sides.peak());
  }
  return { gemmPeakGflops: rounded(peak), cases: measured.map(({ name, described, runs }) => caseResult(name, described, runs, peak)) };
}

/** Ours, peer, ours, peer, so that a busy minute hits both. A side that failed is not asked again. */
async function alternate(name: CaseName, { peer: task }: BenchCase, sides: Sides, say: (text: string) => void): Promise<CaseRuns> {
  const ours: MeasuredRun[] = [];
  const peer: PeerRun[] = [];
  const { peer: askPeer } = sides;
  const turns = [
    { side: "m2se", run: async () => ours.push(await sides.ours(name)) },
    ...(askPeer === undefined ? [] : [{ side: "peer", run: async () => peer.push(await askPeer(task)) }]),
  ];
  const failed = new Set<string>();
  for (let round = 0; round < (askPeer === undefined ? 1 : ROUNDS); round++) {
    for (const { side, run } of turns) {
      if (failed.has(side)) continue;
      say(`${name}: ${side}`);
      try {
        await run();
      } catch (error) {
        failed.add(side);
        say(`${name}: ${side} could not run it: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  for (const mode of new Set(peer.map((run) => run.mode))) say(`${name}: peer ran with ${mode}`);
  return { ours, peer };
}
