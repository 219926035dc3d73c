/** @file The benchmark: peak first, then case by case, both sides in turn. */
import type { BenchCase, PeerTask } from "./bench-case.ts";
import type { CaseName } from "./case-names.ts";
import { benchCase } from "./cases.ts";
import { type BenchResult, type CaseResult, caseResult, type CaseRuns, rounded } from "./results.ts";
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

/** Measures the named cases. A case that cannot run has nulls; why is said through `say`, as is progress. */
export async function runBench(names: readonly CaseName[], sides: Sides, say: (text: string) => void): Promise<BenchResult> {
  say("matrix product peak");
  const gemmPeakGflops = await sides.peak();
  const cases: CaseResult[] = [];
  for (const name of names) {
    const described = await benchCase(name);
    const runs = await alternate(name, described, sides, say);
    cases.push(caseResult(name, described, runs, gemmPeakGflops));
  }
  return { gemmPeakGflops: rounded(gemmPeakGflops) ?? gemmPeakGflops, cases };
}

/** Ours, peer, ours, peer, so that a busy minute hits both. A side that failed is not asked again. */
async function alternate(name: CaseName, { peer: task }: BenchCase, sides: Sides, say: (text: string) => void): Promise<CaseRuns> {
  const ours: MeasuredRun[] = [];
  const peer: PeerRun[] = [];
  const { peer: askPeer } = sides;
  const turns = [
    { side: "m2se", runs: ours, run: () => sides.ours(name) },
    ...(askPeer === undefined ? [] : [{ side: "peer", runs: peer, run: () => askPeer(task) }]),
  ];
  const failed = new Set<string>();
  for (let round = 0; round < (askPeer === undefined ? 1 : ROUNDS); round++) {
    for (const { side, runs, run } of turns) {
      if (failed.has(side)) continue;
      say(`${name}: ${side}`);
      try {
        runs.push(await run());
      } catch (error) {
        failed.add(side);
        say(`${name}: ${side} could not run it: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return { ours, peer };
}
