/** @file Answers in CSV: y_true and y_pred, MELD's split files, MMSA's label.csv. Columns are found by their names. */
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { openCsv } from "../data/files/csv.ts";
import type { CsvRow } from "../data/files/csv.ts";
import { detectEncoding, textLines } from "../data/files/text-file.ts";
import type { Split } from "../data/record.ts";
import type { TaskName } from "../tasks/task.ts";
import type { Answer, AnswerFile, Role } from "./answer-file.ts";
import { utteranceId } from "./sample-ids.ts";

interface CsvOptions {
  readonly role: Role;
  readonly task: TaskName;
  readonly split: Split;
  /** What is accepted, for messages. */
  readonly accepted: string;
}

const PREDICTION_COLUMNS = ["y_pred", "pred", "predict", "prediction", "predicted", "response"];
const DELIMITERS = [",", ";", "\t", "|"] as const;

/** @throws UserError - DataError: no column of answers, two that could be it, or rows of another length than the header. */
export async function readCsvAnswers(path: string, { role, task, split, accepted }: CsvOptions): Promise<AnswerFile> {
  const header = await readHeader(path);
  const goldColumns = goldColumnsOf(task);
  const wanted = role === "predictions" ? PREDICTION_COLUMNS : goldColumns;
  const chosen = wanted.flatMap((name) => columnNamed(header.columns, name) ?? []);
  const [column] = chosen;
  if (column === undefined) throw new UserError({ kind: "DataError", where: `${path}:1`, what: `found CSV with the columns ${header.columns.slice(0, 12).join(", ")}, expected one of ${wanted.join(", ")}`, hint: accepted });
  if (role === "predictions" && chosen.length > 1) throw new UserError({ kind: "DataError", where: `${path}:1`, what: `the columns ${chosen.join(" and ")} could both hold the predictions`, hint: "Leave one of them, or name it y_pred." });
  const repeated = header.columns.find((name, i) => header.columns.indexOf(name) !== i);
  if (repeated !== undefined) throw new UserError({ kind: "DataError", where: `${path}:1`, what: `the column "${repeated}" is there twice` });

  const goldColumn = role === "gold" ? column : goldColumns.map((name) => columnNamed(header.columns, name)).find((name) => name !== undefined);
  const idOf = idReader(header.columns);
  const splitColumn = role === "gold" && header.columns.includes("mode") ? "mode" : undefined;
  const file = await openCsv(path, [column]);
  const rows: Answer[] = [];
  const problems: Problem[] = [];
  let others = 0;
  for await (const row of file.rows) {
    const where = `${path}:${row.line}`;
    if (row.kind === "fault") problems.push({ kind: "DataError", where, what: row.what });
    else if (splitColumn !== undefined && SPLIT_WORDS[row.cell(splitColumn)] !== split) others += 1;
    else if (!hasNumbers(row, header.columns)) problems.push({ kind: "DataError", where, what: `Dialogue_ID "${row.cell("Dialogue_ID")}" and Utterance_ID "${row.cell("Utterance_ID")}", expected two whole numbers` });
    else rows.push({ where, ...idOf(row), ...(goldColumn === undefined ? {} : { gold: row.cell(goldColumn) }), ...(role === "predictions" ? { response: row.cell(column) } : {}) });
  }
  if (problems.length > 0) throw new UserError(problems);
  if (rows.length === 0) throw new UserError({ kind: "DataError", where: path, what: others === 0 ? "no row below the header" : `no row of the ${split} split (mode), ${others} of others`, ...(others === 0 ? {} : { hint: "Choose another split with --split." }) });
  return { kind: "rows", path, format: `CSV, answers in ${column}${goldColumn === undefined || role === "gold" ? "" : `, gold in ${goldColumn}`}`, notes: notesOf({ encoding: file.encoding, others, split }), rows };
}

/** The column of that name, in any letter case. */
function columnNamed(columns: readonly string[], name: string): string | undefined {
  return columns.find((column) => column === name) ?? columns.find((column) => column.toLowerCase() === name.toLowerCase());
}

/** MELD and MMSA name the truth after what it is; the first of the list that is there counts. */
function goldColumnsOf(task: TaskName): readonly string[] {
  const named: Readonly<Partial<Record<TaskName, readonly string[]>>> = { erc: ["Emotion"], msa: ["Sentiment"] };
  return ["y_true", "gold", ...(named[task] ?? []), "label"];
}

const SPLIT_WORDS: Readonly<Record<string, Split>> = { train: "train", valid: "val", val: "val", dev: "val", test: "test" };

function notesOf({ encoding, others, split }: { readonly encoding: string; readonly others: number; readonly split: Split }): readonly string[] {
  return [
    ...(encoding === "windows-1252" ? ["some bytes are no UTF-8: the file was read as Windows-1252"] : []),
    ...(others === 0 ? [] : [`${others} rows of other splits than ${split} (column mode) were left out`]),
  ];
}

/** Whether MELD's two numbers name the rows. */
function isNumbered(columns: readonly string[]): boolean {
  return columns.includes("Dialogue_ID") && columns.includes("Utterance_ID");
}

function hasNumbers(row: CsvRow, columns: readonly string[]): boolean {
  return !isNumbered(columns) || [row.number("Dialogue_ID"), row.number("Utterance_ID")].every((number) => Number.isInteger(number) && number >= 0);
}

function idReader(columns: readonly string[]): (row: CsvRow) => { readonly id?: string } {
  const single = columns.find((name) => ["id", "sample_id"].includes(name));
  if (single !== undefined) return (row) => ({ id: row.cell(single) });
  if (isNumbered(columns)) return (row) => ({ id: utteranceId(Number(row.cell("Dialogue_ID")), Number(row.cell("Utterance_ID"))) });
  if (columns.includes("video_id") && columns.includes("clip_id")) return (row) => ({ id: `${row.cell("video_id")}$_$${row.cell("clip_id")}` });
  return () => ({});
}

/** The names of the first row under the delimiter that parts it most. */
async function readHeader(path: string): Promise<{ readonly columns: readonly string[] }> {
  for await (const line of textLines(path, await detectEncoding(path))) {
    if (line.trim() === "") continue;
    const readings = DELIMITERS.map((delimiter) => line.split(delimiter).map((name) => name.trim().replace(/^"(.*)"$/, "$1")));
    return { columns: readings.reduce((a, b) => (b.length > a.length ? b : a)) };
  }
  return { columns: [] };
}
