/** @file From a clip's script to its frames and sound: fast onset, then held with a little life (blinks, sway, talking). */
import sharp from "sharp";
import { rng } from "../../core/rng.ts";
import type { Rng } from "../../core/rng.ts";
import { filmStrip } from "./face.ts";
import type { Pose } from "./pose.ts";
import type { ClipScript } from "./script.ts";
import { renderVoice } from "./voice.ts";

export const SIDE = 144;
export const FPS = 12;

export interface RenderedClip {
  /** uint8 RGB [frames, SIDE, SIDE, 3]. */
  readonly pixels: Uint8Array;
  /** Mono at 16 kHz. */
  readonly samples: Float32Array;
}

/** Pixels and samples of one clip; equal scripts give equal bytes. */
export async function renderClip(clip: ClipScript): Promise<RenderedClip> {
  const voice = renderVoice({ emotion: clip.shown.voice, strength: clip.strength, pitch: clip.identity.pitch, seconds: clip.seconds, random: rng(clip.seed, "voice", clip.id) });
  const poses = drawPoses({ clip, openness: voice.openness, random: rng(clip.seed, "pose", clip.id) });
  const strip = Buffer.from(filmStrip({ identity: clip.identity, poses, side: SIDE }));
  const pixels = await sharp(strip).removeAlpha().raw().toBuffer();
  return { pixels, samples: voice.samples };
}

/** Share of the clip until the face's apex; frames sampled evenly nearly all see the apex. */
const ONSET = 0.12;
const BLINK_SECONDS = 0.12;

function drawPoses({ clip, openness, random }: { clip: ClipScript; openness: (seconds: number) => number; random: Rng }): Pose[] {
  const [swayX, swayY, turn, phase] = [random.normal(), random.normal(), random.normal(), 2 * Math.PI * random.uniform()];
  const blinkAt = clip.seconds * (0.25 + 0.6 * random.uniform());
  return Array.from({ length: Math.round(clip.seconds * FPS) }, (_, frame) => {
    const t = frame / FPS;
    const onset = Math.min(1, (0.2 * ONSET + t / clip.seconds) / ONSET);
    const life = 1 - 0.05 * (0.5 + 0.5 * Math.sin(2 * Math.PI * 1.3 * t + phase));
    return {
      activations: Object.fromEntries(Object.entries(clip.activations).map(([unit, value]) => [unit, value * onset * life])),
      talk: openness(t),
      blink: Math.abs(t - blinkAt) < BLINK_SECONDS / 2 ? 1 : 0,
      dx: 1.2 * swayX + 0.8 * Math.sin(2 * Math.PI * 0.6 * t + phase),
      dy: 1.2 * swayY + 0.6 * Math.cos(2 * Math.PI * 0.5 * t + phase),
      turn: 2.2 * turn + 0.8 * Math.sin(2 * Math.PI * 0.4 * t),
    };
  });
}
