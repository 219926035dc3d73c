import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reasonLineSchema } from "../../src/data/build/reason-line.ts";
import { readAnswerLines } from "../../src/rationales/answer-lines.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const ONE = { id: "a", reason: "Joy." };

async function fileOf(text: string): Promise<string> {
  const file = join(await temporaryFolder(), "r.jsonl");
  await writeFile(file, text);
  return file;
}

async function append(file: string, ...ids: string[]): Promise<void> {
  const appender = await (await readAnswerLines(file, reasonLineSchema)).appender();
  await Promise.all(ids.map((id) => appender.append([{ id, reason: "Fear." }])));
  await appender.close();
}

test("a file that does not exist has no lines, and grows by whole lines with its folder", async () => {
  const file = join(await temporaryFolder(), "new", "r.jsonl");

  expect((await readAnswerLines(file, reasonLineSchema)).lines).toEqual([]);
  await append(file, "b", "c");
  expect(await readFile(file, "utf8")).toBe('{"id":"b","reason":"Fear."}\n{"id":"c","reason":"Fear."}\n');
});

test.each(['{"id":"b","rea', '{"id":"ü', '{"i', "{"])("a last line that was cut off, %s, does not count, and makes place for a whole one", async (cut) => {
  const whole = `${JSON.stringify({ ...ONE, reason: "Für joy." })}\n`;
  const file = await fileOf(whole + cut);

  expect((await readAnswerLines(file, reasonLineSchema)).lines).toHaveLength(1);
  expect(await readFile(file, "utf8")).toBe(whole + cut); // reading changes nothing
  await append(file, "b");
  expect(await readFile(file, "utf8")).toBe(`${whole}{"id":"b","reason":"Fear."}\n`);
});

test.each([
  ["{\"id\":\"a\",\"rea\n" + JSON.stringify(ONE) + "\n", /^DataError .*r\.jsonl:1: this line is not JSON: .*\n {2}Correct the line, or name a new file: only lines of reasons are added to\.$/],
  ["my notes", /r\.jsonl:1: this line is not JSON/],
  ['{"id":"a"}\n', /r\.jsonl:1: record "a", reason: got nothing, expected string\.\n {2}Correct the line/],
  ['{"id":"dia0","source":"meld","split":"train","utterances":[]}\n', /r\.jsonl:1: record "dia0", /],
])("a file with other lines is left as it is: %j", async (text, message) => {
  const file = await fileOf(text);

  const failure: unknown = await readAnswerLines(file, reasonLineSchema).catch((error: unknown) => error);

  expect(failure).toMatchObject({ exitCode: 3, message: expect.stringMatching(message) });
  expect(await readFile(file, "utf8")).toBe(text);
});

test("a folder in the file's place is told", async () => {
  const file = join(await temporaryFolder(), "r.jsonl");
  await mkdir(file);

  await expect(readAnswerLines(file, reasonLineSchema)).rejects.toThrow("r.jsonl: this is a folder, a file was expected.");
});
