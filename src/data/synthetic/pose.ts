/** @file Pose: what the face does in one frame. */
import type { Activations } from "./expression.ts";

export interface Pose {
  readonly activations: Activations;
  /** 0..1, opened a little by the voice. */
  readonly talk: number;
  /** 0..1, 1 = shut. */
  readonly blink: number;
  /** Shift in percent of the picture, and turn in degrees. */
  readonly dx: number;
  readonly dy: number;
  readonly turn: number;
}
