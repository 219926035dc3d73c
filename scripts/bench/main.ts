/**
 * @file `npm run bench`: times the product beside PyTorch, prints a table, or with --json one object. Exit codes: 0 done,
 * 1 a case of ours could not run, 2 wrong command line.
 */
import { readArguments } from "./arguments.ts";
import { CASE_NAMES } from "./case-names.ts";
import { measureOurs, measurePeak } from "./ours.ts";
import { openPeer, type Peer } from "./peer.ts";
import { renderResult } from "./render.ts";
import { runBench } from "./run-bench.ts";

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function findPeer(): Promise<Peer | undefined> {
  const python = process.env["M2SE_BENCH_PYTHON"] ?? "python3";
  try {
    const peer = await openPeer(python);
    say(`peer: ${peer.title}`);
    return peer;
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split("\n").at(-1) ?? "";
    say(`no peer: ${python} -c "import torch" does not work (${reason}); its columns stay empty`);
    return undefined;
  }
}

const wanted = readArguments(process.argv.slice(2), { writeOut: (text) => process.stdout.write(text), writeErr: (text) => process.stderr.write(text) });
if ("exitCode" in wanted) {
  process.exitCode = wanted.exitCode;
} else {
  const peer = await findPeer();
  const result = await runBench(wanted.only === undefined ? CASE_NAMES : [wanted.only], { peak: measurePeak, ours: measureOurs, peer: peer?.run }, say);
  console.log(wanted.json ? JSON.stringify(result) : renderResult(result));
  process.exitCode = result.cases.every(({ ms }) => ms !== null) ? 0 : 1;
}
