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
    "Accepted as predictions: m2se predictions (JSON lines with id, task, gold, response), ms-swift inference (JSON lines with response and label or labels), LLaMA-Factory's generated_predictions.jsonl (predict and label), an OpenAI batch's output (custom_id and response), SemEval-2024 task 3 (a JSON list with conversation_ID and emotion-cause_pairs), CSV with a column y_pred or pred (and y_true or label, id, or Dialogue_ID and Utterance_ID, or video_id and clip_id).",
  gold: "Accepted as gold: SemEval-2024 task 3 (a JSON list with conversation_ID and emotion-cause_pairs), MELD's CSV, MMSA's label.csv, CSV with a column y_true, a dataset of m2se (JSON lines of records), ms-swift rows (query and response, or messages), m2se, ms-swift and LLaMA-Factory predictions (their gold or label).",
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
  { name: "an OpenAI batch's output", roles: ["predictions"], is: (value) => "custom_id" in value && "response" in value, read: readBatch },
  { name: "ms-swift inference", roles: BOTH, is: (value) => "response" in value && ["label", "labels", "logprobs", "messages"].some((key) => key in value), read: readInference },
  { name: "LLaMA-Factory predictions", roles: BOTH, is: (value) => "predict" in value, read: readFactoryPredictions },
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
  const idOf = idReader(items);
  const rows = parseItems(items, inferenceSchema, (row, where): Answer => {
    const gold = row.label ?? row.labels ?? undefined;
    return { where, ...idOf(row), ...(gold === undefined ? {} : { gold }), ...(role === "predictions" ? { response: row.response } : {}) };
  });
  return { kind: "rows", path, format: "ms-swift inference", notes: [], rows };
}

const factorySchema = z.object({ predict: z.string(), label: text });

/** The rows of `llamafactory-cli train --do_predict`, in the order of the dataset; the decoded texts may end in a line break. */
function readFactoryPredictions(path: string, items: readonly Item[], { role }: ReadOptions): AnswerFile {
  const rows = parseItems(items, factorySchema, ({ predict, label }, where): Answer => ({ where, ...(typeof label === "string" ? { gold: label.trim() } : {}), ...(role === "predictions" ? { response: predict.trim() } : {}) }));
  return { kind: "rows", path, format: "LLaMA-Factory predictions", notes: [], rows };
}

const batchSchema = z.object({ custom_id: z.string().min(1), response: z.object({ body: z.object({ choices: z.array(z.object({ message: z.object({ content: text }) })).optional() }).nullish() }).nullish() });

/** What `vllm run-batch` and OpenAI's batches write, in any order; a request that failed has no answer. */
function readBatch(path: string, items: readonly Item[]): AnswerFile {
  const rows = parseItems(items, batchSchema, ({ custom_id: id, response }, where): Answer => {
    const content = response?.body?.choices?.[0]?.message.content ?? undefined;
    return { where, id, ...(content === undefined ? {} : { response: content }) };
  });
  return { kind: "rows", path, format: "an OpenAI batch's output", notes: [], rows };
}

const trainingSchema = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  response: z.string().optional(),
  messages: z.array(z.object({ role: z.string(), content: z.unknown() })).optional(),
  videos: mediaList,
  images: mediaList,
});

function readTrainingRows(path: string, items: readonly Item[]): AnswerFile {
  const idOf = idReader(items);
  const rows = parseItems(items, trainingSchema, (row, where): Answer => {
    const last = row.messages?.at(-1);
    const gold = row.response ?? (last?.role === "assistant" && typeof last.content === "string" ? last.content : undefined);
    if (gold === undefined) throw new UserError({ kind: "DataError", where, what: "this row has no answer: neither a response nor a last message of the assistant" });
    return { where, ...idOf(row), gold };
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

type RowIds = Readonly<Partial<Record<"id" | "videos" | "images", unknown>>>;

/**
 * The id, or the name of the first clip without its ending: the file's alone where that tells the rows apart, else `video$_$clip` (MOSEI's
 * clips are numbered within their video's folder).
 */
function idReader(items: readonly Item[]): (row: RowIds) => { readonly id?: string } {
  const paths = new Map<string, string>();
  const needsFolder = items.some(({ value }) => {
    const path = clipOf(value);
    if (path === undefined) return false;
    const name = stemOf(path);
    const other = paths.get(name) ?? path;
    paths.set(name, other);
    return other !== path || /(?:^|\/)Raw\/[^/]+\/[^/]+$/.test(path);
  });
  return (row) => {
    const { id } = row;
    if (typeof id === "string" || typeof id === "number") return { id: String(id) };
    const path = clipOf(row);
    if (path === undefined || stemOf(path) === "") return {};
    const folder = path.split("/").at(-2) ?? "";
    return { id: needsFolder && folder !== "" ? `${folder}$_$${stemOf(path)}` : stemOf(path) };
  };
}

/** ms-swift 3 writes the path within an object. */
function clipOf({ videos, images }: RowIds): string | undefined {
  const [first] = [videos, images].flatMap((list): unknown[] => (Array.isArray(list) ? list : []));
  const path: unknown = typeof first === "object" && first !== null && "path" in first ? first.path : first;
  return typeof path === "string" ? path : undefined;
}

function stemOf(path: string): string {
  return path.split("/").at(-1)?.replace(/\.[A-Za-z0-9]{2,4}$/, "") ?? "";
}

function withoutTask(id: string, task: TaskName): string {
  return id.endsWith(`:${task}`) ? id.slice(0, -task.length - 1) : id;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
