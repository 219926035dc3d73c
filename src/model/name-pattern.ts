/** @file Regular expressions of the user over parameter and module names: compiled with a clear error, with hints when nothing matches. */
import { UserError } from "../core/errors.ts";
import { nearestNames } from "../core/suggest.ts";

/**
 * The compiled expression.
 *
 * @param where - config path for the message, e.g. `stages.reasoning.trainable[0].match`.
 * @throws UserError - ConfigError when `pattern` is not a regular expression.
 */
export function compilePattern(pattern: string, where: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw new UserError({ kind: "ConfigError", where, what: `Got "${pattern}", expected a regular expression (${error instanceof Error ? error.message : "malformed"})` }, { cause: error });
  }
}

/** The value of the first pattern that a module's whole name, or its last parts, match; as PEFT reads rank_pattern and alpha_pattern. */
export function patternValue(patterns: Readonly<Record<string, number>> | null | undefined, module: string, where: string): number | undefined {
  return Object.entries(patterns ?? {}).find(([pattern]) => matchesEnd(pattern, module, where))?.[1];
}

/** Whether a module's whole name, or its last parts, match the expression. */
export function matchesEnd(pattern: string, module: string, where: string): boolean {
  return compilePattern(`^(?:.*\\.)?(?:${pattern})$`, where).test(module);
}

/** What the user may have meant: the parts of known names nearest to the words of the pattern. */
export function patternHint(pattern: string, names: readonly string[]): string {
  const parts = [...new Set(names.flatMap((name) => name.split(".")))].filter((part) => !/^\d+$/.test(part));
  const words = pattern.replace(/\\[a-z]/g, " ").match(/\w+/g) ?? [];
  const near = [...new Set(words.filter((word) => !/^\d+$/.test(word) && !parts.includes(word)).flatMap((word) => nearestNames(word, parts)))];
  const example = names[Math.floor(names.length / 2)];
  const known = example === undefined ? "There are no such names." : `Names look like "${example}".`;
  return near.length === 0 ? known : `Nearest parts of names: ${near.join(", ")}. ${known}`;
}
