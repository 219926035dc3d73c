/** @file Reading answers of any accepted format; the content decides which one it is, and what fits none is refused. */
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { readJsonItems } from "../data/files/json-items.ts";
import { detectEncoding, textChunks } from "../data/files/text-file.ts";
import { recordSchema } from "../data/record.ts";
import type { Split } from "../data/record.ts";
import type { TaskName } from "../tasks/task.ts";
import type { Answer, AnswerFile, Conversation, Role } from "./answer-file.ts";
import { readCsvAnswers } from "./read-csv.ts";

export interface ReadOptions {
  readonly role: Role;
  readonly task: TaskName;
  /** Of files that hold several splits. */
  readonly split: Split;
}

export const ACCEPTED: Readonly<Record<Role, string>> = {
  predictions:
    "Accepted as predictions: m2se predictions (JSON lines with id, task, gold, response), ms-swift inference (JSON lines with response and label or labels), SemEval-2024 task 3 (a JSON list with conversation_ID and emotion-cause_pairs), CSV with a column y_pred (and y_true, id, or Dialogue_ID and Utterance_ID, or video_id and clip_id).",
  gold: "Accepted as gold: SemEval-2024 task 3 (a JSON list with conversation_ID and emotion-cause_pairs), MELD's CSV, MMSA's label.csv, CSV with a column y_true, a dataset of m2se (JSON lines of records), ms-swift rows (query and response, or messages), m2se predictions and ms-swift inference (their gold or label).",
};

/**
 * The answers of a file.
 *
 * @throws UserError listing what was found and what is accepted when the format is unknown; or every broken line.
 */
export async function readAnswers(path: string, options: ReadOptions): Promise<AnswerFile> {
  const beginning = await firstCharacter(path);
  if (beginning === undefined) throw unknown(path, "an empty file", options.role);
  return beginning === "[" || beginning === "{" ? readJsonAnswers(path, options) : readCsvAnswers(path, { ...options, accepted: ACCEPTED[options.role] });
}

async function firstCharacter(path: string): Promise<string | undefined> {
  for await (const chunk of textChunks(path, await detectEncoding(path))) {
    const first = chunk.trimStart()[0];
    if (first !== undefined) return first;
  }
  return undefined;
}

interface Item {
  readonly where: string;
  readonly value: Readonly<Record<string, unknown>>;
}

async function readJsonAnswers(path: string, options: ReadOptions): Promise<AnswerFile> {
  const items: Item[] = [];
  const problems: Problem[] = [];
  for await (const item of readJsonItems(path)) {
    const where = `${path}:${item.line}`;
    if (item.kind === "fault") problems.push({ kind: "DataError", where, what: item.what });
    else if (isObject(item.value)) items.push({ where, value: item.value });
    else problems.push({ kind: "DataError", where, what: `got ${JSON.stringify(item.value).slice(0, 60)}, expected an object` });
  }
  const [first] = items;
  if (first === undefined) {
    if (problems.length > 0) throw new UserError(problems);
    throw unknown(path, "no item", options.role);
  }
  const format = FORMATS.find(({ is, roles }) => roles.includes(options.role) && is(first.value));
  if (format === undefined) throw unknownItem(path, first, options.role);
  problems.push(...items.filter(({ value }) => !format.is(value)).map(({ where, value }): Problem => ({ kind: "DataError", where, what: `got the keys ${keysOf(value)}, but the file begins as ${format.name}` })));
  if (problems.length > 0) throw new UserError(problems);
  return format.read(path, items, options);
}

interface Format {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly is: (value: Readonly<Record<string, unknown>>) => boolean;
  readonly read: (path: string, items: readonly Item[], options: ReadOptions) => AnswerFile;
}

const BOTH: readonly Role[] = ["predictions", "gold"];

/** The first that fits counts; the order goes from the more special to the more general. */
const FORMATS: readonly Format[] = [
  { name: "SemEval-2024 task 3 (ECAC) conversations", roles: BOTH, is: (value) => "conversation_ID" in value, read: readConversations },
  { name: "m2se predictions", roles: BOTH, is: (value) => "id" in value && "task" in value && "response" in value, read: readOwnPredictions },
  { name: "ms-swift inference", roles: BOTH, is: (value) => "response" in value && ("label" in value || "labels" in value), read: readInference },
  { name: "records of m2se", roles: ["gold"], is: (value) => "utterances" in value && "split" in value, read: readRecords },
  { name: "ms-swift rows", roles: ["gold"], is: (value) => ("query" in value && "response" in value) || "messages" in value, read: readTrainingRows },
];

function unknownItem(path: string, { where, value }: Item, role: Role): UserError {
  const other = FORMATS.find(({ is }) => is(value));
  if (other === undefined) return unknown(where, `an item with the keys ${keysOf(value)}`, role);
  return new UserError({ kind: "DataError", where: path, what: `this file holds ${other.name}, which are no output of a system`, hint: `Name it as --gold. ${ACCEPTED[role]}` });
}

function unknown(where: string, found: string, role: Role): UserError {
  return new UserError({ kind: "DataError", where, what: `found ${found}, which is no format of ${role === "gold" ? "gold answers" : "predictions"} that is known`, hint: ACCEPTED[role] });
}

function keysOf(value: Readonly<Record<string, unknown>>): string {
  const keys = Object.keys(value);
  return keys.length === 0 ? "(none)" : keys.slice(0, 12).join(", ");
}

