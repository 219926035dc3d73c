import { readFile, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/rationales/pace.ts";
import { previewReasons, writeReasons } from "../../src/rationales/write-reasons.ts";
import { completion, datasetOf, goodAnswer, joyful, JOY, json, KEY, reasonsOptions, stubServer } from "./stub-server.ts";

const linesOf = async (file: string): Promise<Record<string, unknown>[]> =>
  (await readFile(file, "utf8")).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);

test("every utterance with an emotion and a cue but no reason is asked about, and its line says that a model wrote it", async () => {
  const root = await datasetOf(
    JOY,
    { id: "given", text: "Hm.", emotion: "joy", reason: "He smiles.", reasonOrigin: "given" },
    { id: "old", text: "Hm.", emotion: "joy", reason: "He smiles." },
    { id: "composed", text: "No!", emotion: "anger", reason: "In the video, anger.", reasonOrigin: "template" },
    { id: "unlabelled", text: "Oh." },
    { id: "silent", text: "", emotion: "joy" },
  );
  const { url, received } = await stubServer((request, response) => completion(response, goodAnswer(request)));
  const { options } = reasonsOptions(root, url, { prices: { input: 1, output: 10 }, request: '{"temperature": 0.5}' });

  const result = await writeReasons(options);

  expect(received.map(({ path, headers }) => [path, headers.authorization, headers["content-type"]])).toEqual(Array(2).fill(["/v1/chat/completions", `Bearer ${KEY}`, "application/json"]));
  expect(received[0]?.body).toEqual({ model: "some-model", temperature: 0.5, messages: [{ role: "user", content: expect.stringContaining("Face: Big smile; Eyes narrowing") }] });
  expect(await linesOf(options.out)).toEqual([
    { id: "u1", reason: "In the video, the words are warm, so the emotion is joy.", origin: "model", model: "some-model", request: expect.stringMatching(/^[0-9a-f]{16}$/) },
    { id: "composed", reason: "In the video, the words are warm, so the emotion is anger.", origin: "model", model: "some-model", request: expect.any(String) },
  ]);
  expect(result).toEqual({
    out: options.out,
    rejectedOut: join(root, "reasons.rejected.jsonl"),
    before: { utterances: 6, withReason: 2, withoutEmotion: 1, withoutCues: 1, written: 0, writtenOtherwise: 0, rejected: 0, open: 2 },
    written: 2,
    rejected: 0,
    left: 0,
    asked: 2,
    tokens: { input: 400, output: 100 },
    estimatedAnswers: 0,
    cost: (400 * 1 + 100 * 10) / 1e6,
    end: "done",
  });
  expect(await readFile(options.out, "utf8")).not.toContain(KEY);
});

test("a second run asks nothing, an edited line stays, a deleted one is asked for again, another model does not rewrite", async () => {
  const root = await datasetOf(...joyful(3));
  const { url, received } = await stubServer((request, response) => completion(response, goodAnswer(request)));
  const { options } = reasonsOptions(root, `${url}/`);
  await writeReasons(options);
  const [first = {}, , third] = await linesOf(options.out);
  await writeFile(options.out, `${JSON.stringify({ ...first, reason: "She laughs." })}\n${JSON.stringify(third)}`); // an editor without a last line end

  const second = await writeReasons(options);

  expect(second).toMatchObject({ before: { written: 2, open: 1 }, written: 1, asked: 1 });
  expect((await linesOf(options.out)).map(({ id, reason }) => [id, String(reason).slice(0, 10)])).toEqual([["u1", "She laughs"], ["u3", "In the vid"], ["u2", "In the vid"]]);
  expect(received).toHaveLength(4);

  const other = await writeReasons({ ...options, endpoint: { ...options.endpoint, model: "other" } });

  expect(other).toMatchObject({ before: { written: 3, writtenOtherwise: 3, open: 0 }, written: 0, asked: 0, end: "done" });
  expect(received).toHaveLength(4);
});

test("equal cues are asked about once", async () => {
  const root = await datasetOf({ id: "a", text: "Okay.", emotion: "joy" }, { id: "b", speaker: "Joey", text: "Okay.", emotion: "joy" }, { id: "c", text: "Okay.", emotion: "fear" });
  const { url, received } = await stubServer((request, response) => completion(response, goodAnswer(request)));
  const { options } = reasonsOptions(root, url);

  expect(await writeReasons(options)).toMatchObject({ written: 3, asked: 2, left: 0 });
  expect(received).toHaveLength(2);
  expect((await linesOf(options.out)).map(({ id }) => id)).toEqual(["a", "b", "c"]);
});

