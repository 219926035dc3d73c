/** @file Parsers of flag values; a wrong value is a usage error that says what is accepted. */
import { InvalidArgumentError } from "commander";
import { backendHint, isBackendName, MODALITIES, type BackendName, type InputModality } from "../../config/index.ts";
import { didYouMean } from "../../core/suggest.ts";
import type { Shard } from "../app.ts";
import { TASK_NAMES, type TaskName } from "../../tasks/task.ts";

/** A whole number above 0. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value)) throw new InvalidArgumentError("Expected a whole number above 0.");
  return value;
}

/** Zero or a number above it. */
export function amount(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !Number.isFinite(value)) throw new InvalidArgumentError("Expected a number such as 0.15.");
  return value;
}

/** A whole number. */
export function integer(text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError("Expected a whole number.");
  return value;
}

/** `i/n`. */
export function shard(text: string): Shard {
  const [, index = Number.NaN, count = Number.NaN] = (/^(\d{1,9})\/(\d{1,9})$/.exec(text) ?? []).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new InvalidArgumentError("Expected i/n in whole numbers, i from 1 to n, e.g. 2/8.");
}

/** `all`, or task names with commas between; `mer` is the paper's name of `erc`. */
export function taskList(text: string): readonly TaskName[] {
  if (text === "all") return TASK_NAMES;
  return wordList({ text: text.replace(/\bmer\b/g, "erc"), known: TASK_NAMES, more: ["all"] });
}

/** Names of inputs with commas between. */
export function modalityList(text: string): readonly InputModality[] {
  return wordList({ text, known: MODALITIES, more: [] });
}

/** A backend, or `webgpu:NAME`. */
export function knownBackend(text: string): BackendName {
  if (isBackendName(text)) return text;
  throw new InvalidArgumentError(`"${text}" is not one. ${backendHint(text)}`);
}

/** For flags that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function wordList<T extends string>({ text, known, more }: { readonly text: string; readonly known: readonly T[]; readonly more: readonly string[] }): readonly T[] {
  const words = text.split(",").map((word) => word.trim());
  const unknown = words.find((word) => !known.some((name) => name === word));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is not one. ${didYouMean(unknown, [...known, ...more])}`);
  return known.filter((name) => words.includes(name));
}
