/** @file When the next request may go out: so many a minute, none while the server asks for a pause. */
import { setTimeout as wait } from "node:timers/promises";

export interface Clock {
  /** Milliseconds. */
  now(): number;
  /** Returns early when the signal fires. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => wait(milliseconds, undefined, { signal }).catch(() => undefined),
};

export interface Pace {
  /** Waits for one's turn, or for the signal. */
  turn(): Promise<void>;
  /** Nobody's turn comes within so many milliseconds from now. */
  hold(milliseconds: number): void;
}

/** Turns are evenly spaced, so that a minute never sees more than `perMinute` of them. */
export function createPace({ perMinute, clock, signal }: { readonly perMinute: number | undefined; readonly clock: Clock; readonly signal: AbortSignal }): Pace {
  const spacing = perMinute === undefined ? 0 : 60_000 / perMinute;
  let next = Number.NEGATIVE_INFINITY;
  let held = Number.NEGATIVE_INFINITY;
  return {
    turn: async () => {
      const mine = Math.max(clock.now(), next, held);
      next = mine + spacing;
      for (let left = mine - clock.now(); left > 0 && !signal.aborted; left = Math.max(mine, held) - clock.now()) await clock.sleep(left, signal);
    },
    hold: (milliseconds) => {
      held = Math.max(held, clock.now() + milliseconds);
    },
  };
}
