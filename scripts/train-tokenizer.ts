/**
 * @file Trains the tokenizer of a model folder on plain text files, one text per line.
 *
 *   npx tsx scripts/train-tokenizer.ts --corpus prompts.txt --vocab 2048 --out configs/tiny-model
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { UserError } from "../src/core/errors.ts";
import { describeSystemError, toJson, writeFileAtomic } from "../src/core/files.ts";
import { MIN_VOCAB_SIZE, trainTokenizer } from "../src/text/bpe-trainer.ts";
import { loadTokenizer } from "../src/text/tokenizer.ts";

interface Arguments {
  readonly corpus: readonly string[];
  readonly vocab: number;
  readonly out: string;
}

const command = new Command("train-tokenizer")
  .requiredOption("--corpus <file...>", "plain text files")
  .requiredOption("--vocab <number>", "size of the vocabulary, bytes and control tokens included", parseVocabSize)
  .requiredOption("--out <folder>", "where tokenizer.json and tokenizer_config.json go")
  .action(run);

try {
  await command.parseAsync();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}

async function run({ corpus, vocab, out }: Arguments): Promise<void> {
  const texts = await Promise.all(corpus.map(readText));
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
