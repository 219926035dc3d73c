/** @file The training split as stages are planned with, and as they train on. */
import type { EmtRecord } from "../data/record.ts";
import { type Encoder, outlineOf, type SampleOutline } from "../curriculum/outline.ts";
import type { ClipSource } from "../media/clip-store.ts";
import type { TaskName } from "../tasks/task.ts";
import { encodeSamples, type Supervision } from "../text/encode.ts";
import { type ClipPlaces, type ClipUsers, clipSources } from "./clips.ts";
import { type Experiment, samplesOf, samplesOfRecord, type StreamedExperiment } from "./experiment.ts";

/** Outlines of all samples of the tasks, with the clips they use. One record at a time is held. @throws UserError for a record whose labels contradict each other. */
export async function outlineSamples(experiment: ClipPlaces & Pick<Experiment, "encoding">, records: Iterable<EmtRecord> | AsyncIterable<EmtRecord>, tasks: readonly TaskName[]): Promise<ClipUsers<SampleOutline>> {
  const { config, encoding } = experiment;
  const outlines: SampleOutline[] = [];
  const sources = new Map<string, ClipSource>();
  for await (const record of records) {
    const samples = samplesOfRecord(record, tasks, config.data);
    for (const source of clipSources(experiment, samples)) sources.set(source.id, source);
    for (const sample of encodeSamples(samples, { ...encoding, supervise: "answers" })) outlines.push(outlineOf(sample));
  }
  return { samples: outlines, sources: [...sources.values()], clipsOf: ({ clips }) => clips.map(({ clip }) => clip) };
}

/** Of the training split's samples. */
export function sampleEncoder(experiment: Experiment, tasks: readonly TaskName[]): (supervise: Supervision) => Encoder {
  const byId = new Map(samplesOf(experiment, "train", tasks).map((sample) => [sample.id, sample]));
  return (supervise) => (outlines) => encodeSamples(outlines.flatMap(({ id }) => byId.get(id) ?? []), { ...experiment.encoding, supervise });
}

/** The records of the training split; the others are read too, for what is wrong in them. */
export async function* trainingRecords({ dataset }: Pick<StreamedExperiment, "dataset">): AsyncGenerator<EmtRecord> {
  for await (const record of dataset.stream()) if (record.split === "train") yield record;
}
