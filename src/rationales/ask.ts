/** @file Asking until there is an answer: what may pass is waited for, what will not ends the command. */
import { UserError } from "../core/errors.ts";
import type { Endpoint, Message } from "./endpoint.ts";
import type { Clock, Pace } from "./pace.ts";
import { post } from "./post.ts";
import type { Reply } from "./post.ts";

export interface Retry {
  readonly what: string;
  readonly waitMs: number;
}

export interface Asking {
  readonly endpoint: Endpoint;
  readonly pace: Pace;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly onRetry: (retry: Retry) => void;
}

const TRIES = 6;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** A server that asks for more than this is not busy but closed. */
const LONGEST_PAUSE_MS = 600_000;

/**
 * The answer; undefined when the signal fired before there was one. A request that is under way is waited for: it is paid for.
 *
 * @throws UserError: ConfigError when the server refuses the request, SystemError when no answer came after six tries.
 */
export async function ask(messages: readonly Message[], { endpoint, pace, clock, random, signal, onRetry }: Asking): Promise<Extract<Reply, { kind: "answer" }> | undefined> {
  for (let tried = 1; ; tried++) {
    await pace.turn();
    if (signal.aborted) return undefined;
    const reply = await post(endpoint, messages);
    if (reply.kind === "answer") return reply;
    if (reply.kind === "refused") throw new UserError(reply.problem);
    const { what, retryAfterMs } = reply;
    if (tried === TRIES) throw new UserError({ kind: "SystemError", where: endpoint.name, what: `no answer after ${TRIES} tries, at last: ${what}`, hint: `Is the address right, and the server up? A slow server: --timeout, --concurrency. ${GO_ON}` });
    if (retryAfterMs !== undefined && retryAfterMs > LONGEST_PAUSE_MS) throw new UserError({ kind: "SystemError", where: endpoint.name, what: `${what}; it asks for a pause of ${Math.ceil(retryAfterMs / 60_000)} minutes`, hint: GO_ON });
    // Half of the wait is drawn, so that those who failed together do not come back together.
    const waitMs = retryAfterMs ?? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tried - 1)) * (0.5 + random() / 2);
    onRetry({ what, waitMs });
    if (retryAfterMs === undefined) await clock.sleep(waitMs, signal);
    else pace.hold(waitMs);
  }
}

const GO_ON = "What was written stays; the same command goes on from there.";
