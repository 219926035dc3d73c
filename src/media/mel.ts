/**
 * @file Whisper's log-mel spectrogram.
 *
 * The 400-point transform is done with fft.js, which knows powers of two only, by Bluestein's convolution of length
 * 1024; two windows, both real, share one complex transform. Double precision inside.
 */
import FFT from "fft.js";

export const SAMPLE_RATE_HZ = 16_000;
/** Samples from one frame to the next (10 ms). */
export const HOP_SAMPLES = 160;

const WINDOW = 400;
const BINS = WINDOW / 2 + 1;
const CONVOLUTION = 1024;

/**
 * Log-mel [melBins, melFrames], channels first, of a sound that is padded with zeros or cut to melFrames * 160 samples.
 * Whisper's published sizes: 80 or 128 bins, 3000 frames.
 *
 * @param samples - 16 kHz mono in [-1, 1].
 * @see openai/whisper `log_mel_spectrogram`: centred frames with reflected edges, periodic Hann window, slaney mel
 * filters, log10, the last frame dropped, floor 8 below the maximum of the whole padded clip, (x + 4) / 4.
 */
export function logMel(samples: Float32Array, { melBins, melFrames }: { melBins: number; melFrames: number }): Float32Array {
  const padded = padAndReflect(samples, melFrames * HOP_SAMPLES);
  const filters = melFilters(melBins);
  const features = new Float32Array(melBins * melFrames);
  const power = new Float64Array(2 * BINS);
  let maximum = -Infinity;
  for (let frame = 0; frame < melFrames; frame += 2) {
    powerOfTwoFrames(padded, frame * HOP_SAMPLES, power);
    for (let offset = 0; offset < 2 && frame + offset < melFrames; offset++) {
      for (let mel = 0; mel < melBins; mel++) {
        const value = Math.log10(Math.max(1e-10, applyFilter(filters[mel]!, power, offset * BINS)));
        features[mel * melFrames + frame + offset] = value;
        maximum = Math.max(maximum, value);
      }
    }
  }
  for (let i = 0; i < features.length; i++) features[i] = (Math.max(features[i]!, maximum - 8) + 4) / 4;
  return features;
}

/** The sound with half a window reflected at both ends and, behind it, room for the second frame of the last pair. */
function padAndReflect(samples: Float32Array, length: number): Float32Array {
  const half = WINDOW / 2;
  const padded = new Float32Array(length + WINDOW + HOP_SAMPLES);
  padded.set(samples.subarray(0, length), half);
  for (let i = 1; i <= half; i++) {
    padded[half - i] = padded[half + i] ?? 0;
    padded[half + length - 1 + i] = padded[half + length - 1 - i] ?? 0;
  }
  return padded;
}

interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

function applyFilter({ firstBin, weights }: MelFilter, power: Float64Array, frameStart: number): number {
  const start = frameStart + firstBin;
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i]! * power[start + i]!;
  return sum;
}

/** Triangles evenly spaced on the slaney mel scale from 0 to 8000 Hz, each of unit area; only their non-zero bins. */
export function melFilters(melBins: number): readonly MelFilter[] {
  const topMel = hertzToMel(SAMPLE_RATE_HZ / 2);
  const corners = Array.from({ length: melBins + 2 }, (_, i) => melToHertz((topMel * i) / (melBins + 1)));
  return Array.from({ length: melBins }, (_, mel) => triangle(corners[mel]!, corners[mel + 1]!, corners[mel + 2]!));
}

function triangle(low: number, peak: number, high: number): MelFilter {
  const weights = Array.from({ length: BINS }, (_, bin) => {
    const hertz = (bin * SAMPLE_RATE_HZ) / WINDOW;
    return (Math.max(0, Math.min((hertz - low) / (peak - low), (high - hertz) / (high - peak))) * 2) / (high - low);
  });
  const firstBin = Math.max(0, weights.findIndex((weight) => weight > 0));
  return { firstBin, weights: Float64Array.from(weights.slice(firstBin, weights.findLastIndex((weight) => weight > 0) + 1)) };
}

