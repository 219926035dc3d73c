/** @file The training split as stages are planned with, and as they train on. */
import { type Encoder, finder, outlineOf, type SampleOutline } from "../curriculum/outline.ts";
import type { StageConfig } from "../config/index.ts";
import type { ClipSource } from "../media/clip-store.ts";
import type { Sample, TaskName } from "../tasks/task.ts";
import { encodeSamples, type Learned } from "../text/encode.ts";
import { type ClipPlaces, type ClipsEvent, type ClipUsers, clipSources, type Survey, type Surveyed, surveySamples } from "./clips.ts";
import { type Experiment, samplesOfRecord, type StreamedExperiment } from "./experiment.ts";

/** The experiment with the inputs that a stage sees. */
export function asSeenBy<T extends Pick<Experiment, "encoding">>(experiment: T, { modalities: seen }: Pick<StageConfig, "modalities">): T {
  const { encoding } = experiment;
  return seen === undefined ? experiment : { ...experiment, encoding: { ...encoding, modalities: encoding.modalities.filter((modality) => seen.includes(modality)) } };
}

/** The samples of every stage as it sees them, with their clips made sure of. */
export async function* surveyStages(experiment: ClipPlaces & Pick<Experiment, "encoding">, stages: readonly StageConfig[], { byRecord, ...survey }: Survey & { readonly byRecord: () => Records }): AsyncGenerator<ClipsEvent, ReadonlyMap<StageConfig, Surveyed<SampleOutline>>> {
  const byInputs = new Map<string, Surveyed<SampleOutline>>();
  const byStage = new Map<StageConfig, Surveyed<SampleOutline>>();
  for (const stage of stages) {
    const view = asSeenBy(experiment, stage);
    const inputs = view.encoding.modalities.join();
    const surveyed = byInputs.get(inputs) ?? (yield* surveySamples(view, await outlineSamples(view, byRecord()), survey));
    byInputs.set(inputs, surveyed);
    byStage.set(stage, surveyed);
  }
  return byStage;
}

type Records = Iterable<readonly Sample[]> | AsyncIterable<readonly Sample[]>;

/** Outlines of samples that come record by record, with the clips they use; the tokens of one record at a time are held. */
async function outlineSamples(experiment: ClipPlaces & Pick<Experiment, "encoding">, byRecord: Records): Promise<ClipUsers<SampleOutline>> {
  const outlines: SampleOutline[] = [];
  const sources = new Map<string, ClipSource>();
  for await (const samples of byRecord) {
    for (const source of clipSources(experiment, samples)) sources.set(source.id, source);
    for (const sample of encodeSamples(samples, { ...experiment.encoding, supervise: "answers" })) outlines.push(outlineOf(sample));
  }
  return { samples: outlines, sources: [...sources.values()], clipsOf: ({ clips }) => clips.map(({ clip }) => clip) };
}

/** Encodes those of the samples that it is asked for, as an experiment's inputs are. */
export function sampleEncoder(samples: readonly Sample[]): (experiment: Pick<Experiment, "encoding">, supervise: Learned) => Encoder {
  const find = finder(samples);
  return ({ encoding }, supervise) => (outlines) => encodeSamples(find(outlines), { ...encoding, supervise });
}

/**
 * The training split's samples, record by record; the other splits are read too, for what is wrong in them.
 *
 * @throws UserError as the dataset's stream does, or for a record whose labels contradict each other.
 */
export async function* streamTrainingSamples({ dataset, config }: Pick<StreamedExperiment, "dataset" | "config">, tasks: readonly TaskName[]): AsyncGenerator<readonly Sample[]> {
  for await (const record of dataset.stream()) if (record.split === "train") yield samplesOfRecord(record, tasks, config.data);
}
