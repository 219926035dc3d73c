/**
 * @file `npm run bench`: times the product beside PyTorch, prints a table, or with --json one object. Exit codes: 0 done,
 * 1 a case of ours could not run, 2 wrong command line.
 */
import { type BenchArguments, readArguments } from "./arguments.ts";
import { openOurs } from "./ours.ts";
import { openPeer, type Peer } from "./peer.ts";
import { renderResult } from "./render.ts";
import { runBench } from "./run-bench.ts";

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function findPeer(isOnGpu: boolean): Promise<Peer | undefined> {
  const python = process.env["M2SE_BENCH_PYTHON"] ?? "python3";
  try {
    const peer = await openPeer(python, { isOnGpu });
    say(`peer: ${peer.title}`);
    return peer;
  } catch (error) {
    say(`no peer: ${python} -c "import torch" does not work (${reasonOf(error).split("\n").at(-1) ?? ""}); its columns stay empty`);
    return undefined;
  }
}

async function bench({ json, cases, ...how }: BenchArguments): Promise<number> {
  const ours = openOurs(how);
  try {
    const result = await runBench(how.backend, cases, { peak: ours.peak, ours: ours.run, findPeer }, say);
    console.log(json ? JSON.stringify(result) : renderResult(result));
    return result.cases.every(({ ms }) => ms !== null) ? 0 : 1;
  } catch (error) {
    say(`m2se could not run on ${how.backend}: ${reasonOf(error)}`);
    return 1;
  }
}

const wanted = readArguments(process.argv.slice(2), { writeOut: (text) => process.stdout.write(text), writeErr: (text) => process.stderr.write(text) });
process.exitCode = "exitCode" in wanted ? wanted.exitCode : await bench(wanted);
