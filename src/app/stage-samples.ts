/** @file The training split as stages are planned with, and as they train on. */
import { type Encoder, finder, outlineOf, type SampleOutline } from "../curriculum/outline.ts";
import type { ClipSource } from "../media/clip-store.ts";
import type { Sample, TaskName } from "../tasks/task.ts";
import { encodeSamples, type Learned } from "../text/encode.ts";
import { type ClipPlaces, type ClipUsers, clipSources } from "./clips.ts";
import { type Experiment, samplesOfRecord, type StreamedExperiment } from "./experiment.ts";

/** Outlines of samples that come record by record, with the clips they use; the tokens of one record at a time are held. */
export async function outlineSamples(experiment: ClipPlaces & Pick<Experiment, "encoding">, byRecord: Iterable<readonly Sample[]> | AsyncIterable<readonly Sample[]>): Promise<ClipUsers<SampleOutline>> {
  const outlines: SampleOutline[] = [];
  const sources = new Map<string, ClipSource>();
  for await (const samples of byRecord) {
    for (const source of clipSources(experiment, samples)) sources.set(source.id, source);
    for (const sample of encodeSamples(samples, { ...experiment.encoding, supervise: "answers" })) outlines.push(outlineOf(sample));
  }
  return { samples: outlines, sources: [...sources.values()], clipsOf: ({ clips }) => clips.map(({ clip }) => clip) };
}

/** Encodes those of the samples that it is asked for. */
export function sampleEncoder({ encoding }: Pick<Experiment, "encoding">, samples: readonly Sample[]): (supervise: Learned) => Encoder {
  const find = finder(samples);
  return (supervise) => (outlines) => encodeSamples(find(outlines), { ...encoding, supervise });
}

/**
 * The training split's samples, record by record; the other splits are read too, for what is wrong in them.
 *
 * @throws UserError as the dataset's stream does, or for a record whose labels contradict each other.
 */
export async function* streamTrainingSamples({ dataset, config }: Pick<StreamedExperiment, "dataset" | "config">, tasks: readonly TaskName[]): AsyncGenerator<readonly Sample[]> {
  for await (const record of dataset.stream()) if (record.split === "train") yield samplesOfRecord(record, tasks, config.data);
}
