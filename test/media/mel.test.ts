import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { logMel, melFilters } from "../../src/media/mel.ts";
import { goldenPath } from "../golden/golden.ts";
import { largestDifference, readTensors } from "./fixtures.ts";

test("log-mel equals Whisper's published features, unpadded and padded to 30 s", () => {
  const path = goldenPath("whisper-logmel");
  const expected = readTensors(`${path}/expected.safetensors`);
  const wav = readFileSync(`${path}/audio.wav`);
  const samples = Float32Array.from({ length: 32_000 }, (_, i) => wav.readInt16LE(44 + 2 * i) / 32768);

  const unpadded = logMel(samples, { melBins: 80, melFrames: 200 });
  const padded = logMel(samples, { melBins: 80, melFrames: 3000 });

  const tail = Array.from({ length: 80 }, (_, mel) => [...padded.slice(mel * 3000 + 192, mel * 3000 + 204)]).flat();
  expect(largestDifference(unpadded, expected("mel.unpadded"))).toBeLessThan(1e-5);
  expect(largestDifference(tail, expected("mel.padded_tail"))).toBeLessThan(1e-5);
  expect(padded[2999]).toBeCloseTo(-0.6506576538085938, 6);
});

test("mel filters equal the published filter bank", () => {
  const path = goldenPath("whisper-logmel", "expected.safetensors");
  const published = readTensors(path)("mel.filters"); // [201, 80]

  const dense = new Float32Array(201 * 80);
  melFilters(80).forEach(({ firstBin, weights }, mel) => weights.forEach((weight, i) => (dense[(firstBin + i) * 80 + mel] = weight)));

  expect(largestDifference(dense, published)).toBeLessThan(1e-7);
});

test("log-mel equals the plain formula, for an odd number of frames and 128 bins", () => {
  const samples = Float32Array.from({ length: 900 }, (_, n) => 0.4 * Math.sin(n * n * 3e-4) + 0.1 * Math.cos(n));

  const fast = logMel(samples, { melBins: 128, melFrames: 7 });

  expect(largestDifference(fast, slowLogMel(samples, 128, 7))).toBeLessThan(1e-6);
});

test("silence is -1.5 everywhere and a longer sound is cut", () => {
  const silence = logMel(new Float32Array(500), { melBins: 80, melFrames: 4 });
  const long = Float32Array.from({ length: 5000 }, (_, n) => Math.sin(n));
  const cut = logMel(long, { melBins: 80, melFrames: 10 });

  expect(new Set(silence)).toEqual(new Set([-1.5])); // (log10(1e-10) + 4) / 4
  expect(cut).toEqual(logMel(long.slice(0, 1600), { melBins: 80, melFrames: 10 }));
});

/** The definition, term by term: no FFT, no sparse filters. */
function slowLogMel(samples: Float32Array, melBins: number, melFrames: number): number[] {
  const length = melFrames * 160;
  const at = (n: number): number => samples[n < 0 ? -n : n >= length ? 2 * (length - 1) - n : n] ?? 0;
  const columns = Array.from({ length: melFrames }, (_, frame) => {
    const power = Array.from({ length: 201 }, (_, k) => {
      let re = 0;
      let im = 0;
      for (let n = 0; n < 400; n++) {
        const value = at(frame * 160 + n - 200) * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / 400));
        re += value * Math.cos((2 * Math.PI * k * n) / 400);
        im -= value * Math.sin((2 * Math.PI * k * n) / 400);
      }
      return re * re + im * im;
    });
    return melFilters(melBins).map(({ firstBin, weights }) => Math.log10(Math.max(1e-10, weights.reduce((sum, weight, i) => sum + weight * (power[firstBin + i] ?? 0), 0))));
  });
  const top = Math.max(...columns.flat());
  return Array.from({ length: melBins }, (_, mel) => columns.map((column) => (Math.max(column[mel] ?? 0, top - 8) + 4) / 4)).flat();
}
