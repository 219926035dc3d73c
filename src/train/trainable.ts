/** @file Which parameters a stage trains, and how fast: the first pattern that matches a name decides; unmatched is frozen. */
import { UserError, type Problem } from "../core/errors.ts";
import { LORA_SCALE } from "../model/linear.ts";
import { compilePattern, patternHint } from "../model/name-pattern.ts";

export interface TrainablePattern {
  /** Regular expression, searched in full parameter names. */
  readonly match: string;
  /** Peak learning rate; 0 freezes. */
  readonly learningRate: number;
}

/**
 * Peak learning rate of every trained parameter, in the order of `names`.
 *
 * @param where - config path for messages, e.g. `stages.reasoning.trainable`.
 * @throws UserError - ConfigError for each pattern that matches no parameter, or when nothing is trained.
 */
export function trainableParameters(patterns: readonly TrainablePattern[], names: readonly string[], where: string): Map<string, number> {
  const entries = patterns.map(({ match, learningRate }, i) => ({ pattern: compilePattern(match, `${where}[${i}].match`), learningRate }));
  const candidates = names.filter((name) => !name.endsWith(`.${LORA_SCALE}`));
  const idle = entries.flatMap(({ pattern }, i): Problem[] => (candidates.some((name) => pattern.test(name)) ? [] : [noMatch(pattern.source, `${where}[${i}].match`, candidates)]));
  if (idle.length > 0) throw new UserError(idle);
  const rates = new Map<string, number>();
  for (const name of candidates) {
    const learningRate = entries.find(({ pattern }) => pattern.test(name))?.learningRate ?? 0;
    if (learningRate > 0) rates.set(name, learningRate);
  }
  if (rates.size > 0) return rates;
  throw new UserError({ kind: "ConfigError", where, what: `Got 0 trained parameters out of ${candidates.length}, expected at least one`, hint: "Give one of the patterns a learningRate above 0; the first that matches decides." });
}

function noMatch(pattern: string, where: string, names: readonly string[]): Problem {
  return { kind: "ConfigError", where, what: `"${pattern}" matches none of ${names.length} parameters`, hint: patternHint(pattern, names) };
}
