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

/** What the user may have meant: the parts of known names nearest to the words of the pattern. */
export function patternHint(pattern: string, names: readonly string[]): string {
  const parts = [...new Set(names.flatMap((name) => name.split(".")))].filter((part) => !/^\d+$/.test(part));
  const words = pattern.replace(/\\[a-z]/g, " ").match(/\w+/g) ?? [];
  const near = [...new Set(words.filter((word) => !/^\d+$/.test(word) && !parts.includes(word)).flatMap((word) => nearestNames(word, parts)))];
  const example = names[Math.floor(names.length / 2)];
  const known = example === undefined ? "There are no such names." : `Names look like "${example}".`;
  return near.length === 0 ? known : `Nearest parts of names: ${near.join(", ")}. ${known}`;
}
