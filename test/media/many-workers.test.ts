import { join } from "node:path";
import { expect, test } from "vitest";
import { loadClips } from "../../src/media/load-clips.ts";
import { DATA } from "../eval/toy-predictor.ts";

test("more than ten clips at once raise no warning of a leak", { timeout: 60_000 }, async () => {
  const video = join(DATA, "fixture/clips/train0001_utt1.mp4");
  const sources = Array.from({ length: 12 }, (_, i) => ({ id: String(i), video }));
  const warnings: string[] = [];
  const listen = ({ name }: Error): number => warnings.push(name);
  process.on("warning", listen);

  const { clips } = await loadClips({ sources, workers: 12, spec: { frames: 1, imageSize: 16, melBins: 80, melFrames: 100 }, modalities: ["video", "audio"], signal: new AbortController().signal });
  process.off("warning", listen);

  expect(clips.size).toBe(12);
  expect(warnings).toEqual([]);
});
