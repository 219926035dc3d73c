/** @file The answers of a file as rows of a task, whatever its format. */
import { UserError } from "../core/errors.ts";
import { TASKS } from "../tasks/index.ts";
import type { Sample, TaskName } from "../tasks/task.ts";
import type { Answer, AnswerFile } from "./answer-file.ts";
import { readPairConversations } from "./pair-conversations.ts";
import { goldRows } from "./pair-rows.ts";

/** @throws UserError when the file holds no answers of the task. */
export function rowsOf(file: AnswerFile, task: TaskName): readonly Answer[] {
  switch (file.kind) {
    case "rows":
      return file.rows;
    case "records":
      return samplesOf(file, task).map(({ id, target }) => ({ where: file.path, id: id.slice(0, -task.length - 1), gold: target }));
    case "conversations": {
      if (task === "erc") return emotionRows(file);
      if (task !== "ecpe") throw new UserError({ kind: "DataError", where: file.path, what: `these conversations hold no gold answers of ${task}` });
      const { conversations, refusals } = readPairConversations(file.conversations);
      if (refusals.length > 0) throw new UserError(refusals);
      return goldRows(conversations);
    }
    default:
      return file satisfies never;
  }
}

export function samplesOf(file: AnswerFile & { readonly kind: "records" }, task: TaskName): readonly Sample[] {
  const samples = file.records.flatMap((record) => TASKS[task].samples(record));
  if (samples.length === 0) throw new UserError({ kind: "DataError", where: file.path, what: `no record has the labels of ${task}` });
  return samples;
}

/** MMSA scores numbers, neutral ones too, where the task's own samples are positive or negative. */
export function sentimentRows({ path, records }: AnswerFile & { readonly kind: "records" }): readonly Answer[] {
  return records.flatMap(({ utterances }) => utterances.flatMap(({ id, sentiment }) => (sentiment === undefined ? [] : [{ where: path, id, gold: sentiment.score === undefined ? sentiment.polarity : String(sentiment.score) }])));
}

function emotionRows({ conversations }: AnswerFile & { readonly kind: "conversations" }): readonly Answer[] {
  return conversations.flatMap(({ id, where, utterances }) => utterances.map(({ number, emotion }) => ({ where, id: `dia${String(id)}_utt${number}`, ...(emotion === undefined ? {} : { gold: emotion }) })));
}
