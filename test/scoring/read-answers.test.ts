import { expect, test } from "vitest";
import { readAnswers } from "../../src/scoring/read-answers.ts";
import type { ReadOptions } from "../../src/scoring/read-answers.ts";
import type { TaskName } from "../../src/tasks/task.ts";
import { conversation } from "../tasks/support.ts";
import { filesOf, jsonl } from "./support.ts";

async function read(text: string, role: ReadOptions["role"], task: TaskName = "erc", split: ReadOptions["split"] = "test"): ReturnType<typeof readAnswers> {
  const { file } = await filesOf({ file: text });
  return readAnswers(file, { role, task, split });
}

async function messageOf(text: string, role: ReadOptions["role"], task: TaskName = "erc"): Promise<string> {
  return read(text, role, task).then(
    () => "no error",
    (error: unknown) => String(error),
  );
}

test("the content decides: every accepted format of predictions", async () => {
  const own = await read(jsonl({ id: "a:erc", task: "erc", gold: "Joy.", response: "joy", seconds: 1 }), "predictions");
  const swift2 = await read(jsonl({ query: "", response: "Joy.", label: "Fear.", history: [], videos: ["MELD/x/dia0_utt3.mp4"] }), "predictions");
  const swift3 = await read(jsonl({ response: "Joy.", labels: "Fear.", messages: [] }), "predictions");
  const list = await read(JSON.stringify([{ response: "Joy.", label: "Fear.", images: ["a/b.c.jpg"] }], null, 1), "predictions");
  const csv = await read("y_true;y_pred\nfear;joy\n", "predictions");
  const ecac = await read(JSON.stringify([{ conversation_ID: 1, "emotion-cause_pairs": [] }]), "predictions", "ecpe");

  expect(own).toMatchObject({ format: "m2se predictions", rows: [{ id: "a", gold: "Joy.", response: "joy" }] });
  expect(swift2).toMatchObject({ format: "ms-swift inference", rows: [{ id: "dia0_utt3", gold: "Fear.", response: "Joy." }] });
  expect(swift3).toMatchObject({ rows: [{ gold: "Fear.", response: "Joy." }] });
  expect(list).toMatchObject({ rows: [{ id: "b.c", response: "Joy." }] });
  expect(csv).toMatchObject({ format: "CSV, answers in y_pred, gold in y_true", rows: [{ gold: "fear", response: "joy" }] });
  expect(ecac).toMatchObject({ kind: "conversations", conversations: [{ id: 1, pairs: [] }] });
});

test("outputs of other programs: LLaMA-Factory, OpenAI's batches, ms-swift without gold answers, sklearn's columns", async () => {
  const factory = await read(jsonl({ prompt: "user\nHi", predict: "Joy.", label: "Fear.\n" }), "predictions");
  const batch = await read(jsonl({ id: "vllm-1", custom_id: "dia0_utt3", response: { status_code: 200, body: { choices: [{ index: 0, message: { role: "assistant", content: "Joy." } }] } }, error: null }, { custom_id: "dia0_utt4", response: null, error: { code: "x" } }), "predictions");
  const swift = await read(jsonl({ response: "Joy.", logprobs: null, messages: [{ role: "user", content: "q" }, { role: "assistant", content: "Joy." }] }), "predictions");
  const columns = await read("Label,Pred\nfear,joy\n", "predictions");

  expect(factory).toMatchObject({ format: "LLaMA-Factory predictions", rows: [{ gold: "Fear.", response: "Joy." }] });
  expect(batch).toMatchObject({ rows: [{ id: "dia0_utt3", response: "Joy." }, { id: "dia0_utt4" }] });
  expect(batch.kind === "rows" && batch.rows[1]?.response).toBe(undefined);
  expect(swift).toMatchObject({ format: "ms-swift inference", rows: [{ response: "Joy." }] });
  expect(columns).toMatchObject({ rows: [{ gold: "fear", response: "joy" }] });
});

