/** @file What is known about the published datasets: their defects by clip, and their sizes. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { EMOTIONS, POLARITIES, SPLITS } from "../record.ts";

const defectSchema = z.strictObject({
  /** As in `Utterance.clip`. */
  clip: z.string(),
  what: z.string(),
  /** `clip`: the clip should not be used; `text`: the words are doubtful; `no-row`: the clip has no row in the annotations. */
  concerns: z.enum(["clip", "text", "no-row"]),
});
export type KnownDefect = z.infer<typeof defectSchema>;

const countsSchema = z.strictObject({
  records: z.number().int().optional(),
  utterances: z.number().int(),
  pairs: z.number().int().optional(),
  emotion: z.partialRecord(z.enum(EMOTIONS), z.number().int()).optional(),
  sentiment: z.partialRecord(z.enum(POLARITIES), z.number().int()).optional(),
});

const editionSchema = z.partialRecord(z.enum(SPLITS), countsSchema);
export type PublishedEdition = z.infer<typeof editionSchema>;

const tableSchema = z.strictObject({
  defects: z.array(defectSchema),
  counts: z.record(z.string(), editionSchema),
  /** Datasets that come in the same files: ECF 1.0's own splits, CMU-MOSI and CH-SIMS as MMSA has them. */
  otherEditions: z.record(z.string(), z.array(editionSchema)),
});

const table = tableSchema.parse(JSON.parse(readFileSync(new URL("./known.json", import.meta.url), "utf8")));
const defectsByClip: ReadonlyMap<string, KnownDefect> = new Map(table.defects.map((defect) => [defect.clip, defect]));

/** The defect that a clip is known for. */
export function knownDefect(clip: string | undefined): KnownDefect | undefined {
  return clip === undefined ? undefined : defectsByClip.get(clip);
}

/** The published sizes of a dataset's splits, the usual edition first; none for one without a table. */
export function publishedEditions(source: string): readonly PublishedEdition[] {
  const usual = table.counts[source];
  return usual === undefined ? [] : [usual, ...(table.otherEditions[source] ?? [])];
}
