/** @file All checks by the `kind` of a set: what both the test suite and `npm run test:golden` run. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checkInternvlChat } from "./checks/internvl-chat.ts";
import { checkInternvlImage } from "./checks/internvl-image.ts";
import { checkInternvlPrompts } from "./checks/internvl-prompts.ts";
import { checkSafetensorsDtypes } from "./checks/safetensors-dtypes.ts";
import { checkWhisperEncoder } from "./checks/whisper-encoder.ts";
import { checkWhisperLogmel } from "./checks/whisper-logmel.ts";
import { failed, type Comparison } from "./comparison.ts";
import { openGoldenSet, type GoldenSet } from "./golden-set.ts";

/** Comparisons that belong together: when one cannot be made, the others of the set still are. */
export interface Check {
  /** Shown in place of the arrays when the check ends with an error. */
  readonly name: string;
  readonly run: () => Comparison[] | Promise<Comparison[]>;
}

type Checker = (set: GoldenSet) => Check[] | Promise<Check[]>;

const CHECKS: ReadonlyMap<string, Checker> = new Map<string, Checker>([
  ["internvl-chat", checkInternvlChat],
  ["internvl-image", checkInternvlImage],
  ["internvl-prompts", checkInternvlPrompts],
  ["safetensors-dtypes", checkSafetensorsDtypes],
  ["whisper-encoder", checkWhisperEncoder],
  ["whisper-logmel", checkWhisperLogmel],
]);

export interface SetResult {
  readonly kind: string;
  readonly comparisons: readonly Comparison[];
  /** Arrays that no check reads. */
  readonly unchecked: readonly string[];
}

/** Folders at or below `folder` that hold a set, sorted. */
export function findSets(folder: string): string[] {
  if (existsSync(join(folder, "expected.json"))) return [folder];
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return below.map(({ name }) => join(folder, name)).sort().flatMap(findSets);
}

/** Every comparison of the set in `folder`; whatever goes wrong is a failed comparison. Needs a started backend. */
export async function checkSet(folder: string): Promise<SetResult> {
  let set: GoldenSet;
  try {
    set = await openGoldenSet(folder);
  } catch (error) {
    return { kind: "?", comparisons: [failed("the set", messageOf(error))], unchecked: [] };
  }
  try {
    const checks = CHECKS.get(set.kind);
    if (checks === undefined) return { kind: set.kind, comparisons: [failed("the set", `unknown kind "${set.kind}", known: ${[...CHECKS.keys()].join(", ")}`)], unchecked: [] };
    const comparisons: Comparison[] = [];
    for (const { name, run } of await checks(set)) {
      try {
        comparisons.push(...(await run()));
      } catch (error) {
        comparisons.push(failed(name, messageOf(error)));
      }
    }
    return { kind: set.kind, comparisons, unchecked: set.unused() };
  } catch (error) {
    return { kind: set.kind, comparisons: [failed("the set", messageOf(error))], unchecked: [] };
  } finally {
    set.dispose();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
