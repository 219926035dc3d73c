/** @file FER labels of utterances from OpenFace's output: peak frame, its units, those of the emotion, a phrase for each. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { rng } from "../../core/rng.ts";
import { emotionUnits, phrasesOf } from "../action-units.ts";
import type { BuildOptions } from "../build/options.ts";
import type { Notice } from "../converters/converter.ts";
import type { Emotion, Utterance } from "../record.ts";
import { pathFault } from "../probing/inspect-clip.ts";
import { readOpenFace } from "./openface.ts";
import { peakFrame, presentUnits } from "./peak.ts";

export interface FaceLabels {
  /** The utterance with its units and phrases; unchanged, with a notice, when there is nothing to label it by. */
  label(input: { readonly utterance: Utterance; readonly where: string; readonly files: readonly string[] }, notices: Notice[]): Promise<Utterance>;
}

/** @throws UserError - ConfigError when the folder does not exist. */
export async function openFaces(options: BuildOptions["faces"]): Promise<FaceLabels> {
  const { root } = options;
  if (root === undefined) return { label: ({ utterance }) => Promise.resolve(utterance) };
  const found = await stat(root).catch(() => undefined);
  if (found?.isDirectory() !== true) throw new UserError({ kind: "ConfigError", where: "option faces.root", what: `got ${root}, expected a folder of OpenFace's CSV files` });
  return {
    label: async ({ utterance, where, files }, notices) => {
      const tell = (what: string): void => void notices.push({ kind: "faces", where, what: `${utterance.id}: ${what}` });
      const path = await firstFile(root, files);
      if (path === undefined) tell(`no OpenFace file (${files.slice(0, 2).join(", ")}); no FER label`);
      return path === undefined ? utterance : labelFrom(path, { utterance, options, tell });
    },
  };
}

async function labelFrom(path: string, { utterance, options, tell }: { readonly utterance: Utterance; readonly options: BuildOptions["faces"]; readonly tell: (what: string) => void }): Promise<Utterance> {
  const track = await readOpenFace(path, options.minConfidence).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    tell(error.problems[0]?.what ?? error.message);
    return undefined;
  });
  if (track === undefined) return utterance;
  for (const { line, what } of track.broken) tell(`${path}:${line}: ${what}${line === track.rows + 1 ? " (the last row: the recording was cut off)" : ""}; the row is left out`);
  if (track.severalFaces) tell(`${path}: several faces; in each frame the surest one counts`);
  const peak = peakFrame(track.frames, options);
  if (peak === undefined) {
    tell(`${path}: no frame with a face (success 1, confidence at least ${options.minConfidence}); no FER label`);
    return utterance;
  }
  const units = presentUnits(peak, options);
  const { phrases, what } = choosePhrases(units.map(({ unit }) => unit), { utterance, options });
  if (what !== undefined) tell(`${path}: ${what}; no FER label`);
  return { ...utterance, actionUnits: units.map(({ unit, intensity }) => ({ unit, intensity })), ...(phrases.length === 0 ? {} : { expression: [...phrases] }) };
}

/** One phrase per unit, drawn by (seed, utterance, unit), so that neither order nor other clips change it. */
function choosePhrases(units: readonly string[], { utterance, options }: { readonly utterance: Utterance; readonly options: BuildOptions["faces"] }): { readonly phrases: readonly string[]; readonly what?: string } {
  const { emotion } = utterance;
  if (emotion === undefined && options.empty === "skip") return { phrases: [], what: "without an emotion there is no set of units to keep" };
  const own = emotion === undefined ? [] : unitsOfEmotion(units, emotion);
  const kept = own.length === 0 && options.empty === "all-units" ? units : own;
  const phrases = kept.flatMap((unit) => {
    const choices = phrasesOf(unit);
    return choices.length === 0 ? [] : [rng(options.seed, "phrase", utterance.id, unit).pick(choices)];
  });
  return phrases.length > 0 ? { phrases } : { phrases, what: `none of the units ${units.join(", ") || "(none)"} belongs to ${emotion ?? "an emotion"}` };
}

function unitsOfEmotion(units: readonly string[], emotion: Emotion): readonly string[] {
  const set = emotionUnits(emotion);
  return units.filter((unit) => set.includes(unit));
}

async function firstFile(root: string, files: readonly string[]): Promise<string | undefined> {
  for (const file of files) {
    if (pathFault(file) !== undefined) continue;
    const found = await stat(join(root, file)).catch(() => undefined);
    if (found?.isFile() === true) return join(root, file);
  }
  return undefined;
}
