/** @file The answers of a generation, collected. */
import type { Answer } from "../../src/model/answer-batch.ts";

/** Token ids by prompt; every prompt must be answered once. */
export function answersByPrompt(steps: Iterable<readonly Answer[]>): number[][] {
  const answers = [...steps].flat();
  const byPrompt: number[][] = [];
  for (const { prompt, ids } of answers) byPrompt[prompt] = [...ids];
  if (Object.keys(byPrompt).length !== answers.length || byPrompt.length !== answers.length) throw new Error(`prompts ${answers.map(({ prompt }) => prompt).join()} were answered`);
  return byPrompt;
}
