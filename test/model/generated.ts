/** @file The answers of a generation, collected. */
import type { Answer } from "../../src/model/answer-batch.ts";

/** Token ids by prompt; every prompt must be answered once. */
export async function answersByPrompt(steps: AsyncIterable<readonly Answer[]>): Promise<number[][]> {
  const answers: Answer[] = [];
  for await (const some of steps) answers.push(...some);
  const byPrompt: number[][] = [];
  for (const { prompt, ids } of answers) byPrompt[prompt] = [...ids];
  if (Object.keys(byPrompt).length !== answers.length || byPrompt.length !== answers.length) throw new Error(`prompts ${answers.map(({ prompt }) => prompt).join()} were answered`);
  return byPrompt;
}
