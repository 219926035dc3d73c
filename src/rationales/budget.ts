/** @file Tokens and money: what was used, and whether another request may be. */
import type { Tokens } from "./post.ts";

/** Per million tokens. */
export interface Prices {
  readonly input: number;
  readonly output: number;
}

export function costOf({ input, output }: Tokens, prices: Prices): number {
  return (input * prices.input + output * prices.output) / 1e6;
}

/** English text has about four characters to a token; the chat template adds a few. */
export function estimateTokens(text: string): number {
  return Math.ceil(text.length / 4) + 8;
}

/** Tokens of a rationale of 40 words, which is what is asked for. */
export const EXPECTED_OUTPUT = 60;

/** What one answer took; an estimate where the server does not count. */
export interface Use {
  readonly tokens: Tokens;
  readonly source: "server" | "estimate";
}

export interface Budget {
  /** Books a request before it is made; false when the money may not suffice for it and those under way. */
  take(expected: Tokens): boolean;
  /** Books what came of one that was taken: the answers to it, possibly none. */
  settle(uses: readonly Use[]): void;
  used(): Tokens;
  /** Answers whose tokens are estimated. */
  estimated(): number;
}

/** Without prices or a most cost there is no limit. A request is expected to cost the estimate, or the mean so far if that is more. */
export function createBudget({ prices, mostCost = Number.POSITIVE_INFINITY }: { readonly prices: Prices | undefined; readonly mostCost: number | undefined }): Budget {
  let used: Tokens = { input: 0, output: 0 };
  let [settled, underWay, estimated] = [0, 0, 0];
  return {
    take: (expected) => {
      const spent = prices === undefined ? 0 : costOf(used, prices);
      const each = prices === undefined ? 0 : Math.max(costOf(expected, prices), settled === 0 ? 0 : spent / settled);
      if (spent + (underWay + 1) * each > mostCost) return false;
      underWay += 1;
      return true;
    },
    settle: (uses) => {
      underWay -= 1;
      if (uses.length > 0) settled += 1;
      estimated += uses.filter(({ source }) => source === "estimate").length;
      used = uses.reduce((sum, { tokens }) => ({ input: sum.input + tokens.input, output: sum.output + tokens.output }), used);
    },
    used: () => used,
    estimated: () => estimated,
  };
}
