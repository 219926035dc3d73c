/** @file A voice-like sound: glottal pulses through formants, in syllables, with the pitch, pace and timbre of an emotion. */
import type { Rng } from "../../core/rng.ts";
import type { Emotion } from "../record.ts";

export const SAMPLE_RATE = 16000;

export interface Voice {
  /** Mono at 16 kHz, within -1..1. */
  readonly samples: Float32Array;
  /** 0..1, how loud the voice is at a time in seconds relative to its own peak; opens the mouth. */
  readonly openness: (seconds: number) => number;
}

/** The sound of one utterance. @param pitch - the speaker's resting pitch in Hz; @param strength - 0..1. */
export function renderVoice({ emotion, strength, pitch, seconds, random }: { emotion: Emotion; strength: number; pitch: number; seconds: number; random: Rng }): Voice {
  const manner = towards(MANNERS.neutral, MANNERS[emotion], 0.75 + 0.25 * strength);
  const syllables = drawSyllables({ manner, seconds, random });
  const samples = new Float32Array(Math.round(seconds * SAMPLE_RATE));
  const formants = [resonator(), resonator(), resonator()];
  let phase = 0;
  let slow = 0;
  for (let i = 0; i < samples.length; i++) {
    const t = i / SAMPLE_RATE;
    const syllable = syllables[Math.min(syllables.length - 1, Math.floor(t * manner.rate))]!;
    const envelope = syllableEnvelope(t * manner.rate - syllable.index) * syllable.loudness;
    const glide = 1 + manner.slope * (t / seconds - 0.5) + manner.range * syllable.accent;
    const tremor = 1 + 0.14 * manner.tremor * Math.sin(2 * Math.PI * 8 * t);
    phase += (pitch * manner.pitch * glide * tremor) / SAMPLE_RATE;
    if (phase >= 1) phase -= 1;
    const growl = 1 - 0.8 * manner.rough * (0.5 + 0.5 * Math.sin(2 * Math.PI * 38 * t));
    const source = glottalPulse(phase, manner.brightness) * growl + manner.breath * (random.uniform() - 0.5);
    // A one-pole low pass: dull voices lose their high partials.
    slow += (source - slow) * manner.brightness;
    const [f1, f2, f3] = syllable.formants;
    const sound = formants[0]!(slow, f1, 90) + 0.7 * formants[1]!(slow, f2, 120) + 0.5 * formants[2]!(slow, f3, 180);
    samples[i] = sound * envelope;
  }
  scaleTo(samples, manner.energy);
  const openness = (at: number): number => {
    const syllable = syllables[Math.min(syllables.length - 1, Math.floor(at * manner.rate))];
    return syllable === undefined ? 0 : syllableEnvelope(at * manner.rate - syllable.index) * syllable.loudness;
  };
  return { samples, openness };
}

interface Manner {
  /** Factor on the speaker's resting pitch. */
  readonly pitch: number;
  /** Pitch accents from syllable to syllable, as a share of the pitch. */
  readonly range: number;
  /** Pitch change from begin to end, as a share of the pitch. */
  readonly slope: number;
  /** Syllables per second. */
  readonly rate: number;
  /** RMS of the whole sound. */
  readonly energy: number;
  /** 0..1, share of high partials. */
  readonly brightness: number;
  readonly tremor: number;
  /** 0..1, depth of the growl. */
  readonly rough: number;
  readonly breath: number;
}

const MANNERS = {
  neutral: { pitch: 1, range: 0.03, slope: 0, rate: 4, energy: 0.06, brightness: 0.45, tremor: 0, rough: 0, breath: 0.02 },
  anger: { pitch: 1.15, range: 0.2, slope: -0.1, rate: 6, energy: 0.22, brightness: 0.95, tremor: 0, rough: 0.3, breath: 0.1 },
  joy: { pitch: 1.6, range: 0.4, slope: 0.15, rate: 5.2, energy: 0.13, brightness: 0.7, tremor: 0, rough: 0, breath: 0.02 },
  surprise: { pitch: 1.9, range: 0.1, slope: 0.9, rate: 2.6, energy: 0.14, brightness: 0.75, tremor: 0, rough: 0, breath: 0.06 },
  fear: { pitch: 1.8, range: 0.05, slope: 0, rate: 6.2, energy: 0.045, brightness: 0.5, tremor: 1, rough: 0, breath: 0.7 },
  sadness: { pitch: 0.8, range: 0.04, slope: -0.3, rate: 2.2, energy: 0.022, brightness: 0.18, tremor: 0.15, rough: 0, breath: 0.05 },
  disgust: { pitch: 0.66, range: 0.08, slope: -0.2, rate: 3, energy: 0.11, brightness: 0.35, tremor: 0, rough: 1, breath: 0.15 },
} as const satisfies Record<Emotion, Manner>;

interface Syllable {
  readonly index: number;
  readonly accent: number;
  readonly loudness: number;
  /** Hz. */
  readonly formants: readonly [number, number, number];
}

/** First three formants of five vowels (Peterson and Barney 1952, rounded). */
const VOWELS = [
  [730, 1090, 2440],
  [530, 1840, 2480],
  [270, 2290, 3010],
  [570, 840, 2410],
  [300, 870, 2240],
] as const;

function drawSyllables({ manner, seconds, random }: { manner: Manner; seconds: number; random: Rng }): Syllable[] {
  return Array.from({ length: Math.ceil(seconds * manner.rate) }, (_, index) => ({
    index,
    accent: index % 2 === 0 ? random.uniform() : -random.uniform(),
    loudness: 0.75 + 0.25 * random.uniform(),
    formants: random.pick(VOWELS),
  }));
}

/** Rises fast, falls slowly, with a short gap; `x` in 0..1 of the syllable. */
function syllableEnvelope(x: number): number {
  if (x < 0 || x > 0.88) return 0;
  return x < 0.15 ? x / 0.15 : 1 - ((x - 0.15) / 0.73) ** 2;
}

/** A falling ramp with an abrupt closure, softer for dull voices. */
function glottalPulse(phase: number, brightness: number): number {
  const open = 0.35 + 0.45 * (1 - brightness);
  return phase < open ? Math.sin((Math.PI * phase) / open) - 0.4 : -0.4;
}

/** A two-pole resonance whose centre may move from sample to sample. */
function resonator(): (input: number, frequency: number, bandwidth: number) => number {
  let [y1, y2] = [0, 0];
  return (input, frequency, bandwidth) => {
    const radius = Math.exp((-Math.PI * bandwidth) / SAMPLE_RATE);
    const y = (1 - radius) * input + 2 * radius * Math.cos((2 * Math.PI * frequency) / SAMPLE_RATE) * y1 - radius * radius * y2;
    y2 = y1;
    y1 = y;
    return y;
  };
}

function towards(from: Manner, to: Manner, share: number): Manner {
  const blend = (key: keyof Manner): number => from[key] + share * (to[key] - from[key]);
  return { pitch: blend("pitch"), range: blend("range"), slope: blend("slope"), rate: blend("rate"), energy: blend("energy"), brightness: blend("brightness"), tremor: blend("tremor"), rough: blend("rough"), breath: blend("breath") };
}

/** Scales to a root mean square, less where a peak would clip. */
function scaleTo(samples: Float32Array, rms: number): void {
  let [power, peak] = [1e-12, 1e-6];
  for (const sample of samples) {
    power += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  const gain = Math.min(rms / Math.sqrt(power / samples.length), 0.98 / peak);
  for (let i = 0; i < samples.length; i++) samples[i] = samples[i]! * gain;
}