test("an answer that cannot be used is asked for once more with what was wrong; the second one is listed and not asked for again", async () => {
  const root = await datasetOf(...joyful(2));
  const { url, received } = await stubServer((request, response, number) => {
    if (number === 0) completion(response, "In the video, anger.");
    else if (number === 1) completion(response, goodAnswer(request));
    else completion(response, number === 2 ? null : "In the", { finish: number === 2 ? "stop" : "length" });
  });
  const { options, events } = reasonsOptions(root, url);

  const result = await writeReasons(options);

  expect(result).toMatchObject({ written: 1, rejected: 1, asked: 2, left: 0, tokens: { input: 800, output: 200 } });
  expect(received[1]?.body.messages.slice(1)).toEqual([
    { role: "assistant", content: "In the video, anger." },
    { role: "user", content: "This cannot be used: the emotion it concludes with is anger, expected joy. Write it again by the same rules." },
  ]);
  expect(received[3]?.body.messages).toHaveLength(1); // there was nothing to correct
  const listed = { id: "u2", why: "it was cut off by the limit of tokens", answer: "In the", model: "some-model", request: expect.any(String) };
  expect(await linesOf(result.rejectedOut)).toEqual([listed]);
  expect(events.filter(({ kind }) => kind === "rejected")).toEqual([{ kind: "rejected", ...listed }]);

  expect(await writeReasons(options)).toMatchObject({ before: { written: 1, rejected: 1, open: 0 }, asked: 0 });
  expect(received).toHaveLength(4);
});

test("a model whose first 20 answers are of no use is stopped", async () => {
  const root = await datasetOf(...joyful(30));
  const { url, received } = await stubServer((_, response) => completion(response, "I cannot watch videos."));
  const { options } = reasonsOptions(root, url);

  await expect(writeReasons(options)).rejects.toThrow(
    `ConfigError ${url}/chat/completions: none of the first 20 answers can be used; the last one: the emotion it concludes with is none, expected joy; it was "I cannot watch videos.".\n  Is "some-model" a model that follows instructions? A reasoning model may need a higher limit of tokens in --request.`,
  );
  expect(received).toHaveLength(40);
});

