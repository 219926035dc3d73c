/** @file Kind whisper-logmel: a sound file and its features, as it is and padded with zeros. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { logMel, melFilters } from "../../../src/media/mel.ts";
import type { Check } from "../check-set.ts";
import { absolute } from "../comparison.ts";
import type { GoldenSet } from "../golden-set.ts";

const schema = z.looseObject({ frames_padded: z.number(), padded_tail_frames: z.tuple([z.number(), z.number()]), padded_rest_value: z.number() });
const TOLERANCE = 1e-4;

export function checkWhisperLogmel(set: GoldenSet): Check[] {
  const { frames_padded: melFrames, padded_tail_frames: [tailStart, tailEnd], padded_rest_value: rest } = set.json(schema);
  const samples = readWav(set.path("audio.wav"));
  const [melBins = 0, frames = 0] = set.tensor("mel.unpadded").shape;
  const unpadded = set.tensor("mel.unpadded").dataSync();
  return [
    { name: "mel.unpadded", run: () => [absolute("mel.unpadded", { actual: logMel(samples, { melBins, melFrames: frames }), expected: unpadded, tolerance: TOLERANCE })] },
    {
      name: "mel.padded",
      run: () => {
        const padded = logMel(samples, { melBins, melFrames });
        const columns = (values: ArrayLike<number>, width: number, [from, to]: readonly [number, number]): number[] =>
          Array.from({ length: melBins }, (_, mel) => Array.from({ length: to - from }, (__, i) => values[mel * width + from + i] ?? NaN)).flat();
        const restActual = columns(padded, melFrames, [tailEnd, melFrames]);
        return [
          absolute("mel.padded, frames before the tail", { actual: columns(padded, melFrames, [0, tailStart]), expected: columns(unpadded, frames, [0, tailStart]), tolerance: TOLERANCE }),
          absolute("mel.padded_tail", { actual: columns(padded, melFrames, [tailStart, tailEnd]), expected: set.tensor("mel.padded_tail").dataSync(), tolerance: TOLERANCE }),
          absolute("padded_rest_value", { actual: restActual, expected: restActual.map(() => rest), tolerance: TOLERANCE }),
        ];
      },
    },
    {
      name: "mel.filters",
      run: () => {
        const expected = set.tensor("mel.filters"); // [frequency bins, mels]
        const [bins = 0, mels = 0] = expected.shape;
        const dense = new Float32Array(bins * mels);
        melFilters(mels).forEach(({ firstBin, weights }, mel) => weights.forEach((weight, i) => (dense[(firstBin + i) * mels + mel] = weight)));
        // The largest filter value is about 0.03: a hundredth of the features' tolerance.
        return [absolute("mel.filters", { actual: dense, expected: expected.dataSync(), tolerance: TOLERANCE / 100 })];
      },
    },
  ];
}

/** Samples of a 16-bit mono WAV file. */
function readWav(path: string): Float32Array {
  const file = readFileSync(path);
  let at = 12;
  while (file.toString("latin1", at, at + 4) !== "data") {
    if (at + 8 >= file.length) throw new Error(`${path} has no data chunk`);
    at += 8 + file.readUInt32LE(at + 4);
  }
  const count = Math.min(file.readUInt32LE(at + 4), file.length - at - 8) / 2;
  return Float32Array.from({ length: count }, (_, i) => file.readInt16LE(at + 8 + 2 * i) / 32768);
}
