/** @file The frame that stands for a clip's face, and the action units in it. */
import type { FaceFrame } from "./openface.ts";

export interface PresenceRule {
  /** `intensity`: AUxx_r reaches the threshold; `classifier`: AUxx_c. A unit that lacks the one is judged by the other. */
  readonly presence: "intensity" | "classifier";
  readonly threshold: number;
}

export interface DetectedUnit {
  readonly unit: string;
  /** 0 to 5. A unit that only the classifier knows (AU28) has 1, the scale's "trace". */
  readonly intensity: number;
}

/** The units present in a frame, in order of number. */
export function presentUnits(frame: FaceFrame, { presence, threshold }: PresenceRule): readonly DetectedUnit[] {
  const units = [...new Set([...frame.intensity.keys(), ...frame.classified])].sort();
  return units
    .filter((unit) => {
      const intensity = frame.intensity.get(unit);
      const byClassifier = intensity === undefined || (presence === "classifier" && frame.classified.has(unit));
      return byClassifier ? frame.present.has(unit) : intensity >= threshold;
    })
    .map((unit) => ({ unit, intensity: Math.min(5, Math.max(0, frame.intensity.get(unit) ?? 1)) }));
}

/**
 * The frame with the largest summed intensity of the clip's most frequent units (Emotion-LLaMA's rule). Equally frequent
 * units: lower numbers first; equal sums: the earlier frame. Blinking (AU45) is in every clip and says nothing. Undefined without frames.
 */
export function peakFrame(frames: readonly FaceFrame[], { peakUnits, ...rule }: PresenceRule & { readonly peakUnits: number }): FaceFrame | undefined {
  const counts = new Map<string, number>();
  for (const { unit } of frames.flatMap((frame) => presentUnits(frame, rule))) counts.set(unit, (counts.get(unit) ?? 0) + 1);
  counts.delete("AU45");
  const frequent = [...counts]
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .slice(0, peakUnits)
    .map(([unit]) => unit);
  const sum = (frame: FaceFrame): number => frequent.reduce((total, unit) => total + (frame.intensity.get(unit) ?? (frame.present.has(unit) ? 1 : 0)), 0);
  return frames.reduce<FaceFrame | undefined>((best, frame) => (best === undefined || sum(frame) > sum(best) ? frame : best), undefined);
}