test("busy servers are asked again after waits that double, cut connections and slow answers too", async () => {
  const root = await datasetOf(JOY);
  const { url, received } = await stubServer((request, response, number) => {
    if (number === 0) json(response, 500, { error: { message: "oops" } });
    else if (number === 1) response.socket?.destroy();
    else if (number === 2) return; // no answer at all
    else if (number === 3) json(response, 200, { error: { message: "upstream is busy", code: 502 } });
    else if (number === 4) response.writeHead(503).end("<html>busy</html>");
    else completion(response, goodAnswer(request));
  });
  const { options, events, slept } = reasonsOptions(root, url, { timeoutMs: 60 });

  expect(await writeReasons(options)).toMatchObject({ written: 1 });
  expect(received).toHaveLength(6);
  expect(slept).toEqual([750, 1500, 3000, 6000, 12_000]); // 1 s, doubled, the drawn half at its middle
  expect(events.flatMap((event) => (event.kind === "retry" ? [event.what] : []))).toEqual(["got status 500 (oops)", expect.stringMatching(/^the connection was cut \(/), "no answer within 0.06 s", "got status 502 (upstream is busy)", "got status 503"]);
});

test("Retry-After is obeyed, in seconds and as a date", async () => {
  const root = await datasetOf(JOY);
  const { url } = await stubServer((request, response, number) => {
    if (number === 0) json(response, 429, { error: { message: "slow down" } }, { "retry-after": "17" });
    else if (number === 1) json(response, 429, {}, { date: "Wed, 21 Oct 2015 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT" });
    else completion(response, goodAnswer(request));
  });
  const { options, slept } = reasonsOptions(root, url);

  await writeReasons(options);

  expect(slept).toEqual([17_000, 30_000]);
});

test("a pause of hours is not waited for", async () => {
  const root = await datasetOf(JOY);
  const { url, received } = await stubServer((_, response) => json(response, 429, { error: { message: "daily limit" } }, { "retry-after": "7200" }));

  await expect(writeReasons(reasonsOptions(root, url).options)).rejects.toThrow(`SystemError ${url}/chat/completions: got status 429 (daily limit); it asks for a pause of 120 minutes.\n  What was written stays; the same command goes on from there.`);
  expect(received).toHaveLength(1);
});

test("after six tries the command ends; what was answered is kept, and the next run goes on", async () => {
  const root = await datasetOf(...joyful(3));
  let works = false;
  const { url, received } = await stubServer((request, response, number) => {
    if (number === 0 || works) completion(response, goodAnswer(request));
    else json(response, 503, { error: "overloaded" });
  });
  const { options } = reasonsOptions(root, url);

  const failure: unknown = await writeReasons(options).catch((error: unknown) => error);

  expect(failure).toMatchObject({ exitCode: 1, message: `SystemError ${url}/chat/completions: no answer after 6 tries, at last: got status 503 (overloaded).\n  Is the address right, and the server up? A slow server: --timeout, --concurrency. What was written stays; the same command goes on from there.` });
  expect(received).toHaveLength(7);
  expect(await linesOf(options.out)).toHaveLength(1);

  works = true;
  expect(await writeReasons(options)).toMatchObject({ before: { written: 1 }, written: 2, left: 0 });
});

test("a stop lets the answer under way come in, cuts waits short and asks no more", async () => {
  const root = await datasetOf(...joyful(3));
  const stop = new AbortController();
  const { url, received } = await stubServer((request, response) => {
    stop.abort("SIGINT");
    setTimeout(() => completion(response, goodAnswer(request)), 20);
  });
  const { options } = reasonsOptions(root, url, { signal: stop.signal });

  expect(await writeReasons(options)).toMatchObject({ written: 1, left: 2, end: "stopped" });
  expect(received).toHaveLength(1);
});

test("the limit of questions and the most cost end the run before another question", async () => {
  const root = await datasetOf(...joyful(5));
  const { url, received } = await stubServer((request, response) => completion(response, goodAnswer(request)));

  expect(await writeReasons(reasonsOptions(root, url, { limit: 2 }).options)).toMatchObject({ written: 2, left: 3, end: "limit" });
  // An answer costs 0.25; the third would pass 0.6.
  const dear = reasonsOptions(root, url, { out: join(root, "dear.jsonl"), prices: { input: 1000, output: 1000 }, mostCost: 0.6 });
  expect(await writeReasons(dear.options)).toMatchObject({ written: 2, left: 3, cost: 0.5, end: "most-cost" });
  expect(received).toHaveLength(4);
});

test("tokens are estimated where the server does not count", async () => {
  const root = await datasetOf(JOY);
  const { url } = await stubServer((request, response) => completion(response, goodAnswer(request), { usage: null }));
  const { options } = reasonsOptions(root, url);
  const { tokens } = await previewReasons(options);

  const result = await writeReasons(options);

  expect(result).toMatchObject({ estimatedAnswers: 1, tokens: { input: tokens.input } });
  expect(result.tokens.output).toBe(Math.ceil("In the video, the words are warm, so the emotion is joy.".length / 4) + 8);
});

test("several requests are under way at a time, as many as was said", async () => {
  const root = await datasetOf(...joyful(40));
  let [now, most] = [0, 0];
  const { url } = await stubServer((request, response) => {
    now += 1;
    most = Math.max(most, now);
    setTimeout(() => {
      now -= 1;
      completion(response, goodAnswer(request));
    }, 100);
  });
  const { options } = reasonsOptions(root, url, { concurrency: 16 });

  expect(await writeReasons(options)).toMatchObject({ written: 40, left: 0 });
  expect(most).toBe(16);
  expect(new Set((await linesOf(options.out)).map(({ id }) => id)).size).toBe(40);
});

test("many workers may wait at a time without a warning", async () => {
  const root = await datasetOf(...joyful(16));
  const refused: ServerResponse[] = [];
  const { url } = await stubServer((request, response, number) => {
    if (number >= 16) completion(response, goodAnswer(request));
    else if (refused.push(response) === 16) for (const one of refused) json(one, 503, {});
  });
  const { options } = reasonsOptions(root, url, { concurrency: 16, clock: systemClock, random: () => -0.8 }); // waits of 100 ms
  const warnings: Error[] = [];
  const note = (warning: Error): number => warnings.push(warning);
  process.on("warning", note);

  expect(await writeReasons(options)).toMatchObject({ written: 16 });
  await new Promise((done) => setTimeout(done, 1));
  process.off("warning", note);

  expect(warnings).toEqual([]);
});

test("a preview sends and writes nothing", async () => {
  const root = await datasetOf(JOY, ...joyful(3).slice(1));
  const { url, received } = await stubServer(() => undefined);
  const { options } = reasonsOptions(root, `${url}?api-version=1`, { prices: { input: 2, output: 4 }, request: '{"top_p": 0.9}' });

  const preview = await previewReasons(options);

  expect(preview).toMatchObject({ questions: 3, address: `${url}/chat/completions`, settings: { model: "some-model", top_p: 0.9 }, prompt: expect.stringContaining('Words: "We won!"'), tokens: { output: 180 } });
  expect(preview.cost).toBeCloseTo((preview.tokens.input * 2 + 180 * 4) / 1e6, 12);
  expect(received).toEqual([]);
  await expect(readFile(options.out)).rejects.toThrow("ENOENT");
});
