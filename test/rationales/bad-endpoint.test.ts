import { createServer } from "node:http";
import { expect, test } from "vitest";
import { openEndpoint } from "../../src/rationales/endpoint.ts";
import type { EndpointInput } from "../../src/rationales/endpoint.ts";
import { writeReasons } from "../../src/rationales/write-reasons.ts";
import { completion, datasetOf, JOY, json, KEY, reasonsOptions, stubServer } from "./stub-server.ts";
import type { Stub } from "./stub-server.ts";

const input: EndpointInput = { url: "http://h:1/v1", model: "m", key: { variable: "MY_KEY", value: undefined }, timeoutMs: 1000 };

test("the address is completed, never twice, and its query is kept out of messages", () => {
  expect(["http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"].map((url) => openEndpoint({ ...input, url }).name)).toEqual(Array(3).fill("http://h:1/v1/chat/completions"));
  const azure = openEndpoint({ ...input, url: "https://h/openai?api-version=2#x" });
  expect([azure.url.href, azure.name]).toEqual(["https://h/openai/chat/completions?api-version=2", "https://h/openai/chat/completions"]);
});

test.each<[string, Partial<EndpointInput>, string]>([
  ["no address", { url: "localhost:8000" }, 'ConfigError --endpoint: got "localhost:8000", expected an address that begins with http:// or https://.\n  Name the base address, e.g. --endpoint http://localhost:8000/v1'],
  ["a password in it", { url: "https://me:hidden@h/v1" }, "ConfigError --endpoint: the address holds a user name or password, expected none.\n  The key comes from the environment: --key-env names the variable."],
  ["a key of two lines", { key: { variable: "MY_KEY", value: "hidden\nhidden" } }, "ConfigError MY_KEY: the key in this environment variable holds characters that no key has, such as blanks or line ends."],
  ["a list of fields", { request: "[1]" }, `ConfigError --request: got [1], expected an object.\n  Expected a JSON object in quotes, e.g. --request '{"temperature": 0.7}'`],
  ["a field of ours", { request: '{"stream": true}' }, `ConfigError --request: "stream" cannot be set here.`],
  ["fields that are no JSON", { request: "temperature=1" }, "ConfigError --request: this is not JSON: Unexpected token"],
])("%s is refused before anything is sent", (_, wrong, message) => {
  expect(() => openEndpoint({ ...input, ...wrong })).toThrow(message);
  expect(() => openEndpoint({ ...input, ...wrong })).not.toThrow("hidden");
});

test("blanks around a key are cut off, and a blank variable holds none", () => {
  expect(openEndpoint({ ...input, key: { variable: "K", value: " abc\n" } }).key.value).toBe("abc");
  expect(openEndpoint({ ...input, key: { variable: "K", value: " \n" } }).key.value).toBeUndefined();
});

const BASE = "Is --endpoint the base address of an OpenAI-compatible server? It usually ends in /v1.";

test.each<[string, Parameters<typeof stubServer>[0], string]>([
  ["401", (_, response) => json(response, 401, { error: { message: `Incorrect API key provided: ${KEY}` } }), "got status 401 (Incorrect API key provided: ***): the key in OPENAI_API_KEY is not accepted.\n  Check the key and what it may use; --key-env names the variable that holds it."],
  ["403", (_, response) => json(response, 403, { error: "no" }), "got status 403 (no): the key in OPENAI_API_KEY is not accepted."],
  ["404 of a web server", (_, response) => response.writeHead(404, { "content-type": "text/plain" }).end("Not Found"), `got status 404 (Not Found): neither an address of this server nor, perhaps, a model "some-model".\n  ${BASE} Its path /models lists the names.`],
  ["400", (_, response) => json(response, 400, { error: { message: "Unsupported parameter: 'max_tokens'" } }), "got status 400 (Unsupported parameter: 'max_tokens'): the server does not take this request.\n  --request sets the fields that this server wants."],
  ["an account without money", (_, response) => json(response, 429, { error: { message: "You exceeded your current quota", code: "insufficient_quota" } }), "got status 429 (You exceeded your current quota): the account has no money left for this.\n  Fill it up, then run the command again."],
  ["another address", (_, response) => response.writeHead(308, { location: "https://elsewhere.example/v1/chat/completions?token=1" }).end(), "got status 308: the server points elsewhere, to https://elsewhere.example/v1/chat/completions.\n  Name that address with --endpoint."],
  ["a web page", (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>"), `got a web page (HTML), expected JSON.\n  ${BASE}`],
  ["plain text", (_, response) => response.writeHead(200).end("Ollama is running"), `got "Ollama is running", expected JSON.\n  ${BASE}`],
  ["nothing", (_, response) => response.writeHead(200).end(), `got an empty reply, expected JSON.\n  ${BASE}`],
  ["other JSON", (_, response) => json(response, 200, { ok: true, key: KEY }), `got {"ok":true,"key":"***"}, expected a chat completion with choices.\n  ${BASE}`],
])("%s ends the command at once, with what to do", async (_, answer, message) => {
  const { url, received } = await stubServer(answer);
  const { options } = reasonsOptions(await datasetOf(JOY), url);

  const failure: unknown = await writeReasons(options).catch((error: unknown) => error);

  expect(failure).toMatchObject({ exitCode: 2, message: expect.stringContaining(`ConfigError ${url}/chat/completions: ${message}`) });
  expect(received).toHaveLength(1);
});

test("a refusal without a key says that none was sent", async () => {
  const { url, received } = await stubServer((_, response) => json(response, 401, { detail: "who?" }));
  const { options } = reasonsOptions(await datasetOf(JOY), url);

  await expect(writeReasons({ ...options, endpoint: { ...options.endpoint, key: { variable: "MY_KEY", value: undefined } } })).rejects.toThrow("got status 401 ({\"detail\":\"who?\"}): no key was sent, for MY_KEY is not set.\n  Set the environment variable MY_KEY, or name another with --key-env.");
  expect(received[0]?.headers.authorization).toBeUndefined();
});

test("where nothing listens the command ends after six tries", async () => {
  const { options, events } = reasonsOptions(await datasetOf(JOY), await closedPort());

  await expect(writeReasons(options)).rejects.toThrow("chat/completions: no answer after 6 tries, at last: nothing listens there (ECONNREFUSED).");
  expect(events).toHaveLength(5);
});

/** An address whose server has gone. */
async function closedPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/v1`;
}

test("no choice, no content and a content filter are answers that cannot be used", async () => {
  const rejections = async (answer: Parameters<typeof stubServer>[0]): Promise<unknown> => {
    const { url }: Stub = await stubServer(answer);
    const { options, events } = reasonsOptions(await datasetOf(JOY), url);
    await writeReasons(options);
    return events.flatMap((event) => (event.kind === "rejected" ? [event.why] : []));
  };

  expect(await rejections((_, response) => json(response, 200, { choices: [] }))).toEqual(["it is empty"]);
  expect(await rejections((_, response) => completion(response, null))).toEqual(["it is empty"]);
  expect(await rejections((_, response) => json(response, 400, { error: { code: "content_filter", message: "filtered" } }))).toEqual(["the server's content filter withheld it"]);
});

test("a reply without end is not read to its end", async () => {
  const { url } = await stubServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const chunk = Buffer.alloc(1 << 20, "x");
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", more);
    more();
  });
  const { options } = reasonsOptions(await datasetOf(JOY), url);

  await expect(writeReasons(options)).rejects.toThrow("at last: the reply is longer than 8 MiB.");
});
