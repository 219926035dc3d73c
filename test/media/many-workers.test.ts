import { join } from "node:path";
import { expect, test } from "vitest";
import { MemoryBudget } from "../../src/core/memory-cache.ts";
import { ClipStore } from "../../src/media/clip-store.ts";
import { DATA } from "../eval/toy-predictor.ts";

test("more than ten clips at once raise no warning of a leak", { timeout: 60_000 }, async () => {
  const video = join(DATA, "fixture/clips/train0001_utt1.mp4");
  const sources = Array.from({ length: 12 }, (_, i) => ({ id: String(i), video }));
  const warnings: string[] = [];
  const listen = ({ name }: Error): number => warnings.push(name);
  process.on("warning", listen);

  const store = new ClipStore({ spec: { frames: 1, imageSize: 16, melBins: 80, melFrames: 100 }, modalities: ["video", "audio"], memory: new MemoryBudget(1e6), writes: "nothing" });

  const failures = await store.survey({ sources, workers: 12, signal: new AbortController().signal });
  process.off("warning", listen);

  expect([failures.size, store.counts.decoded]).toEqual([0, 12]);
  expect(warnings).toEqual([]);
});
