/**
 * @file Writes every prompt and answer of a synthetic dataset's training split as plain text: the corpus of the tiny
 * model's tokenizer. No clip is rendered for it.
 *
 *   npx tsx scripts/prompt-corpus.ts --clips 4000 --seed 1 --out prompts.txt
 *   npx tsx scripts/train-tokenizer.ts --corpus prompts.txt --vocab 1024 --out data/tiny-emoverse
 */
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import { scriptDataset } from "../src/data/synthetic/script.ts";
import { TASKS } from "../src/tasks/index.ts";
import { TASK_NAMES } from "../src/tasks/task.ts";
import { promptText } from "./prompt-text.ts";

const { clips, seed, out } = new Command("prompt-corpus")
  .requiredOption("--clips <number>", "size of the dataset", Number)
  .requiredOption("--seed <number>", "its seed", Number)
  .requiredOption("--out <file>", "where the text goes")
  .parse()
  .opts<{ clips: number; seed: number; out: string }>();

const records = scriptDataset({ clips, seed }).map(({ record }) => record).filter(({ split }) => split === "train");
const samples = records.flatMap((record) => TASK_NAMES.flatMap((task) => TASKS[task].samples(record)));
await writeFile(out, promptText(samples, "You are an sentiment and emotion analysis expert."));
