import { expect, test } from "vitest";
import type { PeerTask } from "../../../scripts/bench/bench-case.ts";
import { runBench, type Sides } from "../../../scripts/bench/run-bench.ts";

interface Fake {
  readonly ours?: number | Error;
  /** Absent: there is no PyTorch. */
  readonly peer?: number | Error;
  readonly peerPeak?: number | Error;
  readonly isOnGpu?: boolean;
  /** One after the other. */
  readonly peaks?: (number | Error)[];
}

/** Sides that note who was asked, in order, and take fixed times. */
function fakeSides({ ours = 100, peer, peerPeak, isOnGpu = false, peaks = [100, 250, 200] }: Fake): { sides: Sides; asked: string[]; tasks: PeerTask[] } {
  const asked: string[] = [];
  const tasks: PeerTask[] = [];
  const answer = <T>(value: number | Error, result: (time: number) => T): Promise<T> => (value instanceof Error ? Promise.reject(value) : Promise.resolve(result(value)));
  const run = (task: PeerTask) => {
    asked.push("peer");
    tasks.push(task);
    return answer(peer ?? 0, (time) => ({ times: [time], peakMemoryMb: 1, mode: "torch.compile" }));
  };
  const sides: Sides = {
    peak: () => answer(peaks.shift() ?? 0, (gflops) => ({ gflops, device: "a device", isOnGpu })),
    ours: (name) => {
      asked.push(name);
      return answer(ours, (time) => ({ times: [time], peakMemoryMb: 1, gpuMemoryMb: isOnGpu ? 7 : null }));
    },
    findPeer: (onGpu) => {
      expect(onGpu).toBe(isOnGpu);
      const peak = peerPeak === undefined ? {} : { peak: () => answer(peerPeak, (gflops) => gflops) };
      return Promise.resolve(peer === undefined ? undefined : { title: "PyTorch", run, ...peak });
    },
  };
  return { sides, asked, tasks };
}

test("both sides take turns, and the share is of the best peak that was seen", async () => {
  const { sides, asked } = fakeSides({ ours: 4000, peer: 6000 });
  const said: string[] = [];

  const result = await runBench("webgpu", ["vision-448"], sides, (text) => said.push(text));

  expect(asked).toEqual(["vision-448", "peer", "vision-448", "peer"]);
  expect(result.gemmPeakGflops).toBe(250);
  expect(result.cases).toHaveLength(1);
  expect(result.cases[0]).toMatchObject({ name: "vision-448", tokens: 1025, ms: 4000, peerMs: 6000, ratio: 1.5 });
  expect(result.cases[0]?.shareOfPeak).toBe(0.7236); // 723.6 GFLOP in 4 s, of 250
  expect(said).toContain("vision-448: peer ran with torch.compile");
});

test("backend, device and peer are in the result and said", async () => {
  const said: string[] = [];

  const result = await runBench("webgpu", [], fakeSides({ peer: 1 }).sides, (text) => said.push(text));

  expect(result).toEqual({ backend: "webgpu", device: "a device", gemmPeakGflops: 100, peer: "PyTorch", peerGemmPeakGflops: null, cases: [] });
  expect(said).toContain("m2se: webgpu on a device");
});

test("on a GPU the share is of the larger peak, ours or PyTorch's, and its memory is told", async () => {
  const { sides } = fakeSides({ isOnGpu: true, ours: 4000, peer: 6000, peerPeak: 500 });

  const result = await runBench("webgpu", ["vision-448"], sides, () => undefined);

  expect(result).toMatchObject({ gemmPeakGflops: 250, peerGemmPeakGflops: 500 });
  expect(result.cases[0]).toMatchObject({ shareOfPeak: 0.3618, gpuMemoryMb: 7 });
});

test("a peak that fails later is said, the first one is kept; a first peak that fails ends the benchmark", async () => {
  const said: string[] = [];
  const lost = new Error("the device was lost");

  const result = await runBench("webgpu", ["decode"], fakeSides({ peaks: [100, lost] }).sides, (text) => said.push(text));

  expect(result.gemmPeakGflops).toBe(100);
  expect(said).toContain("matrix product peak: m2se could not run it: the device was lost");
  await expect(runBench("webgpu", ["decode"], fakeSides({ peaks: [lost] }).sides, () => undefined)).rejects.toThrow("the device was lost");
});

test("a peak of PyTorch's that fails is said and left out", async () => {
  const said: string[] = [];

  const result = await runBench("webgpu", [], fakeSides({ isOnGpu: true, peer: 1, peerPeak: new Error("CUDA out of memory") }).sides, (text) => said.push(text));

  expect(result.peerGemmPeakGflops).toBeNull();
  expect(said).toContain("matrix product peak: peer could not run it: CUDA out of memory");
});

test("without a peer one run is enough", async () => {
  const { sides, asked } = fakeSides({});

  const result = await runBench("webgpu", ["decode"], sides, () => undefined);

  expect(asked).toEqual(["decode"]);
  expect(result.cases[0]).toMatchObject({ ms: 100, peerMs: null, ratio: null });
});

test("a side that cannot run a case says why, is not asked again, and leaves the rest of the table alone", async () => {
  const { sides, asked } = fakeSides({ ours: new Error("it was killed by SIGKILL"), peer: 150 });
  const said: string[] = [];

  const result = await runBench("webgpu", ["train-2048", "decode"], sides, (text) => said.push(text));

  expect(asked.filter((name) => name === "train-2048")).toHaveLength(1);
  expect(said).toContain("train-2048: m2se could not run it: it was killed by SIGKILL");
  expect(result.cases.map(({ name, ms, peerMs }) => ({ name, ms, peerMs }))).toEqual([
    { name: "train-2048", ms: null, peerMs: 150 },
    { name: "decode", ms: null, peerMs: 150 },
  ]);
});

test("the peer is given the row that we train on", async () => {
  const { sides, tasks } = fakeSides({ peer: 1 });

  await runBench("webgpu", ["train-128"], sides, () => undefined);

  const [task] = tasks;
  expect(task).toMatchObject({ kind: "train", rank: 8, batchSize: 1, length: 128, segments: [[{ parent: 0, start: 0, length: 96 }, { parent: 1, start: 96, length: 32 }]], frames: 0, sounds: 0 });
  expect(task?.kind === "train" ? task.labels.filter((label) => label >= 0) : []).toHaveLength(32);
});

test("the tiny step is three rows of 512 tokens with pictures and sounds", async () => {
  const { sides, tasks } = fakeSides({ peer: 1 });

  const result = await runBench("webgpu", ["train-tiny"], sides, () => undefined);

  const [task] = tasks;
  expect(task).toMatchObject({ kind: "train", rank: null, batchSize: 3, length: 512 });
  if (task?.kind !== "train") throw new Error("not a training task");
  expect(task.frames).toBeGreaterThan(0);
  expect(task.sounds).toBeGreaterThan(0);
  expect(task.featureIndex.filter((index) => index >= 0).length).toBe(task.frames * 4 + task.sounds * 10);
  expect(result.cases[0]?.tokens).toBe(task.segments.flat().reduce((sum, { length }) => sum + length, 0));
});

test("the checkpointed step has no peer, even where there is PyTorch", async () => {
  const { sides, asked } = fakeSides({ ours: 100, peer: 1 });

  const result = await runBench("onnxruntime", ["train-2048-checkpointed"], sides, () => undefined);

  expect(asked).toEqual(["train-2048-checkpointed"]);
  expect(result.cases[0]).toMatchObject({ tokens: 2048, ms: 100, peerMs: null });
});
