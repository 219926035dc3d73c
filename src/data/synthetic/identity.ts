/** @file The look of a speaker. Looks are dealt to the splits without overlap: the test split shows faces never seen before. */
import { rng } from "../../core/rng.ts";
import type { Split } from "../record.ts";

export interface Identity {
  /** Unique per combination of skin, hair and glasses. */
  readonly id: string;
  readonly skin: string;
  readonly hair: string;
  readonly hairStyle: (typeof HAIR_STYLES)[number];
  readonly glasses: boolean;
  readonly background: string;
  readonly iris: string;
  /** Half of the face's width, in percent of the picture. */
  readonly faceWidth: number;
  /** Resting pitch of the voice in Hz. */
  readonly pitch: number;
}

/** The looks of a split, the same for every dataset with this seed. */
export function identitiesOf(split: Split, seed: number): readonly Identity[] {
  const looks = rng(seed, "looks").shuffle(combinations());
  const start = { train: 0, val: SIZES.train, test: SIZES.train + SIZES.val }[split];
  return looks.slice(start, start + SIZES[split]).map((look) => complete(look, seed));
}

const SIZES = { train: 60, val: 10, test: 20 } as const satisfies Record<Split, number>;
const SKINS = ["#f6d7c0", "#eec39e", "#dba67c", "#c68a5c", "#a86f45", "#8a5636"] as const;
const HAIRS = ["#1d1713", "#4a2c17", "#7d4a21", "#c9a052", "#a33b1e", "#8d8d92"] as const;
const HAIR_STYLES = ["short", "long", "curly", "bald", "side"] as const;
const BACKGROUNDS = ["#b9cfe0", "#cfe0b9", "#e0cdb9", "#c8bfe0", "#9fb5b0", "#d9d9d9", "#e3b7bd", "#8fa3bf"] as const;
const IRISES = ["#3a2a1c", "#2d5a80", "#3f6b3c", "#222222"] as const;

type Look = Pick<Identity, "id" | "skin" | "hair" | "hairStyle" | "glasses">;

function combinations(): Look[] {
  return SKINS.flatMap((skin, s) =>
    HAIRS.flatMap((hair, h) => HAIR_STYLES.flatMap((hairStyle) => [false, true].map((glasses) => ({ id: `skin${s}-hair${h}-${hairStyle}${glasses ? "-glasses" : ""}`, skin, hair, hairStyle, glasses })))),
  );
}

function complete(look: Look, seed: number): Identity {
  const random = rng(seed, "look", look.id);
  return { ...look, background: random.pick(BACKGROUNDS), iris: random.pick(IRISES), faceWidth: 38 + 5 * random.uniform(), pitch: 135 + 45 * random.uniform() };
}
