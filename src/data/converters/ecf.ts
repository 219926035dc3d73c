/**
 * @file ECF 2.0 / SemEval-2024 task 3, subtask 2: JSON lists of conversations with emotion-cause pairs. Clips are ECF's
 * own, MELD's through the official mapping, or none. A record is a conversation; its pairs keep the file's order.
 */
import { basename, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { readJsonItems } from "../files/json-items.ts";
import { detectEncoding, textChunks } from "../files/text-file.ts";
import { inFolder, walkFolders } from "../files/walk.ts";
import type { Split, Utterance } from "../record.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent, ConverterInput, DraftUtterance } from "./converter.ts";
import { indexEcfClips } from "./ecf-clips.ts";
import type { EcfClips } from "./ecf-clips.ts";
import { readEcfMapping } from "./ecf-mapping.ts";
import type { EcfMapping } from "./ecf-mapping.ts";
import { publishedEditions } from "./known.ts";
import { readEmotion, splitInPath } from "./words.ts";

const MAX_DEPTH = 4;
const OUR_FILES = /\.jsonl?$/i;

/** @throws UserError - DataError when there is no file of subtask 2 below the root, or only one of subtask 1. */
export async function* convertEcf({ root, mediaRoot, options }: ConverterInput): AsyncGenerator<ConverterEvent> {
  const { files, notices, mapping: mappingFile } = await findFiles(root);
  yield* notices;
  if (files.length === 0) throw noConversations(root, notices);
  const mapping = mappingFile === undefined ? undefined : await readEcfMapping(mappingFile);
  yield* mapping?.notices ?? [];
  if (mapping === undefined) yield notice("input", root, "no all_data_pair_ECFvsMELD.txt: which utterances are MELD's cannot be told, so neither its clips nor an overlap with its test split");
  const clips = await indexEcfClips({ mediaRoot, mapping, source: options.ecf.clips });
  yield* clips.notices;
  const seen = new Map<string, string>();
  for (const { file, split } of files) yield* convertFile({ path: join(root, file), split, clips, mapping, seen });
}

interface Found {
  readonly files: readonly { readonly file: string; readonly split: Split }[];
  readonly notices: readonly ConverterEvent[];
  readonly mapping: string | undefined;
}

async function findFiles(root: string): Promise<Found> {
  const candidates: string[] = [];
  const notices: ConverterEvent[] = [];
  let mapping: string | undefined;
  for await (const { path, files } of walkFolders(root, MAX_DEPTH)) {
    candidates.push(...files.filter((name) => OUR_FILES.test(name) && !name.startsWith(".")).map((name) => inFolder(path, name)));
    if (files.includes("all_data_pair_ECFvsMELD.txt")) mapping ??= join(root, path, "all_data_pair_ECFvsMELD.txt");
  }
  const bySplit = new Map<Split, string>();
  candidates.sort((a, b) => a.split("/").length - b.split("/").length || (a < b ? -1 : 1));
  const looked: { readonly file: string; readonly kind: FileKind }[] = [];
  for (const file of candidates) looked.push({ file, kind: await kindOf(join(root, file)) });
  // Without labels both subtasks' files are alike, and the labelled one is worth more.
  for (const { file, kind } of looked.sort((a, b) => rankOf(a) - rankOf(b))) {
    const split = splitInPath(basename(file).replaceAll("_", "/").replace(OUR_FILES, ""));
    if (kind === "other") continue;
    const first = split === undefined ? undefined : bySplit.get(split);
    if (typeof kind === "object") {
      if (split !== undefined) notices.push(notice("bad-file", `${join(root, file)}:${kind.line}`, `${kind.what}; nothing in this file can be read`));
    } else if (kind === "spans") notices.push(notice("input", join(root, file), "this is a file of subtask 1 (cause spans), which is another task: it is not read"));
    else if (split === undefined) notices.push(notice("unknown-split", join(root, file), "this name holds no split, expected train, dev or test: the file is not read"));
    else if (first !== undefined) notices.push(notice("input", join(root, file), `the ${split} split is read from ${first}; this file is not read`));
    else bySplit.set(split, file);
  }
  return { files: [...bySplit].map(([split, file]) => ({ split, file })), notices, mapping };
}

/** An object: the first fault of a file in which nothing can be read. */
type FileKind = "pairs" | "unlabelled" | "spans" | "other" | { readonly line: number; readonly what: string };

function rankOf({ file, kind }: { readonly file: string; readonly kind: FileKind }): number {
  return kind === "pairs" ? 0 : /subtask_?1/i.test(basename(file)) ? 2 : 1;
}

const LOOKED_AT = 50;

/** By its first conversations, broken ones left out: subtask 1 names a span after the cause's number. */
async function kindOf(path: string): Promise<FileKind> {
  let looked = 0;
  let conversations = 0;
  let hasPairs = false;
  let fault: { readonly line: number; readonly what: string } | undefined;
  for await (const item of readJsonItems(path)) {
    if ((looked += 1) > LOOKED_AT) break;
    if (item.kind === "fault") {
      fault ??= item;
      continue;
    }
    const parsed = kindSchema.safeParse(item.value);
    if (!parsed.success) continue;
    const pairs = parsed.data["emotion-cause_pairs"] ?? undefined;
    const cause = pairs?.map((pair) => (Array.isArray(pair) ? (pair as readonly unknown[])[1] : undefined)).find((one) => typeof one === "string");
    if (typeof cause === "string") return cause.includes("_") ? "spans" : "pairs";
    hasPairs ||= pairs !== undefined;
    conversations += 1;
  }
  if (conversations > 0) return hasPairs ? "pairs" : "unlabelled";
  return fault !== undefined && (await beginsWithConversation(path)) ? fault : "other";
}

/** Other JSON than lists and lines, such as settings, is no broken conversation. */
async function beginsWithConversation(path: string): Promise<boolean> {
  for await (const chunk of textChunks(path, await detectEncoding(path))) return chunk.includes("conversation_ID");
  return false;
}

const kindSchema = z.looseObject({ conversation: z.array(z.unknown()), "emotion-cause_pairs": z.array(z.unknown()).nullish() });

function noConversations(root: string, found: readonly ConverterEvent[]): UserError {
  const [first] = found.flatMap((event) => (event.kind === "notice" ? [`${event.notice.where}: ${event.notice.what}`] : []));
  return new UserError({
    kind: "DataError",
    where: root,
    what: `no conversations of ECF subtask 2 here${first === undefined ? "" : ` (found: ${first})`}, expected Subtask_2_train.json or Subtask_2_test.json in this folder or below`,
    hint: "The files come with SemEval-2024 task 3 (ECAC); a file is known by its list of conversations with emotion-cause_pairs and a split in its name.",
  });
}

interface FileInput {
  readonly path: string;
  readonly split: Split;
  readonly clips: EcfClips;
  readonly mapping: EcfMapping | undefined;
  /** Conversation -> where it was read first, over all files. */
  readonly seen: Map<string, string>;
}

const idSchema = z.union([z.number().int(), z.string().regex(/^\d+$/).transform(Number)]);
const conversationSchema = z.looseObject({
  conversation_ID: idSchema,
  conversation: z
    .array(
      z.looseObject({
        utterance_ID: idSchema,
        text: z.string(),
        speaker: z.string().nullish(),
        emotion: z.string().nullish(),
      }),
    )
    .min(1),
  "emotion-cause_pairs": z.array(z.unknown()).nullish(),
});
type Conversation = z.infer<typeof conversationSchema>;

async function* convertFile(input: FileInput): AsyncGenerator<ConverterEvent> {
  const { path, split, seen } = input;
  const ids = new Set<number>();
  for await (const item of readJsonItems(path)) {
    const where = `${path}:${item.line}`;
    const read = item.kind === "fault" ? item.what : readConversation(item.value);
    const first = typeof read === "string" ? undefined : seen.get(String(read.conversation_ID));
    const refusal = typeof read === "string" ? notice("bad-row", where, read) : first === undefined ? undefined : notice("repeated", where, `conversation ${read.conversation_ID} was read from ${first} already; this one is not used`);
    yield { kind: "row", file: path, refused: refusal !== undefined };
    if (refusal !== undefined) yield refusal;
    if (typeof read === "string" || first !== undefined) continue;
    seen.set(String(read.conversation_ID), where);
    ids.add(read.conversation_ID);
    const { conversation, notices } = withoutRepeated(read, where);
    yield* notices;
    yield* draft(conversation, { ...input, where });
  }
  yield* missing(ids, { path, split });
}

/** The conversation without utterances whose number was there before. */
function withoutRepeated(conversation: Conversation, where: string): { readonly conversation: Conversation; readonly notices: readonly ConverterEvent[] } {
  const seen = new Set<number>();
  const repeated: number[] = [];
  const kept = conversation.conversation.filter(({ utterance_ID: id }) => {
    if (seen.has(id)) repeated.push(id);
    return !seen.has(id) && seen.add(id);
  });
  const notices = repeated.map((id) => notice("repeated", where, `conversation ${conversation.conversation_ID}: utterance ${id} is there twice; the second one is left out`));
  return { conversation: { ...conversation, conversation: kept }, notices };
}

function readConversation(value: unknown): Conversation | string {
  const parsed = conversationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `this is no conversation: ${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? ""}`;
}

/** The training file holds 1, 2, 3, ... in any order; the test file's ids have gaps of their own. */
function* missing(ids: ReadonlySet<number>, { path, split }: { readonly path: string; readonly split: Split }): Generator<ConverterEvent> {
  const sizes = publishedEditions("ecf").map((edition) => edition[split]?.records);
  const [expected] = sizes;
  if (expected === undefined || ids.size === 0 || ids.size >= expected || sizes.includes(ids.size)) return;
  const absent = split === "train" ? Array.from({ length: expected }, (_, i) => i + 1).filter((id) => !ids.has(id)) : [];
  const names = absent.length > 0 && absent.length <= 20 ? `: ${absent.join(", ")}` : "";
  yield notice("missing", path, `${expected - ids.size} of the ${expected} published conversations of the ${split} split are not here${names}`);
}

function* draft(conversation: Conversation, { split, clips, mapping, where }: FileInput & { readonly where: string }): Generator<ConverterEvent> {
  const id = conversation.conversation_ID;
  const utterances: DraftUtterance[] = [];
  const unordered = conversation.conversation.some(({ utterance_ID }, i) => utterance_ID !== i + 1);
  if (unordered) yield notice("order", where, `conversation ${id}: utterance numbers do not run 1, 2, 3, ...; pairs follow the numbers`);
  for (const line of conversation.conversation) {
    const key = `dia${id}utt${line.utterance_ID}`;
    const word = line.emotion ?? undefined;
    const reading = word === undefined ? undefined : readEmotion(word);
    if (word !== undefined && reading === undefined) yield notice("unknown-label", where, `${key}: emotion "${word}" is outside the set; the utterance goes without it`);
    else if (reading?.differs !== undefined && word !== undefined) yield notice("other-word", where, `${key}: emotion "${word}" was read as "${reading.value}"`);
    const video = clips.pathOf(split, key);
    const meldClip = mapping?.clipOf(key);
    const utterance: Utterance = {
      id: `ecf_${key}`,
      ...(line.speaker ? { speaker: line.speaker } : {}),
      text: line.text,
      ...(video === undefined ? {} : { media: { video } }),
      clip: meldClip ?? `ecf/${key}`,
      ...(reading === undefined ? {} : { emotion: reading.value }),
    };
    const stem = video?.replace(/\.[^.]*$/, "") ?? key;
    utterances.push({ utterance, where, faceFiles: [`${stem}.csv`, `${key}.csv`] });
  }
  const annotated = utterances.every(({ utterance }) => utterance.emotion !== undefined);
  const read = readPairs(conversation, { utterances, where });
  yield* read.notices;
  if (!annotated && read.pairs !== undefined) yield notice("unknown-label", where, `conversation ${id}: not every utterance has an emotion, so its pairs are left out`);
  yield { kind: "record", record: { id: `ecf_dia${id}`, source: "ecf", split, utterances, ...(annotated && read.pairs !== undefined ? { pairs: [...read.pairs] } : {}), where } };
}

interface Pair {
  readonly emotionUtterance: number;
  readonly causeUtterance: number;
}

/** Pairs as positions in the conversation; a pair that contradicts it is left out and told. */
function readPairs(conversation: Conversation, { utterances, where }: { readonly utterances: readonly DraftUtterance[]; readonly where: string }): { readonly pairs: readonly Pair[] | undefined; readonly notices: readonly ConverterEvent[] } {
  const written = conversation["emotion-cause_pairs"] ?? undefined;
  if (written === undefined) return { pairs: undefined, notices: [] };
  const notices: ConverterEvent[] = [];
  const position = new Map(conversation.conversation.map(({ utterance_ID }, i) => [utterance_ID, i + 1]));
  const pairs = new Map<string, Pair>();
  for (const pair of written) {
    const refuse = (why: string): void => void notices.push(notice("bad-row", where, `conversation ${conversation.conversation_ID}: the pair ${JSON.stringify(pair)} ${why}; it is left out`));
    const [, emotionNumber, word, causeNumber] = /^\["U?(\d+)_([A-Za-z]+)","?U?(\d+)"?\]$/.exec(JSON.stringify(pair)) ?? [];
    const emotionUtterance = position.get(Number(emotionNumber));
    const causeUtterance = position.get(Number(causeNumber));
    const label = emotionUtterance === undefined ? undefined : utterances[emotionUtterance - 1]?.utterance.emotion;
    if (word === undefined) refuse('is not of the form ["3_joy", "2"]');
    else if (emotionUtterance === undefined || causeUtterance === undefined) refuse("names an utterance that the conversation does not have");
    else if (label !== undefined && readEmotion(word)?.value !== label) refuse(`gives utterance ${emotionNumber} another emotion than its label, ${label}`);
    else if (label === "neutral") refuse("gives a cause to a neutral utterance");
    else if (pairs.has(`${emotionUtterance},${causeUtterance}`)) refuse("stands there twice");
    else pairs.set(`${emotionUtterance},${causeUtterance}`, { emotionUtterance, causeUtterance });
  }
  return { pairs: [...pairs.values()], notices };
}
