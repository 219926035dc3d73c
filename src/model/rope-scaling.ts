/**
 * @file Rotary frequencies beyond the plain theta^(-2i/H): the ways in which published configs stretch a model's context.
 * Legend: H head size, L length of the sequence in positions.
 */
import { z } from "zod";

const factor = z.number().min(1);
const kindSchema = z.discriminatedUnion("rope_type", [
  z.looseObject({ rope_type: z.literal("default") }),
  z.looseObject({ rope_type: z.literal("linear"), factor }),
  z.looseObject({ rope_type: z.literal("dynamic"), factor }),
  z.looseObject({
    rope_type: z.literal("llama3"),
    factor,
    low_freq_factor: z.number().positive(),
    high_freq_factor: z.number().positive(),
    original_max_position_embeddings: z.number().positive(),
  }),
  z.looseObject({
    rope_type: z.literal("yarn"),
    factor,
    original_max_position_embeddings: z.number().positive().optional(),
    attention_factor: z.number().positive().optional(),
    beta_fast: z.number().positive().default(32),
    beta_slow: z.number().positive().default(1),
  }),
  z.looseObject({
    rope_type: z.literal("longrope"),
    short_factor: z.array(z.number().positive()),
    long_factor: z.array(z.number().positive()),
    original_max_position_embeddings: z.number().positive().optional(),
    attention_factor: z.number().positive().optional(),
    type: z.string().optional(),
  }),
]);

/** `rope_scaling` of config.json; older files call its kind `type` and longrope `su`, Phi-3's `yarn` is longrope with another magnitude. */
export const ropeScalingSchema = z.preprocess((value) => {
  if (typeof value !== "object" || value === null) return value;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const kind = fields.rope_type ?? fields.type;
  const isLong = kind === "su" || "short_factor" in fields;
  return { ...fields, type: fields.type ?? kind, rope_type: isLong ? "longrope" : kind };
}, kindSchema);

export type RopeScaling = z.infer<typeof ropeScalingSchema>;

export interface RotaryShape {
  readonly headDim: number;
  readonly theta: number;
  /** Absent: none. */
  readonly scaling?: RopeScaling;
  /** `max_position_embeddings`; only scalings ask for it. */
  readonly maxPositions?: number;
  /** What the model was trained on before it was stretched, where the config says so outside `rope_scaling`. */
  readonly originalMaxPositions?: number;
}

export interface RotaryFrequencies {
  /** [H / 2] radians per position. */
  readonly frequencies: Float64Array;
  /** Factor on cosines and sines. */
  readonly magnitude: number;
}

/**
 * The frequencies for a forward pass whose largest position is `length - 1`. Dynamic and longrope depend on it, as in the
 * original code: keys that a cache holds keep the rotation they were stored with.
 */
export function rotaryFrequencies(shape: RotaryShape, length: number): RotaryFrequencies {
  const { headDim, theta, scaling, maxPositions = Infinity } = shape;
  const plain = powers(theta, headDim);
  switch (scaling?.rope_type) {
    case undefined:
    case "default":
      return { frequencies: plain, magnitude: 1 };
    case "linear":
      return { frequencies: plain.map((frequency) => frequency / scaling.factor), magnitude: 1 };
    case "dynamic":
      return { frequencies: length > maxPositions ? powers(stretchedBase(theta, { headDim, factor: scaling.factor, ratio: length / maxPositions }), headDim) : plain, magnitude: 1 };
    case "llama3":
      return { frequencies: plain.map((frequency) => llama3Frequency(frequency, scaling)), magnitude: 1 };
    case "yarn":
      return yarn(plain, scaling, shape);
    case "longrope":
      return longrope(plain, scaling, { shape, length });
    default:
      return scaling satisfies never;
  }
}

function powers(theta: number, headDim: number): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim));
}

/** The base of NTK-aware scaling: factor * ratio - (factor - 1) is 1 at the trained length. */
function stretchedBase(theta: number, { headDim, factor, ratio }: { headDim: number; factor: number; ratio: number }): number {
  return theta * (factor * ratio - (factor - 1)) ** (headDim / (headDim - 2));
}

type Llama3 = Extract<RopeScaling, { rope_type: "llama3" }>;

/** Long waves are stretched, short ones stay, those between are mixed. */
function llama3Frequency(frequency: number, { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original }: Llama3): number {
  const wavesInContext = (original * frequency) / (2 * Math.PI);
  const kept = Math.min(1, Math.max(0, (wavesInContext - low) / (high - low)));
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

type Yarn = Extract<RopeScaling, { rope_type: "yarn" }>;

/** @see Peng et al. 2023, YaRN; as in transformers: the ramp runs over the number of the frequency, cut to whole numbers. */
function yarn(plain: Float64Array, scaling: Yarn, { headDim, theta, maxPositions = Infinity, originalMaxPositions }: RotaryShape): RotaryFrequencies {
  const original = scaling.original_max_position_embeddings ?? originalMaxPositions ?? maxPositions;
  const numberOf = (rotations: number): number => (headDim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const first = Math.max(Math.floor(numberOf(scaling.beta_fast)), 0);
  const last = Math.min(Math.ceil(numberOf(scaling.beta_slow)), headDim - 1);
  const stretched = (i: number): number => Math.min(1, Math.max(0, (i - first) / (last === first ? 0.001 : last - first)));
  return {
    frequencies: plain.map((frequency, i) => (stretched(i) * frequency) / scaling.factor + (1 - stretched(i)) * frequency),
    magnitude: scaling.attention_factor ?? 0.1 * Math.log(scaling.factor) + 1,
  };
}

type Longrope = Extract<RopeScaling, { rope_type: "longrope" }>;

/** Phi-3's: a list of divisors for short sequences and one for long ones; the magnitude holds for both. */
function longrope(plain: Float64Array, scaling: Longrope, { shape, length }: { shape: RotaryShape; length: number }): RotaryFrequencies {
  const { maxPositions = Infinity, originalMaxPositions } = shape;
  const original = scaling.original_max_position_embeddings ?? originalMaxPositions ?? maxPositions;
  const divisors = length > original ? scaling.long_factor : scaling.short_factor;
  return {
    frequencies: plain.map((frequency, i) => frequency / (divisors[i] ?? 1)),
    magnitude: scaling.attention_factor ?? longropeMagnitude(scaling, { stretch: maxPositions / original, original }),
  };
}

function longropeMagnitude({ type }: Longrope, { stretch, original }: { stretch: number; original: number }): number {
  if (stretch <= 1) return 1;
  return type === "yarn" ? 0.1 * Math.log(stretch) + 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(original));
}
