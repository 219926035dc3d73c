/** @file ERI rationales: those the user brings (written by hand or by a model), or sentences composed of the labels that are there, marked as such. */
import { UserError } from "../../core/errors.ts";
import { rng } from "../../core/rng.ts";
import { cueOf, emotionUnits } from "../action-units.ts";
import type { Notice } from "../converters/converter.ts";
import { readJsonl } from "../jsonl.ts";
import type { Utterance } from "../record.ts";
import type { BuildOptions } from "./options.ts";
import { reasonLineSchema } from "./reason-line.ts";
import type { ReasonLine } from "./reason-line.ts";

export interface Reasons {
  /** The utterance with its reason and where it comes from; unchanged when there is none. */
  give(utterance: Utterance, where: string, notices: Notice[]): Utterance;
  /** After the build, one sentence per entry of the file that no utterance took (the first 20). */
  unused(): readonly string[];
}

/** @throws UserError (DataError) with every broken line of the user's file; ConfigError when it does not exist. */
export async function openReasons(options: BuildOptions["reasons"]): Promise<Reasons> {
  const given = options.file === undefined ? new Map<string, ReasonLine>() : await readReasons(options.file);
  const left = new Set(given.keys());
  return {
    give: (utterance, where, notices) => {
      const key = [utterance.id, utterance.clip ?? ""].find((name) => given.has(name));
      const line = key === undefined ? undefined : given.get(key);
      if (key !== undefined) left.delete(key);
      if (line !== undefined) return { ...utterance, reason: line.reason, reasonOrigin: line.origin ?? "given" };
      if (utterance.reason !== undefined) return { ...utterance, reasonOrigin: utterance.reasonOrigin ?? "given" };
      const composed = options.compose === "template" ? composeReason(utterance, options.seed) : undefined;
      if (composed !== undefined) return { ...utterance, reason: composed, reasonOrigin: "template" };
      if (options.compose === "template") notices.push({ kind: "no-reason", where, what: `${utterance.id}: no emotion, or neither words nor face to give as a reason` });
      return utterance;
    },
    unused: () => [...left].slice(0, 20).map((id) => `the reason of "${id}" belongs to no utterance of this build`),
  };
}

async function readReasons(file: string): Promise<Map<string, ReasonLine>> {
  const { lines, problems } = await readJsonl(file, reasonLineSchema);
  if (problems.length > 0) throw new UserError(problems);
  return new Map(lines.map(({ value }) => [value.id, value]));
}

/**
 * Face, words, conclusion, in this order and only what is there: "In the video, the person shows a big smile and raised
 * cheeks and says "We won!", which sounds positive, so the emotion is joy." The face's cues are the two strongest units of
 * the emotion. Undefined without an emotion, or with neither face nor words.
 */
export function composeReason(utterance: Utterance, seed: number): string | undefined {
  const { emotion, actionUnits = [], text, sentiment } = utterance;
  if (emotion === undefined) return undefined;
  const units = emotionUnits(emotion);
  const cues = actionUnits
    .filter(({ unit }) => units.includes(unit))
    .sort((a, b) => b.intensity - a.intensity || (a.unit < b.unit ? -1 : 1))
    .flatMap(({ unit }) => cueOf(unit) ?? [])
    .slice(0, 2);
  const words = text.trim() === "" ? undefined : `says "${shortened(text.trim())}"${sentiment === undefined || sentiment.polarity === "neutral" ? "" : `, which sounds ${sentiment.polarity}`}`;
  const face = cues.length === 0 ? undefined : `shows ${cues.join(" and ")}`;
  const parts = [face, words].filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  const conclusion = rng(seed, "conclusion", utterance.id).pick(["so the emotion is", "which points to"]);
  return `In the video, the person ${parts.join(" and ")}, ${conclusion} ${emotion}.`;
}

const MAX_WORDS = 30;

function shortened(text: string): string {
  const words = text.split(/\s+/);
  return words.length <= MAX_WORDS ? words.join(" ") : `${words.slice(0, MAX_WORDS).join(" ")} ...`;
}
