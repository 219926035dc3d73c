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
import { type Part, TASK_NAMES } from "../src/tasks/task.ts";

const SYSTEM = "You are an sentiment and emotion analysis expert.\nsystem\nuser\nassistant\nFrame1: \nFrame2: \nFrame3: \nFrame4: \nFrame5: \nFrame6: \nFrame7: \nFrame8: \nAudio: \n";

const { clips, seed, out } = new Command("prompt-corpus")
  .requiredOption("--clips <number>", "size of the dataset", Number)
  .requiredOption("--seed <number>", "its seed", Number)
  .requiredOption("--out <file>", "where the text goes")
  .parse()
  .opts<{ clips: number; seed: number; out: string }>();

const records = scriptDataset({ clips, seed }).map(({ record }) => record).filter(({ split }) => split === "train");
const texts = records.flatMap((record) => TASK_NAMES.flatMap((task) => TASKS[task].samples(record))).map(({ prefix, instruction, target }) => `${spoken(prefix)}${spoken(instruction)}\n${target}\n`);
await writeFile(out, SYSTEM + texts.join(""));

function spoken(parts: readonly Part[]): string {
  return parts.map((part) => (part.kind === "clip" ? "\n" : part.text)).join("");
}
