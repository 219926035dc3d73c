/** @file The text that a tokenizer is trained on: prompts and answers as a model reads them. */
import type { Part, Sample } from "../src/tasks/task.ts";

/** What chat templates and media add to prompts. */
const FRAME = "system\nuser\nassistant\nFrame1: \nFrame2: \nFrame3: \nFrame4: \nFrame5: \nFrame6: \nFrame7: \nFrame8: \nAudio: \n";

/** Every prompt and answer of the samples, after the system turn. */
export function promptText(samples: readonly Sample[], system: string): string {
  const texts = samples.map(({ prefix, instruction, target }) => `${spoken(prefix)}${spoken(instruction)}\n${target}\n`);
  return `${system}\n${FRAME}${texts.join("")}`;
}

/** As `promptText`, but what samples share stands there once: in a long dialogue every word would count as often as it has turns. */
export function sharedPromptText(samples: readonly Sample[], system: string): string {
  const prefixes = new Map(samples.map(({ prefixKey, prefix }) => [prefixKey, `${spoken(prefix)}\n`]));
  const branches = samples.map(({ instruction, target }) => `${spoken(instruction)}\n${target}\n`);
  return `${system}\n${FRAME}${[...prefixes.values(), ...branches].join("")}`;
}

function spoken(parts: readonly Part[]): string {
  return parts.map((part) => (part.kind === "clip" ? "\n" : part.text)).join("");
}
