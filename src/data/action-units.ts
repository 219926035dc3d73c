/** @file FACS action units: names, the phrases that describe them (MERR's lists), and the set that belongs to each emotion. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { EMOTIONS } from "./record.ts";
import type { Emotion } from "./record.ts";

/** The phrases of a unit such as "AU06", the canonical one first; empty for a unit without phrases. */
export function phrasesOf(unit: string): readonly string[] {
  return table.units[unit]?.phrases ?? [];
}

/** The unit that a phrase describes, whatever its case; undefined for an unknown phrase. No phrase belongs to two units. */
export function unitOf(phrase: string): string | undefined {
  return unitByPhrase.get(phrase.trim().toLowerCase());
}

/** A noun phrase for running text, e.g. "lowered brows"; undefined for a unit without phrases. */
export function cueOf(unit: string): string | undefined {
  return table.units[unit]?.cue;
}

/**
 * The units that count as an expression of an emotion, in order of number: a face's target keeps only these.
 * Emotion-LLaMA's rule set joined with the Ekman and Du prototypes; neutral has none.
 */
export function emotionUnits(emotion: Emotion): readonly string[] {
  return table.emotions[emotion];
}

/** Every unit that has phrases, in order of number. */
export function knownUnits(): readonly string[] {
  return Object.keys(table.units);
}

const unitSchema = z.strictObject({ name: z.string(), cue: z.string(), phrases: z.array(z.string()).min(1) });
const tableSchema = z.strictObject({
  units: z.record(z.string().regex(/^AU\d\d$/), unitSchema),
  emotions: z.record(z.enum(EMOTIONS), z.array(z.string())),
});

const table = tableSchema.parse(JSON.parse(readFileSync(new URL("./action-units.json", import.meta.url), "utf8")));

const unitByPhrase: ReadonlyMap<string, string> = new Map(
  Object.entries(table.units).flatMap(([unit, { phrases }]) => phrases.map((phrase) => [phrase.toLowerCase(), unit] as const)),
);
