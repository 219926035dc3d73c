/** @file Two files and a protocol in, a score report out: any format, any task. */
import { UserError } from "../core/errors.ts";
import { intervalsOf } from "../eval/intervals.ts";
import type { BootstrapInfo } from "../eval/intervals.ts";
import type { Intervals } from "../metrics/bootstrap.ts";
import { scoreCounted } from "../metrics/counts.ts";
import { parsePairs, renderPairs } from "../tasks/cause-answer.ts";
import type { TaskName } from "../tasks/task.ts";
import { align, alignWithOwnGold } from "./align.ts";
import type { Aligned, Alignment, AlignedRow } from "./align.ts";
import type { AnswerFile } from "./answer-file.ts";
import { rowsOf, samplesOf, sentimentRows } from "./file-rows.ts";
import { labelWord, officialLabels } from "./label-official.ts";
import { paperLabels, paperOtherLabels, polarityOf } from "./label-paper.ts";
import { ownScoring } from "./own.ts";
import { readPairConversations } from "./pair-conversations.ts";
import type { PairConversation, Refusal } from "./pair-conversations.ts";
import { alignConversations, goldRows, isNoCause, toConversations } from "./pair-rows.ts";
import { officialPairs } from "./pairs-official.ts";
import { paperOtherPairs, paperPairs } from "./pairs-paper.ts";
import type { ProtocolName, ProtocolScores, Scoring } from "./protocol.ts";
import { officialRegression, readNumber } from "./regression-official.ts";
import { dialogueKey } from "./sample-ids.ts";

export interface ScoreFilesInput {
  readonly task: TaskName;
  readonly protocol: ProtocolName;
  readonly predictions: AnswerFile;
  /** Absent: the predictions hold the gold answers. */
  readonly gold: AnswerFile | undefined;
  /** The known slips of the paper's script, too. */
  readonly slips: boolean;
  /** Count as wrong what the official program refuses. */
  readonly lenient: boolean;
}

interface FileInfo {
  readonly path: string;
  readonly format: string;
}

/** What `m2se score` says. */
export interface ScoreReport extends ProtocolScores {
  readonly task: TaskName;
  readonly protocol: ProtocolName;
  /** Whether the slips of the paper's script are reproduced. */
  readonly slips: boolean;
  readonly counting: string;
  /** What was scored: gold answers, or conversations of the official pair protocol. */
  readonly n: number;
  readonly intervals: Intervals;
  readonly bootstrap: BootstrapInfo;
  readonly baselines: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly alignment: Alignment;
  readonly notes: readonly string[];
  readonly predictions: FileInfo;
  readonly gold: FileInfo;
}

/** @throws UserError when the files do not fit each other, the task or the protocol. */
export function scoreFiles(input: ScoreFilesInput): ScoreReport {
  const { task, protocol, slips, predictions, gold = predictions } = input;
  const { scoring, alignment } = task === "ecpe" && protocol === "official" ? scoreConversations(input) : scoreRows(input);
  const { metrics, perClass, confusion, parseFailures, details } = scoreCounted(scoring.counted);
  const { intervals, bootstrap } = intervalsOf(scoring.counted, scoring);
  return {
    task,
    protocol,
    slips,
    counting: scoring.counting,
    n: scoring.counted.rows.length,
    metrics,
    intervals,
    bootstrap,
    ...(perClass === undefined ? {} : { perClass }),
    ...(confusion === undefined ? {} : { confusion }),
    ...(details === undefined ? {} : { details }),
    parseFailures: parseFailures - scoring.unanswered,
    baselines: Object.fromEntries(Object.entries(scoring.baselines).map(([name, scores]) => [name, scores.metrics])),
    alignment,
    notes: [...new Set([...predictions.notes, ...gold.notes, ...scoring.notes])],
    predictions: { path: predictions.path, format: predictions.format },
    gold: { path: gold.path, format: gold.format },
  };
}

interface Result {
  readonly scoring: Scoring;
  readonly alignment: Alignment;
}

function scoreConversations({ predictions, gold, lenient }: ScoreFilesInput): Result {
  if (gold === undefined && predictions.kind === "conversations") throw needsGold(predictions);
  const right = gold === undefined ? { conversations: toConversations(answersOf(predictions, "gold")), refusals: [] } : conversationsOf(gold, "gold");
  if (right.refusals.length > 0) throw new UserError(right.refusals);
  const given = conversationsOf(predictions, "response");
  const onRefusal = lenient ? "count" : "error";
  if (predictions.kind === "conversations") return officialPairs({ gold: right.conversations, predictions: given.conversations, refusals: given.refusals, onRefusal });
  const silent = right.conversations.filter(({ utterances, pairs }) => utterances.length > 0 && pairs.length === 0 && utterances.every(({ emotion }) => emotion === "neutral"));
  const { scoring, alignment } = officialPairs({ gold: right.conversations, predictions: withSilent(given.conversations, silent), refusals: given.refusals, onRefusal });
  return { scoring: { ...scoring, notes: [...scoring.notes, ...unaskedTargets(right.conversations, predictions)] }, alignment };
}

