/** @file Ctrl-C and termination: the first request lets the work save itself, a later one quits at once. */

/** Exit codes after an orderly stop: 128 + the signal's number. */
export const STOP_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
export type StopSignal = keyof typeof STOP_EXIT_CODES;

/** A terminal sends Ctrl-C to npx and to us, and npx sends it on: the same key press comes twice within milliseconds. */
const SAME_PRESS_MS = 1000;

export interface StopRequests {
  readonly signal: AbortSignal;
  /** The signal that asked first. */
  readonly signalName: StopSignal | undefined;
  request(signal: StopSignal): void;
}

/** Counts stop requests; `quit` ends the process with a code. */
export function stopRequests({ now, quit, say }: { readonly now: () => number; readonly quit: (code: number) => void; readonly say: (text: string) => void }): StopRequests {
  const controller = new AbortController();
  let first: { readonly name: StopSignal; readonly at: number } | undefined;
  return {
    signal: controller.signal,
    get signalName() {
      return first?.name;
    },
    request: (name) => {
      if (first === undefined) {
        first = { name, at: now() };
        say(`${name}: finishing this step and saving; once more to quit at once and lose it`);
        controller.abort(name);
      } else if (now() - first.at >= SAME_PRESS_MS) {
        quit(STOP_EXIT_CODES[name]);
      }
    },
  };
}
