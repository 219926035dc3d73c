/** @file Errors a user can cause. Anything else that is thrown is a bug of ours. */

/** Who has to act: the config, the dataset, a media file, a checkpoint folder, or the machine (disk, missing program). */
export type ErrorKind = "ConfigError" | "DataError" | "MediaError" | "CheckpointError" | "SystemError";

const EXIT_CODES = { ConfigError: 2, DataError: 3, MediaError: 3, CheckpointError: 2, SystemError: 1 } as const satisfies Record<ErrorKind, number>;

export interface Problem {
  readonly kind: ErrorKind;
  /** File with line, config path, record id: whatever the user can open or search for. */
  readonly where: string;
  /** One sentence without a full stop: `Got X, expected Y` belongs here. */
  readonly what: string;
  /** What the user does about it; the nearest known name, the flag to set. */
  readonly hint?: string;
}

/** A thousand missing files are one mistake; more lines than this push its beginning off the screen. */
const SHOWN_PROBLEMS = 20;

/** One or several problems that a user can fix. Printed without a stack; the message shows the first 20 of them. */
export class UserError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: Problem | readonly Problem[], options?: { cause?: unknown }) {
    const list = Array.isArray(problems) ? (problems as readonly Problem[]) : [problems as Problem];
    super(renderProblems(list), options);
    this.name = list[0]?.kind ?? "UserError";
    this.problems = list;
  }

  /** Exit code of the command-line contract: 1 failed, 2 usage or config, 3 bad data. */
  get exitCode(): number {
    return EXIT_CODES[this.problems[0]?.kind ?? "SystemError"];
  }
}

/** `Kind where: what.` and the hint on a line of its own. */
export function renderProblem({ kind, where, what, hint }: Problem): string {
  return `${kind} ${where}: ${what}.${hint === undefined ? "" : `\n  ${hint}`}`;
}

function renderProblems(problems: readonly Problem[]): string {
  const hidden = problems.length - SHOWN_PROBLEMS;
  const shown = problems.slice(0, hidden === 1 ? problems.length : SHOWN_PROBLEMS).map(renderProblem);
  return [...shown, ...(hidden > 1 ? [`and ${hidden} more problems like these (--json lists them all)`] : [])].join("\n");
}

/** Throws when a condition that only a bug can break does not hold. */
export function invariant(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Error(`internal error: ${message()}`);
}