/** Rows are targets, and a conversation without an emotion has none: nothing is missing there. */
function withSilent(given: readonly PairConversation[], silent: readonly PairConversation[]): readonly PairConversation[] {
  const ids = new Set(given.map(({ id }) => id));
  return [...given, ...silent.filter(({ id }) => !ids.has(id)).map((conversation) => ({ ...conversation, pairs: [], unread: 0 }))];
}

function unaskedTargets(gold: readonly PairConversation[], predictions: AnswerFile): readonly string[] {
  const answered = new Set(rowsOf(predictions, "ecpe").map(({ id = "" }) => dialogueKey(id)));
  const targets = goldRows(gold).map(({ id = "" }) => id);
  const missing = targets.filter((id) => !answered.has(id));
  return missing.length === 0 ? [] : [`${missing.length} of ${targets.length} targets have no prediction, their pairs are missed (first: ${missing.slice(0, 5).join(", ")})`];
}

function conversationsOf(file: AnswerFile, side: "gold" | "response"): { readonly conversations: readonly PairConversation[]; readonly refusals: readonly Refusal[] } {
  if (file.kind === "conversations") return readPairConversations(file.conversations);
  return { conversations: toConversations(answersOf(file, side)), refusals: [] };
}

function answersOf(file: AnswerFile, side: "gold" | "response"): readonly { readonly where: string; readonly id?: string; readonly answer: string | undefined }[] {
  return rowsOf(file, "ecpe").map(({ where, id, gold, response }) => ({ where, ...(id === undefined ? {} : { id }), answer: side === "gold" ? gold : response }));
}

function scoreRows(input: ScoreFilesInput): Result {
  const { rows, alignment } = alignedRows(input);
  return { scoring: scoringOf(input, rows), alignment };
}

/** Gold answers beside predictions, one row per sample. */
export function alignedRows({ task, protocol, predictions, gold }: Pick<ScoreFilesInput, "task" | "protocol" | "predictions" | "gold">): Aligned {
  if (gold === undefined) {
    if (predictions.kind !== "rows") throw needsGold(predictions);
    return alignWithOwnGold(predictions.rows);
  }
  const right = gold.kind === "records" && task === "msa" && protocol === "official" ? sentimentRows(gold) : rowsOf(gold, task);
  if (predictions.kind === "conversations") {
    const { conversations, refusals } = readPairConversations(predictions.conversations);
    if (task !== "ecpe") throw new UserError({ kind: "DataError", where: predictions.path, what: `these are emotion-cause pairs, which are no answers of ${task}`, hint: "Use --task ecpe." });
    if (refusals.length > 0) throw new UserError(refusals);
    return alignConversations(right, conversations);
  }
  const without = right.find((row) => row.gold === undefined);
  if (without !== undefined) throw new UserError({ kind: "DataError", where: without.where, what: "no gold answer in this row", hint: "--gold names the file that says what is right." });
  return align(right, rowsOf(predictions, task), (a, b) => sameAnswer(a, b));
}

function sameAnswer(a: string, b: string): boolean {
  if (labelWord(a) === labelWord(b) || (isNoCause(a) && isNoCause(b))) return true;
  const [pairs, others] = [parsePairs(a), parsePairs(b)];
  if (pairs !== undefined && others !== undefined) return renderPairs(pairs) === renderPairs(others); // in any order
  const [first, second] = [readNumber(a), readNumber(b)];
  if (first !== undefined && second !== undefined) return first === second;
  // A file may say the polarity and the other the score that it comes from.
  return (first !== undefined || second !== undefined) && polarityOf(a) === polarityOf(b);
}

function scoringOf({ task, protocol, gold, slips }: ScoreFilesInput, rows: readonly AlignedRow[]): Scoring {
  if (protocol === "m2se") return ownScoring(task, rows, gold?.kind === "records" ? samplesOf(gold, task) : undefined);
  if (task === "ecpe") return protocol === "paper" ? paperPairs(rows, { slips }) : paperOtherPairs(rows, { slips });
  if (task === "fer" || task === "eri") {
    throw new UserError({ kind: "ConfigError", where: "--protocol", what: `there is no ${protocol === "official" ? "official program" : "code of the paper"} that scores ${task}`, hint: "Use --protocol m2se." });
  }
  if (protocol === "paper") return paperLabels(task, rows, { slips });
  if (protocol === "paper-other") return paperOtherLabels(task, rows, { slips });
  const inNumbers = task === "msa" && rows.some(({ gold: answer }) => readNumber(answer) !== undefined);
  return inNumbers ? officialRegression(rows) : officialLabels(task, rows);
}

function needsGold({ path, format }: AnswerFile): UserError {
  return new UserError({ kind: "ConfigError", where: "--gold", what: `${path} holds predictions only (${format})`, hint: "Name the file with the gold answers." });
}
