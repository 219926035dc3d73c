import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { runDataReasons } from "../../src/cli/commands/data-reasons.ts";
import type { ReasonsFlags } from "../../src/cli/commands/data-reasons.ts";
import { previewReasons, writeReasons } from "../../src/rationales/write-reasons.ts";
import { convert, only, rawFiles } from "../data/converters/converted.ts";
import { completion, datasetOf, goodAnswer, JOY, joyful, stubServer } from "../rationales/stub-server.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fakeContext } from "./fake-context.ts";
import type { FakeContext } from "./fake-context.ts";

async function run(flags: Omit<ReasonsFlags, "out" | "model"> & Partial<ReasonsFlags>, folder?: string): Promise<FakeContext> {
  const fake = fakeContext(folder ?? (await temporaryFolder()), { previewReasons, writeReasons });
  await runDataReasons({ out: "reasons.jsonl", model: "m", ...flags }, fake.context);
  return fake;
}

test("from annotations to a dataset with a model's reasons, marked as such", async () => {
  const raw = await rawFiles({ "train_sent_emo.csv": "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\nHi.,Joey,joy,positive,0,0\nHo.,Joey,anger,negative,0,1\n" });
  const { out: root } = await convert("meld", raw, ["reasons.compose=template"]);
  const { url } = await stubServer((request, response) => completion(response, request.body.messages[0]?.content.includes("anger") === true ? "Let me think" : goodAnswer(request)));
  const folder = await temporaryFolder();

  const { human, progress, json } = await run({ root, endpoint: url, priceIn: 10, priceOut: 100 }, folder);

  expect(human).toEqual([
    `utterances: 2 to be asked about, 2 in all

1 written, 1 rejected, 0 left; questions asked: 2. Nothing is left to ask.
tokens: 600 in, 150 out; cost 0.0210
Rejected answers, with what is wrong, are in ${folder}/reasons.rejected.jsonl; a question is asked again once its line there is deleted.
Read reasons.jsonl, then build with --set reasons.file=reasons.jsonl`,
  ]);
  expect(progress.at(-1)).toMatch(/^2 of 2 answered, 1 rejected, cost 0\.0210$/);
  expect(json).toEqual([
    { kind: "rejected", id: "meld_train_dia0_utt1", why: "the emotion it concludes with is none, expected anger", answer: "Let me think", model: "m", request: expect.any(String) },
    expect.objectContaining({ kind: "reasons", out: join(folder, "reasons.jsonl"), written: 1, rejected: 1, tokens: { input: 600, output: 150 }, end: "done" }),
  ]);

  const { records, report } = await convert("meld", raw, [`reasons.file=${join(folder, "reasons.jsonl")}`, "reasons.compose=template"]);

  expect(only(records).utterances.map(({ reason, reasonOrigin }) => [reasonOrigin, reason])).toEqual([
    ["model", "In the video, the words are warm, so the emotion is joy."],
    ["template", expect.stringContaining('says "Ho."')],
  ]);
  expect(report.splits.train?.reason).toEqual({ model: 1, template: 1 });
});

test("a dry run prints the whole question, the sizes and the cost, and sends nothing", async () => {
  const root = await datasetOf(JOY, { id: "u", text: "Oh." });
  const { url, received } = await stubServer(() => undefined);
  const folder = await temporaryFolder();

  const { human, json } = await run({ root, endpoint: url, dryRun: true, priceIn: 1000, priceOut: 1000, request: '{"seed": 1}', keyEnv: "NOT_NEEDED_NOW" }, folder);

  expect(human[0]).toContain(`utterances: 1 to be asked about, 1 without emotion, 2 in all\n\nPOST ${url}/chat/completions {"model":"m","seed":1}\n\nA person in a short video`);
  expect(human[0]).toMatch(/\n\nquestions: 1, about 1\d\d tokens in and 60 out; cost about 0\.\d{4} \(estimated; .*\n\nNothing was sent\.$/);
  expect(json[0]).toMatchObject({ kind: "reasons-preview", questions: 1, prompt: expect.stringContaining("Big smile") });
  expect(received).toEqual([]);
  await expect(readFile(join(folder, "reasons.jsonl"))).rejects.toThrow("ENOENT");
});

test("the key comes from the variable that was named, and is neither printed nor written", async () => {
  const root = await datasetOf(JOY);
  const { url, received } = await stubServer((request, response) => completion(response, goodAnswer(request)));
  vi.stubEnv("MY_KEY", "sk-mine");
  vi.stubEnv("OPENAI_API_KEY", undefined);
  const folder = await temporaryFolder();

  const { human, json, progress } = await run({ root, endpoint: url, keyEnv: "MY_KEY" }, folder);
  await run({ root, endpoint: url, out: "b.jsonl" }, folder);
  vi.unstubAllEnvs();

  expect(received.map(({ headers }) => headers.authorization)).toEqual(["Bearer sk-mine", undefined]);
  expect(JSON.stringify([human, json, progress, await readFile(join(folder, "reasons.jsonl"), "utf8")])).not.toContain("sk-mine");
});

test("what is left is said, with how to go on", async () => {
  const { url } = await stubServer((request, response) => completion(response, goodAnswer(request), { usage: null }));
  const root = await datasetOf(...joyful(3));
  const folder = await temporaryFolder();

  expect((await run({ root, endpoint: url, limit: 2 }, folder)).human[0]).toMatch(/\n\n2 written, 0 rejected, 1 left; questions asked: 2\. --limit is reached\.\ntokens: .* \(2 of the answers estimated: the server did not count\)\nThe same command goes on from here\.\nRead /);
  expect((await run({ root, endpoint: url, maxCost: 0, priceIn: 1, priceOut: 1 }, folder)).human[0]).toMatch(/^utterances: 1 to be asked about, 2 with one in the file, 3 in all\n\n0 written, .* 1 left; .* Stopped: another question might cost more than --max-cost\.\n/);
  expect((await run({ root, endpoint: url, model: "other", dryRun: true }, folder)).human[0]).toContain("2 with one in the file (2 by another model or prompt: delete their lines to have them written anew)");
});

test.each<[Partial<ReasonsFlags>, string]>([
  [{ keyEnv: "NO_SUCH_KEY_HERE" }, "ConfigError --key-env: the environment variable NO_SUCH_KEY_HERE is not set."],
  [{ keyEnv: "sk-abc" }, "ConfigError --key-env: expected the name of an environment variable: letters, digits, underscores.\n  The key itself does not belong on the command line, where others can read it."],
  [{ maxCost: 1, priceIn: 1 }, "ConfigError --max-cost: cost is counted by both prices, --price-in and --price-out, and one is missing."],
  [{ priceOut: 1 }, "ConfigError --price-in, --price-out: cost is counted by both prices, --price-in and --price-out, and one is missing."],
])("the flags %j are refused", async (flags, message) => {
  const failure: unknown = await run({ root: "r", endpoint: "http://h", ...flags }).catch((error: unknown) => error);

  expect(failure).toMatchObject({ exitCode: 2, message });
});