test("a clip's name is its file's, with its folder where clips are numbered within it; paths may stand in objects", async () => {
  const ids = async (...media: readonly unknown[]): Promise<unknown> => {
    const file = await read(jsonl(...media.map((medium) => ({ response: "Joy.", label: "Joy.", images: [medium] }))), "predictions");
    return file.kind === "rows" ? file.rows.map(({ id }) => id) : [];
  };

  expect(await ids({ bytes: null, path: "x/dia0_utt3.mp4" }, "x/dia0_utt4.mp4")).toEqual(["dia0_utt3", "dia0_utt4"]);
  expect(await ids("MOSEI/Raw/-3g_5/0.mp4")).toEqual(["-3g_5$_$0"]);
  expect(await ids("clips/a/1.mp4", "clips/b/1.mp4", "clips/b/2.mp4")).toEqual(["a$_$1", "b$_$1", "b$_$2"]);
  expect(await ids("clips/1.jpg", "clips/1.jpg")).toEqual(["1", "1"]); // one clip asked about twice
});

test("the content decides: every accepted format of gold answers", async () => {
  const meld = await read('\uFEFFSr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\r\n1,"Hi, you",Joey,joy,positive,4,0\r\n', "gold");
  const mmsa = await read("video_id,clip_id,text,label,annotation,mode\n-3g5,0,a,-0.33333334,Negative,test\n-3g5,1,b,1,Positive,train\n", "gold", "msa");
  const rows = await read(jsonl({ query: "q", response: "Joy.", videos: ["dia1_utt1.mp4"] }), "gold");
  const messages = await read(jsonl({ messages: [{ role: "user", content: "q" }, { role: "assistant", content: "Joy." }] }), "gold");
  const records = await read(jsonl({ ...conversation, split: "test" }, { ...conversation, id: "other", split: "val" }), "gold");

  expect(meld).toMatchObject({ rows: [{ id: "dia4_utt0", gold: "joy" }] });
  expect(mmsa).toMatchObject({ rows: [{ id: "-3g5$_$0", gold: "-0.33333334" }], notes: ["1 rows of other splits than test (column mode) were left out"] });
  expect(rows).toMatchObject({ format: "ms-swift rows", rows: [{ id: "dia1_utt1", gold: "Joy." }] });
  expect(messages).toMatchObject({ rows: [{ gold: "Joy." }] });
  expect(records).toMatchObject({ kind: "records", records: [{ id: "dia7" }], notes: ["1 of 2 records are of the test split and were used"] });
});

test.each([
  ["", "found an empty file, which is no format of predictions that is known.\n  Accepted as predictions: m2se predictions"],
  ["[]", "found no item"],
  ["a,b\n1,2\n", "found CSV with the columns a, b, expected one of y_pred, pred, predict, prediction, predicted, response.\n  Accepted as predictions"],
  ["prediction,response\n1,2\n", "the columns prediction and response could both hold the predictions"],
  ["y_pred,y_pred\n1,2\n", 'the column "y_pred" is there twice'],
  ["y_true,y_pred\njoy\n", ":2: got 1 cells, expected 2 as in the header"],
  ["y_pred\n", "no row below the header"],
  ["Dialogue_ID,Utterance_ID,y_pred\n0,0,joy\n,1,joy\n", ':3: Dialogue_ID "" and Utterance_ID "1", expected two whole numbers'],
  ['{"foo":1}\n', "found an item with the keys foo, which is no format of predictions"],
  ['{"query":"q","response":"Joy."}\n', "this file holds ms-swift rows, which are no output of a system.\n  Name it as --gold."],
  ['{"id":"a","task":"msa","gold":"x","response":"y"}\n', 'got a prediction of "msa", expected erc (1 such lines)'],
  ['{"id":"a","task":"erc","response":"y"}\n{"foo":1}\n', ":2: got the keys foo, but the file begins as m2se predictions"],
  ['{"id":"a","task":"erc","response":"y"}\n{"id":"b",\n', ":2: this is not JSON"],
  ['{"id":"a","task":"erc","response":7}\n', "response: Invalid input: expected string, received number"],
  ["[1]", "got 1, expected an object"],
  ['[{"conversation_ID":1,"conversation":[{"text":"x"}]}]', '"conversation" is no list of utterances: 0.utterance_ID'],
])("predictions %j are refused, saying what was found", async (text, message) => {
  expect(await messageOf(text, "predictions")).toContain(message);
});

test("a gold file without the wanted split or answer is refused", async () => {
  expect(await messageOf("video_id,clip_id,label,mode\na,0,1,train\n", "gold", "msa")).toContain("no row of the test split (mode), 1 of others.\n  Choose another split with --split.");
  expect(await messageOf(jsonl({ ...conversation, split: "train" }), "gold")).toContain("no record of the test split in this file");
  expect(await messageOf(jsonl({ messages: [{ role: "user", content: "q" }] }), "gold")).toContain("this row has no answer");
});
