/**
 * @file Trains the tokenizer of a model folder: on the training split of an experiment, as the model will read it, or on
 * plain text files.
 *
 *   npx tsx scripts/train-tokenizer.ts --config configs/meld-text.yaml
 *   npx tsx scripts/train-tokenizer.ts --corpus prompts.txt --vocab 1024 --out data/tiny-emoverse
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { samplesOf } from "../src/app/experiment.ts";
import { tasksOf } from "../src/app/prepare-stage.ts";
import { loadConfig } from "../src/config/index.ts";
import { UserError } from "../src/core/errors.ts";
import { describeSystemError, toJson, writeFileAtomic } from "../src/core/files.ts";
import { openDataset } from "../src/data/dataset.ts";
import { readModelFolder } from "../src/model/checkpoints/hf-folder.ts";
import { MIN_VOCAB_SIZE, trainTokenizer } from "../src/text/bpe-trainer.ts";
import { loadTokenizer } from "../src/text/tokenizer.ts";
import { sharedPromptText } from "./prompt-text.ts";

interface Arguments {
  readonly config?: string;
  readonly corpus?: readonly string[];
  readonly vocab?: number;
  readonly out?: string;
}

/** What to train on, and where the result goes. */
interface Job {
  readonly texts: readonly string[];
  readonly vocab: number;
  readonly out: string;
}

const command = new Command("train-tokenizer")
  .option("--config <file>", "an experiment: its training split, its model folder and that model's vocabulary size")
  .option("--corpus <file...>", "instead: plain text files, with --vocab and --out")
  .option("--vocab <number>", "size of the vocabulary, bytes and control tokens included", parseVocabSize)
  .option("--out <folder>", "where tokenizer.json and tokenizer_config.json go")
  .action(run);

try {
  await command.parseAsync();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}

async function run({ config, corpus, vocab, out }: Arguments): Promise<void> {
  if (config !== undefined) return train(await experimentJob(config));
  if (corpus === undefined || vocab === undefined || out === undefined) throw new UserError({ kind: "ConfigError", where: "train-tokenizer", what: "expected --config, or --corpus, --vocab and --out" });
  return train({ texts: await Promise.all(corpus.map(readText)), vocab, out });
}

async function experimentJob(file: string): Promise<Job> {
  const { config } = await loadConfig(file);
  const { folder, system } = config.model;
  const model = await readModelFolder(folder);
  const samples = samplesOf({ config, dataset: await openDataset(config.data.root) }, "train", tasksOf(config, config.stages));
  return { texts: [sharedPromptText(samples, system)], vocab: model.config.llm_config.vocab_size, out: folder };
}

async function train({ texts, vocab, out }: Job): Promise<void> {
  const files = trainTokenizer(texts, vocab);
  await writeFileAtomic(join(out, "tokenizer_config.json"), toJson(files["tokenizer_config.json"]));
  await writeFileAtomic(join(out, "tokenizer.json"), toJson(files["tokenizer.json"]));
  const tokenizer = await loadTokenizer(out);
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  const tokens = texts.flatMap((text) => text.split("\n")).reduce((sum, line) => sum + tokenizer.encode(line).length, 0);
  process.stdout.write(`${out}: ${tokenizer.vocabSize} tokens, ${(characters / Math.max(tokens, 1)).toFixed(2)} characters per token\n`);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw describeSystemError(error, path);
  }
}

function parseVocabSize(value: string): number {
  const size = Number(value);
  if (Number.isInteger(size) && size >= MIN_VOCAB_SIZE) return size;
  throw new UserError({ kind: "ConfigError", where: "--vocab", what: `got ${value}, expected a whole number of at least ${MIN_VOCAB_SIZE}` });
}
