/** @file What every command gets: where to say things, when to stop, and the application, loaded when first needed. */
import type { Logger } from "pino";
import type { App } from "./app.ts";

export interface Output {
  /** For people; a result stays on the screen. */
  human(text: string): void;
  /** For people; the next progress replaces it on a terminal, and is spaced out elsewhere. */
  progress(text: string): void;
  /** For programs: one line per value. */
  json(value: unknown): void;
}

export interface CommandContext {
  readonly output: Output;
  readonly logger: Logger;
  /** Fires when the user or the machine asks to stop. */
  readonly signal: AbortSignal;
  readonly workingDirectory: string;
  readonly loadApp: () => Promise<App>;
}

/** Hands the command's work to the process boundary, which knows the context, the signals and the exit code. */
export type Launch = (work: (context: CommandContext) => Promise<void>) => Promise<void>;
