/** @file What `m2se data reasons` says: the question it would ask, how far it is, what came of it. */
import type { ReasonsEvent, ReasonsPreview, ReasonsResult } from "../app.ts";
import { renderCount, renderDuration } from "./numbers.ts";

type Counts = ReasonsPreview["counts"];

/** One whole request, and the size of the job. */
export function renderReasonsPreview({ counts, questions, tokens, cost, address, settings, prompt }: ReasonsPreview): string {
  const size = `questions: ${renderCount(questions)}, about ${renderCount(tokens.input)} tokens in and ${renderCount(tokens.output)} out${cost === undefined ? "" : `; cost about ${renderCost(cost)}`}`;
  const request = prompt === undefined ? [] : [`POST ${address} ${JSON.stringify(settings)}\n\n${prompt}`, `${size} (estimated; second tries and a reasoning model's thoughts come on top)`];
  return [renderCounts(counts), ...request, "Nothing was sent."].join("\n\n");
}

export function renderReasonsProgress(event: Exclude<ReasonsEvent, { kind: "rejected" }>): string {
  if (event.kind === "retry") return `${event.what}; again in ${renderDuration(event.waitMs)}`;
  const { done, questions, rejected, cost } = event;
  return `${renderCount(done)} of ${renderCount(questions)} answered, ${renderCount(rejected)} rejected${cost === undefined ? "" : `, cost ${renderCost(cost)}`}`;
}

const ENDS = {
  done: "Nothing is left to ask.",
  limit: "--limit is reached.",
  "most-cost": "Stopped: another question might cost more than --max-cost.",
  stopped: "Stopped.",
} as const satisfies Record<ReasonsResult["end"], string>;

/** `shown` is the output file as the user named it. */
export function renderReasonsResult({ before, written, rejected, rejectedOut, left, asked, tokens, estimatedAnswers, cost, end }: ReasonsResult, shown: string): string {
  const guess = estimatedAnswers === 0 ? "" : ` (${renderCount(estimatedAnswers)} of the answers estimated: the server did not count)`;
  const lines = [
    `${renderCount(written)} written, ${renderCount(rejected)} rejected, ${renderCount(left)} left; questions asked: ${renderCount(asked)}. ${ENDS[end]}`,
    `tokens: ${renderCount(tokens.input)} in, ${renderCount(tokens.output)} out${guess}${cost === undefined ? "" : `; cost ${renderCost(cost)}`}`,
    ...(rejected + before.rejected === 0 ? [] : [`Rejected answers, with what is wrong, are in ${rejectedOut}; a question is asked again once its line there is deleted.`]),
    ...(left === 0 ? [] : ["The same command goes on from here."]),
    `Read ${shown}, then build with --set reasons.file=${shown}`,
  ];
  return [renderCounts(before), lines.join("\n")].join("\n\n");
}

function renderCounts({ utterances, withReason, withoutEmotion, withoutCues, written, writtenOtherwise, rejected, open }: Counts): string {
  const otherwise = writtenOtherwise === 0 ? "" : ` (${renderCount(writtenOtherwise)} by another model or prompt: delete their lines to have them written anew)`;
  const parts: readonly (readonly [string, number, string?])[] = [
    ["to be asked about", open],
    ["with a reason in the dataset", withReason],
    ["with one in the file", written, otherwise],
    ["whose answers were rejected", rejected],
    ["without emotion", withoutEmotion],
    ["with neither words nor face", withoutCues],
  ];
  return `utterances: ${[...parts.filter(([, count]) => count > 0).map(([what, count, more = ""]) => `${renderCount(count)} ${what}${more}`), `${renderCount(utterances)} in all`].join(", ")}`;
}

function renderCost(cost: number): string {
  return cost.toFixed(cost < 1 ? 4 : 2);
}