/** Slaney's scale: linear to 1000 Hz (15 mel), then 27 mel per factor 6.4. */
function hertzToMel(hertz: number): number {
  return hertz < 1000 ? (3 * hertz) / 200 : 15 + (27 * Math.log(hertz / 1000)) / Math.log(6.4);
}

function melToHertz(mel: number): number {
  return mel < 15 ? (200 * mel) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27);
}

const fft = new FFT(CONVOLUTION);
const hann = Float64Array.from({ length: WINDOW }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / WINDOW));
/** exp(-i pi n^2 / 400), interleaved; n^2 is reduced first to keep the angle exact. */
const chirp = Float64Array.from({ length: 2 * WINDOW }, (_, i) => {
  const n = i >> 1;
  const angle = (Math.PI * ((n * n) % (2 * WINDOW))) / WINDOW;
  return i % 2 === 0 ? Math.cos(angle) : -Math.sin(angle);
});
const chirpSpectrum = conjugateChirpSpectrum();
const work = new Float64Array(2 * CONVOLUTION);
const spectrum = new Float64Array(2 * CONVOLUTION);

function conjugateChirpSpectrum(): Float64Array {
  const kernel = new Float64Array(2 * CONVOLUTION);
  for (let n = 0; n < WINDOW; n++) {
    for (const at of [n, (CONVOLUTION - n) % CONVOLUTION]) {
      kernel[2 * at] = chirp[2 * n]!;
      kernel[2 * at + 1] = -chirp[2 * n + 1]!;
    }
  }
  const transformed = new Float64Array(2 * CONVOLUTION);
  fft.transform(transformed, kernel);
  return transformed;
}

/** Writes |DFT|^2 of the windows at `start` and `start + 160` into `power` [2, 201]. */
function powerOfTwoFrames(sound: Float32Array, start: number, power: Float64Array): void {
  if (!fillWindows(sound, start)) {
    power.fill(0);
    return;
  }
  fft.transform(spectrum, work);
  multiply(spectrum, chirpSpectrum, CONVOLUTION);
  fft.inverseTransform(work, spectrum);
  multiply(work, chirp, WINDOW);
  // The windows were real and imaginary part of one signal: their spectra are its even and odd parts under conjugation.
  for (let k = 0; k < BINS; k++) {
    const mirror = (WINDOW - k) % WINDOW;
    const re = work[2 * k]!;
    const im = work[2 * k + 1]!;
    const mirrorRe = work[2 * mirror]!;
    const mirrorIm = work[2 * mirror + 1]!;
    power[k] = ((re + mirrorRe) ** 2 + (im - mirrorIm) ** 2) / 4;
    power[BINS + k] = ((im + mirrorIm) ** 2 + (mirrorRe - re) ** 2) / 4;
  }
}

/** Both windows times the chirp into `work`; false when they are silent, as most of a padded clip is. */
function fillWindows(sound: Float32Array, start: number): boolean {
  let isSilent = true;
  for (let n = 0; n < WINDOW; n++) {
    const first = sound[start + n]! * hann[n]!;
    const second = sound[start + HOP_SAMPLES + n]! * hann[n]!;
    if (first !== 0 || second !== 0) isSilent = false;
    const cos = chirp[2 * n]!;
    const sin = chirp[2 * n + 1]!;
    work[2 * n] = first * cos - second * sin;
    work[2 * n + 1] = first * sin + second * cos;
  }
  work.fill(0, 2 * WINDOW);
  return !isSilent;
}

/** a *= b over the first `length` complex numbers. */
function multiply(a: Float64Array, b: Float64Array, length: number): void {
  for (let i = 0; i < 2 * length; i += 2) {
    const re = a[i]! * b[i]! - a[i + 1]! * b[i + 1]!;
    a[i + 1] = a[i]! * b[i + 1]! + a[i + 1]! * b[i]!;
    a[i] = re;
  }
}