function readConversations(path: string, items: readonly Item[]): AnswerFile {
  const conversations = items.map(({ where, value }): Conversation => {
    const pairs = value["emotion-cause_pairs"];
    return { where, id: value["conversation_ID"], ...(pairs === undefined ? {} : { pairs }), utterances: utterancesOf(value["conversation"], where), source: value };
  });
  return { kind: "conversations", path, format: "SemEval-2024 task 3 (ECAC) conversations", notes: [], conversations };
}

const utteranceSchema = z.array(z.object({ utterance_ID: z.coerce.number().int(), emotion: z.string().optional() }));

function utterancesOf(value: unknown, where: string): Conversation["utterances"] {
  if (value === undefined) return [];
  const parsed = utteranceSchema.safeParse(value);
  if (!parsed.success) throw new UserError({ kind: "DataError", where, what: `"conversation" is no list of utterances: ${parsed.error.issues[0]?.path.join(".") ?? ""} ${parsed.error.issues[0]?.message ?? ""}` });
  return parsed.data.map(({ utterance_ID: number, emotion }) => ({ number, ...(emotion === undefined ? {} : { emotion }) }));
}

const ownSchema = z.object({ id: z.string().min(1), task: z.string(), gold: z.string().optional(), response: z.string() });

function readOwnPredictions(path: string, items: readonly Item[], { task, role }: ReadOptions): AnswerFile {
  const rows = parseItems(items, ownSchema, ({ id, gold, response }, where): Answer => ({ where, id: withoutTask(id, task), ...(gold === undefined ? {} : { gold }), ...(role === "predictions" ? { response } : {}) }));
  const foreign = items.filter(({ value }) => value["task"] !== task);
  if (foreign.length > 0) {
    throw new UserError({ kind: "DataError", where: foreign[0]?.where ?? path, what: `got a prediction of ${JSON.stringify(foreign[0]?.value["task"])}, expected ${task} (${foreign.length} such lines)`, hint: "Name the task of the file with --task." });
  }
  return { kind: "rows", path, format: "m2se predictions", notes: [], rows };
}

const text = z.string().nullish();
const mediaList = z.array(z.unknown()).optional();
const inferenceSchema = z.object({ id: z.union([z.string(), z.number()]).optional(), response: z.string(), label: text, labels: text, videos: mediaList, images: mediaList });

function readInference(path: string, items: readonly Item[], { role }: ReadOptions): AnswerFile {
  const rows = parseItems(items, inferenceSchema, (row, where): Answer => {
    const gold = row.label ?? row.labels ?? undefined;
    return { where, ...idOfRow(row), ...(gold === undefined ? {} : { gold }), ...(role === "predictions" ? { response: row.response } : {}) };
  });
  return { kind: "rows", path, format: "ms-swift inference", notes: [], rows };
}

const trainingSchema = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  response: z.string().optional(),
  messages: z.array(z.object({ role: z.string(), content: z.unknown() })).optional(),
  videos: mediaList,
  images: mediaList,
});

function readTrainingRows(path: string, items: readonly Item[]): AnswerFile {
  const rows = parseItems(items, trainingSchema, (row, where): Answer => {
    const last = row.messages?.at(-1);
    const gold = row.response ?? (last?.role === "assistant" && typeof last.content === "string" ? last.content : undefined);
    if (gold === undefined) throw new UserError({ kind: "DataError", where, what: "this row has no answer: neither a response nor a last message of the assistant" });
    return { where, ...idOfRow(row), gold };
  });
  return { kind: "rows", path, format: "ms-swift rows", notes: [], rows };
}

function readRecords(path: string, items: readonly Item[], { split }: ReadOptions): AnswerFile {
  const records = parseItems(items, recordSchema, (record) => record);
  const used = records.filter((record) => record.split === split);
  if (used.length === 0) throw new UserError({ kind: "DataError", where: path, what: `no record of the ${split} split in this file`, hint: "Choose another split with --split." });
  return { kind: "records", path, format: "records of m2se", notes: used.length === records.length ? [] : [`${used.length} of ${records.length} records are of the ${split} split and were used`], records: used };
}

/** Every item by the schema; @throws UserError with the faults of all items. */
function parseItems<In, Out>(items: readonly Item[], schema: z.ZodType<In>, use: (value: In, where: string) => Out): readonly Out[] {
  const problems: Problem[] = [];
  const values = items.flatMap(({ where, value }): Out[] => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return [use(parsed.data, where)];
    problems.push(...parsed.error.issues.map((issue): Problem => ({ kind: "DataError", where, what: `${issue.path.join(".") || "this item"}: ${issue.message}` })));
    return [];
  });
  if (problems.length > 0) throw new UserError(problems);
  return values;
}

/** The id, or the name of the first clip without its folder and ending. */
function idOfRow({ id, videos, images }: { readonly id?: string | number | undefined; readonly videos?: readonly unknown[] | undefined; readonly images?: readonly unknown[] | undefined }): { readonly id?: string } {
  if (id !== undefined) return { id: String(id) };
  const media = videos?.[0] ?? images?.[0];
  if (typeof media !== "string") return {};
  const name = media.split("/").at(-1)?.replace(/\.[A-Za-z0-9]{2,4}$/, "") ?? "";
  return name === "" ? {} : { id: name };
}

function withoutTask(id: string, task: TaskName): string {
  return id.endsWith(`:${task}`) ? id.slice(0, -task.length - 1) : id;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
