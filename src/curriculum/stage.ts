/** @file Which stages a command means by `--stage`. */
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";

/**
 * The stages a word stands for: `all`, a number counted from 1, or a name.
 *
 * @throws UserError (ConfigError) that lists the known names.
 */
export function selectStages<S extends { readonly name: string }>(stages: readonly S[], wanted: string): readonly S[] {
  if (wanted === "all") return stages;
  const stage = stages.find(({ name }) => name === wanted) ?? (/^[1-9]\d*$/.test(wanted) ? stages[Number(wanted) - 1] : undefined);
  if (stage !== undefined) return [stage];
  const known = ["all", ...stages.map((_, i) => String(i + 1)), ...stages.map(({ name }) => name)];
  throw new UserError({ kind: "ConfigError", where: "--stage", what: `unknown stage "${wanted}"`, hint: didYouMean(wanted, known) });
}
