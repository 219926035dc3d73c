/** @file Experiment: what a config names, opened: the dataset, the model's folder and shape, the tokenizer, the prompts' form. */
import type { RunConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { type Dataset, type DatasetFolder, openDataset, openDatasetFolder } from "../data/dataset.ts";
import type { EmtRecord, Split } from "../data/record.ts";
import type { Predictor } from "../eval/predict.ts";
import type { ClipSpec } from "../media/clip.ts";
import { type ModelFolder, readModelFolder } from "../model/checkpoints/hf-folder.ts";
import { imageSize, tokensPerFrame, tokensPerSound } from "../model/config.ts";
import { TASKS } from "../tasks/index.ts";
import type { Sample, TaskName } from "../tasks/task.ts";
import { chatTemplate } from "../text/chat-template.ts";
import type { EncodeOptions } from "../text/encode.ts";
import { loadTokenizer } from "../text/tokenizer.ts";

export interface Experiment extends OpenModel {
  readonly config: RunConfig;
  readonly dataset: Dataset;
}

/** An experiment whose records are read as they are needed. */
export interface StreamedExperiment extends OpenModel {
  readonly config: RunConfig;
  readonly dataset: DatasetFolder;
}

export interface OpenModel {
  readonly model: ModelFolder;
  readonly encoding: Omit<EncodeOptions, "supervise">;
  readonly clipSpec: ClipSpec;
}

/** Opens dataset and model folder; no weight and no media file is read yet. */
export async function openExperiment(config: RunConfig): Promise<Experiment> {
  return { config, dataset: await openDataset(config.data.root), ...(await openModel(config)) };
}

/** The same for a dataset of any size. */
export async function openStreamedExperiment(config: RunConfig): Promise<StreamedExperiment> {
  return { config, dataset: await openDatasetFolder(config.data.root), ...(await openModel(config)) };
}

/** The part of an experiment that needs no dataset. */
export async function openModel({ model: { folder, audioFolder, system }, data: { frames, modalities } }: Pick<RunConfig, "model" | "data">): Promise<OpenModel> {
  const model = await readModelFolder(folder, { audioFolder });
  const tokenizer = await loadTokenizer(folder);
  checkVocabulary(folder, tokenizer.vocabSize, model.config.llm_config.vocab_size);
  const audio = model.config.audio_config;
  return {
    model,
    encoding: { tokenizer, template: chatTemplate(model.config.template), system, modalities, mediaTokens: { framesPerClip: frames, tokensPerFrame: tokensPerFrame(model.config), tokensPerSound: tokensPerSound(model.config) } },
    clipSpec: { frames, imageSize: imageSize(model.config), melBins: audio?.num_mel_bins ?? 80, melFrames: 2 * (audio?.max_source_positions ?? 0) },
  };
}

/** The opened model with weights and media, ready to be asked. */
export function predictorOf({ model, encoding }: OpenModel, loaded: Pick<Predictor, "params" | "media" | "rowTokens" | "pairThreshold">): Predictor {
  return { config: model.config, encoding, ...loaded };
}

/** The samples of a split for the given tasks, record by record. */
export function samplesOf({ dataset, config }: Pick<Experiment, "dataset" | "config">, split: Split, tasks: readonly TaskName[]): Sample[] {
  return dataset.records(split).flatMap((record) => samplesOfRecord(record, tasks, config.data));
}

/** @throws UserError when the record's labels contradict each other. */
export function samplesOfRecord(record: EmtRecord, tasks: readonly TaskName[], data: RunConfig["data"]): Sample[] {
  const samples = tasks.flatMap((task) => TASKS[task].samples(record, data));
  return data.conversationClip === "target" ? samples : samples.map(withoutTargetClip);
}

/** Clip tasks show their clip in the prefix; in an instruction only a conversation's target has one. */
function withoutTargetClip(sample: Sample): Sample {
  return { ...sample, instruction: sample.instruction.filter(({ kind }) => kind !== "clip") };
}

function checkVocabulary(folder: string, tokens: number, embeddings: number): void {
  if (tokens <= embeddings) return;
  throw new UserError({
    kind: "CheckpointError",
    where: folder,
    what: `the tokenizer has ${tokens} tokens, but config.json has embeddings for ${embeddings} (llm_config.vocab_size)`,
    hint: "Tokenizer and model are not of one checkpoint.",
  });
}
