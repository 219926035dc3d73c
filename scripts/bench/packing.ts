/**
 * @file `npm run bench:packing`: an epoch of the same samples as trees that share prefixes, and as separate samples, both
 * in full rows; beside it PyTorch with one sample a row, sorted by length and padded to the longest of its batch.
 */
import { selectBackend } from "../../src/backend/select.ts";
import { type Column, renderTable } from "../../src/cli/render/table.ts";
import { buildBatch } from "../../src/curriculum/batch.ts";
import { finder, outlineOf, treeTokens } from "../../src/curriculum/outline.ts";
import { buildRow } from "../../src/curriculum/row.ts";
import { chunk, epochTrees, scheduleStage, type StageSchedule } from "../../src/curriculum/schedule.ts";
import { type EncodedSample, sampleLength } from "../../src/text/encoded-sample.ts";
import type { PeerTask } from "./bench-case.ts";
import { median } from "./measure.ts";
import { openPeer } from "./peer.ts";
import { dialogueWorkload } from "./workloads/dialogues.ts";
import { tinyWorkload } from "./workloads/tiny-mixture.ts";
import type { Workload } from "./workloads/workload.ts";
import { trainTask } from "./cases/train-steps.ts";
import { DEFAULT_BACKEND } from "./runs.ts";

const ROUNDS = 5;
const COLUMNS: readonly Column[] = [
  { title: "samples" },
  { title: "", align: "right" },
  { title: "tokens", align: "right" },
  { title: "positions", align: "right" },
  { title: "steps", align: "right" },
  { title: "epoch ms", align: "right" },
  { title: "of trees", align: "right" },
];

interface Epoch {
  readonly layout: string;
  readonly tokens: number;
  /** Padding included. */
  readonly positions: number;
  readonly steps: number;
  readonly ms: number;
}

/** Both layouts in turn, an epoch each; the first round compiles graphs and does not count. */
async function ourEpochs({ input, samples, featureRows, prepare }: Workload): Promise<Epoch[]> {
  const layouts = [
    { layout: "trees", own: samples },
    { layout: "separate", own: samples.map(separate) },
  ].map(({ layout, own }) => {
    const schedule = scheduleStage({ ...input, samples: own.map(outlineOf), budget: { ...input.budget, epochs: ROUNDS + 1 } });
    return { layout, schedule, step: prepare({ schedule, batchSpec: { encode: finder(own), featureRows } }), times: [] as number[] };
  });
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { schedule, step, times } of layouts) {
      let epoch = 0;
      for (let i = 0; i < (schedule.epochs[round]?.steps ?? 0); i++) epoch += await step();
      if (round > 0) times.push(epoch);
    }
  }
  return layouts.map(({ layout, schedule, times }) => ({ layout, ...sizeOf(schedule), ms: median(times) }));
}

/** A sample that shares its prefix with no other. */
function separate(sample: EncodedSample): EncodedSample {
  return { ...sample, prefixKey: sample.id };
}

/** Of the median epoch: which samples are drawn differs a little. */
function sizeOf(schedule: StageSchedule): Pick<Epoch, "tokens" | "positions" | "steps"> {
  const counted = schedule.epochs.map(({ steps }, epoch) => ({ rows: epochTrees(schedule, epoch), steps })).slice(1);
  return {
    tokens: median(counted.map(({ rows }) => rows.flat().reduce((sum, tree) => sum + treeTokens(tree), 0))),
    positions: median(counted.map(({ rows }) => rows.length * schedule.budget.rowTokens)),
    steps: median(counted.map(({ steps }) => steps)),
  };
}

/** An epoch of PyTorch: the batch of middle length is timed, and stands for as many positions as the epoch has. */
async function peerEpoch({ input, samples, model, framesPerClip, featureRows }: Workload): Promise<Epoch | undefined> {
  const peer = await openPeer(process.env["M2SE_BENCH_PYTHON"] ?? "python3", { isOnGpu: false }).catch(() => undefined);
  if (peer === undefined) return undefined;
  const batches = paddedBatches({ input, samples });
  const batch = buildBatch(batches[Math.floor(batches.length / 2)]!, featureRows);
  const task: PeerTask = trainTask(model, batch, { rank: null, framesPerClip });
  const { times, mode } = await peer.run(task);
  const positions = batches.flat().reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const tokens = batches.flat().reduce((sum, { usedTokens }) => sum + usedTokens, 0);
  return { layout: `${peer.title}, ${mode}`, tokens, positions, steps: batches.length, ms: (median(times) * positions) / (batch.batchSize * batch.length) };
}

/** Batches of about as many positions as ours. */
function paddedBatches({ input, samples: all }: Pick<Workload, "input" | "samples">) {
  const { budget } = input;
  const schedule = scheduleStage({ ...input, samples: all.map(outlineOf) });
  const samples = finder(all)(epochTrees(schedule, 0).flat(2)).sort((a, b) => sampleLength(a) - sampleLength(b));
  const longest = sampleLength(samples.at(-1)!);
  const size = Math.max(1, Math.round((budget.rowTokens * budget.rowsPerBatch) / longest));
  return chunk(samples, size).map((batch) => {
    const length = sampleLength(batch.at(-1)!);
    return batch.map(({ prefix, branch, id, task }) => buildRow([[{ segment: prefix, parent: -1 }, { segment: branch, parent: 0, sampleId: id, task }]], length));
  });
}

console.log((await selectBackend(DEFAULT_BACKEND)).device);
for (const workload of [await tinyWorkload(), await dialogueWorkload()]) {
  const ours = await ourEpochs(workload);
  const peer = await peerEpoch(workload);
  const [trees] = ours;
  const rows = [...ours, ...(peer === undefined ? [] : [peer])].map(({ layout, tokens, positions, steps, ms }) => [
    workload.name,
    layout,
    `${tokens} (${(tokens / trees!.tokens).toFixed(2)}x)`,
    `${positions} (${(positions / trees!.positions).toFixed(2)}x)`,
    String(steps),
    ms.toFixed(0),
    `${(ms / trees!.ms).toFixed(2)}x`,
  ]);
  console.log(renderTable(COLUMNS, rows));
}
process.exit();
