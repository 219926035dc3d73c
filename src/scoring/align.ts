/**
 * @file Predictions beside gold answers. A system cannot gain by leaving hard samples out: the gold file says what is
 * scored, a missing prediction is wrong and counted, and so are two predictions that differ.
 */
import { UserError } from "../core/errors.ts";
import type { Answer } from "./answer-file.ts";
import { sampleKey } from "./sample-ids.ts";

export interface AlignedRow {
  readonly where: string;
  readonly id?: string;
  readonly gold: string;
  /** Undefined: no prediction, or predictions that contradict each other. */
  readonly response: string | undefined;
}

/** How many, and the first few by id. */
export interface Counted {
  readonly count: number;
  readonly first: readonly string[];
}

export interface Alignment {
  /** `id`: by id; `name`: by what the ids of both files name (dialogue and utterance, video and clip); `order`: row by row; `own`: the predictions hold the gold answers. */
  readonly by: "id" | "name" | "order" | "own";
  /** Gold answers without a prediction: wrong. */
  readonly missing: Counted;
  /** Ids that are predicted several times with the same answer (counted once) or with different ones (wrong). */
  readonly repeated: Counted;
  readonly contradicting: Counted;
  /** Predictions of what is not in the gold file: ignored. */
  readonly superfluous: Counted;
  /** Predictions whose own gold answer differs from the gold file's, which counts. */
  readonly otherGold: Counted;
}

export interface Aligned {
  readonly rows: readonly AlignedRow[];
  readonly alignment: Alignment;
}

const MAX_SHOWN = 5;

export function counted(names: readonly string[]): Counted {
  return { count: names.length, first: names.slice(0, MAX_SHOWN) };
}

const NONE: Counted = { count: 0, first: [] };
export const NOTHING_AMISS = { missing: NONE, repeated: NONE, contradicting: NONE, superfluous: NONE, otherGold: NONE } as const;

/** @throws UserError when a prediction has no gold answer of its own. */
export function alignWithOwnGold(predictions: readonly Answer[]): Aligned {
  const without = predictions.filter(({ gold }) => gold === undefined);
  if (without.length > 0) {
    throw new UserError({ kind: "DataError", where: without[0]?.where ?? "predictions", what: `no gold answer in this row (${without.length} of ${predictions.length} rows have none)`, hint: "Name the gold answers with --gold." });
  }
  const groups = groupByKey(predictions.filter(({ id }) => id !== undefined), (id) => id);
  const repeated = [...groups].filter(([, answers]) => answers.length > 1).map(([id]) => id);
  const rows = predictions.map(({ where, id, gold = "", response }) => ({ where, ...(id === undefined ? {} : { id }), gold, response }));
  return { rows, alignment: { by: "own", ...NOTHING_AMISS, repeated: counted(repeated) } };
}

/**
 * Every gold answer with its prediction.
 *
 * @param same - whether two gold answers of one sample mean the same.
 * @throws UserError when ids of the gold file repeat, when no id is in both files, or when rows without ids differ in number or gold.
 */
export function align(gold: readonly Answer[], predictions: readonly Answer[], same: (a: string, b: string) => boolean): Aligned {
  const withIds = gold.every(({ id }) => id !== undefined) && predictions.every(({ id }) => id !== undefined);
  if (!withIds) return alignByOrder(gold, predictions, same);
  const ids = new Set(gold.map(({ id = "" }) => id));
  if (predictions.some(({ id = "" }) => ids.has(id))) return alignById({ gold, predictions, same, keyOf: (id) => id, by: "id" });
  const keys = new Set(gold.map(({ id = "" }) => sampleKey(id)));
  if (predictions.some(({ id = "" }) => keys.has(sampleKey(id)))) return alignById({ gold, predictions, same, keyOf: sampleKey, by: "name" });
  const example = (answers: readonly Answer[]): string => answers.slice(0, 3).map(({ id }) => JSON.stringify(id)).join(", ");
  throw new UserError({ kind: "DataError", where: predictions[0]?.where ?? "predictions", what: `no prediction has the id of a gold answer. Got ids such as ${example(predictions)}, expected such as ${example(gold)}`, hint: "Are both files of the same dataset and split?" });
}

interface ById {
  readonly gold: readonly Answer[];
  readonly predictions: readonly Answer[];
  readonly same: (a: string, b: string) => boolean;
  readonly keyOf: (id: string) => string;
  readonly by: "id" | "name";
}

function alignById({ gold, predictions, same, keyOf, by }: ById): Aligned {
  const groups = groupByKey(predictions, keyOf);
  const seen = new Map<string, string>();
  for (const { id = "", where } of gold) {
    const before = seen.get(keyOf(id));
    if (before !== undefined) throw new UserError({ kind: "DataError", where, what: `the gold answer of "${id}" is there twice, first in ${before}`, hint: "A sample has one gold answer: leave one of the lines." });
    seen.set(keyOf(id), where);
  }
  const missing: string[] = [];
  const repeated: string[] = [];
  const contradicting: string[] = [];
  const otherGold: string[] = [];
  const rows = gold.map(({ where, id = "", gold: right = "" }): AlignedRow => {
    const given = groups.get(keyOf(id)) ?? [];
    const answers = new Set(given.map(({ response }) => response));
    if (given.length === 0) missing.push(id);
    if (given.length > 1) (answers.size > 1 ? contradicting : repeated).push(id);
    if (given.some((one) => one.gold !== undefined && !same(one.gold, right))) otherGold.push(id);
    return { where, id, gold: right, response: answers.size === 1 ? given[0]?.response : undefined };
  });
  const superfluous = [...groups].filter(([key]) => !seen.has(key)).map(([, [first]]) => first?.id ?? "");
  return {
    rows,
    alignment: { by, missing: counted(missing), repeated: counted(repeated), contradicting: counted(contradicting), superfluous: counted(superfluous), otherGold: counted(otherGold) },
  };
}

function groupByKey(answers: readonly Answer[], keyOf: (id: string) => string): ReadonlyMap<string, readonly Answer[]> {
  const groups = new Map<string, Answer[]>();
  for (const answer of answers) {
    const key = keyOf(answer.id ?? "");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [answer]);
    else group.push(answer);
  }
  return groups;
}

function alignByOrder(gold: readonly Answer[], predictions: readonly Answer[], same: (a: string, b: string) => boolean): Aligned {
  if (gold.length !== predictions.length) {
    throw new UserError({
      kind: "DataError",
      where: predictions[0]?.where ?? "predictions",
      what: `got ${predictions.length} predictions, expected ${gold.length} as in the gold file: rows without ids can only be matched by their order`,
      hint: "Give both files ids (a column id, or Dialogue_ID and Utterance_ID, or video_id and clip_id).",
    });
  }
  const other = predictions.findIndex(({ gold: own }, i) => own !== undefined && !same(own, gold[i]?.gold ?? ""));
  if (other >= 0) {
    throw new UserError({ kind: "DataError", where: predictions[other]?.where ?? "", what: `this row's own gold answer is ${JSON.stringify(predictions[other]?.gold)}, but row ${other + 1} of the gold file says ${JSON.stringify(gold[other]?.gold)}`, hint: "Without ids in both files the rows are matched by their order: the orders differ." });
  }
  const rows = gold.map(({ where, id, gold: right = "" }, i): AlignedRow => ({ where, ...(id === undefined ? {} : { id }), gold: right, response: predictions[i]?.response }));
  return { rows, alignment: { by: "order", ...NOTHING_AMISS } };
}
