/** @file `--stage 1|2|all|NAME`. */
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { RunConfig } from "./schema.ts";

/**
 * Names of the chosen stages in order: `all`, a position from 1 on, or a name.
 *
 * @throws UserError when there is no such stage.
 */
export function selectStages({ stages }: Pick<RunConfig, "stages">, choice: string): string[] {
  const names = stages.map(({ name }) => name);
  if (choice === "all") return names;
  const chosen = names.find((name, index) => name === choice || String(index + 1) === choice);
  if (chosen !== undefined) return [chosen];
  const last = names.length;
  const what = /^-?\d+$/.test(choice) ? `got ${choice}, expected a stage from 1 to ${last}` : `no stage is called "${choice}"`;
  throw new UserError({ kind: "ConfigError", where: `--stage ${choice}`, what, hint: didYouMean(choice, ["all", ...names]) });
}
