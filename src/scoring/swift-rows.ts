/** @file Answers as ms-swift's inference writes them, the layout that the paper's compute_result.py reads. */
import { renderLabel } from "../tasks/label-answer.ts";
import type { TaskName } from "../tasks/task.ts";
import type { AlignedRow } from "./align.ts";
import { labelSet, labelWord } from "./label-official.ts";
import { isNoCause } from "./pair-rows.ts";

export interface SwiftRows {
  readonly lines: string;
  /** Answers that would end the script and were written as wrong ones. */
  readonly replaced: number;
}

/**
 * One line per sample. compute_result.py ends with an exception at an answer outside the labels, or at a pair without
 * `_`: such an answer, and a missing one, is written as a wrong one of the right form.
 */
export function toSwiftRows(task: TaskName, rows: readonly AlignedRow[]): SwiftRows {
  const answers = rows.map((row) => answerFor(task, row, rows));
  const lines = rows.map(({ id }, i) => `${JSON.stringify({ query: "", response: answers[i]?.response ?? "", label: answers[i]?.label ?? "", history: [], images: id === undefined ? [] : [id] })}\n`);
  return { lines: lines.join(""), replaced: answers.filter(({ replaced }) => replaced).length };
}

interface SwiftAnswer {
  readonly label: string;
  readonly response: string;
  readonly replaced: boolean;
}

function answerFor(task: TaskName, { gold, response = "" }: AlignedRow, rows: readonly AlignedRow[]): SwiftAnswer {
  if (task === "ecpe") return pairAnswer(gold, response);
  if (task !== "erc" && task !== "msa") return { label: gold, response, replaced: false };
  const labels = labelSet(task, rows.map((row) => row.gold));
  const label = labelWord(gold);
  const read = labels.find((one) => one === labelWord(response));
  return { label: renderLabel(label), response: renderLabel(read ?? labels.find((one) => one !== label) ?? label), replaced: read === undefined };
}

function pairAnswer(gold: string, response: string): SwiftAnswer {
  if (isNoCause(gold)) return { label: "", response: isNoCause(response) ? "" : response, replaced: false };
  const legible = !isNoCause(response) && response.split(";").every((piece) => piece.split(",")[0]?.includes("_") === true);
  // Utterances are numbered from 1: no gold answer names 0.
  return { label: gold, response: legible ? response : `${gold.split(",")[0] ?? ""},0`, replaced: !legible };
}
