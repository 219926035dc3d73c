/** @file A server on this machine that answers as a test says, a small dataset, and a clock that does not wait. */
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Utterance } from "../../src/data/record.ts";
import type { Clock } from "../../src/rationales/pace.ts";
import type { ReasonsEvent, ReasonsOptions } from "../../src/rationales/write-reasons.ts";
import { temporaryFolder } from "../temporary-folder.ts";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly model: string; readonly messages: readonly { readonly role: string; readonly content: string }[]; readonly [field: string]: unknown };
}

export interface Stub {
  readonly url: string;
  readonly received: Received[];
}

/** `answer` gets the request and its number, from 0. */
export async function stubServer(answer: (request: Received, response: ServerResponse, number: number) => unknown): Promise<Stub> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      const one: Received = { path: request.url ?? "", headers: request.headers, body: JSON.parse(text) as Received["body"] };
      received.push(one);
      answer(one, response, received.length - 1);
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/v1`, received };
}

/** A chat completion of 200 tokens in and 50 out. */
export function completion(response: ServerResponse, content: string | null, more: { readonly finish?: string; readonly usage?: null } = {}): void {
  json(response, 200, {
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: more.finish ?? "stop" }],
    ...(more.usage === null ? {} : { usage: { prompt_tokens: 200, completion_tokens: 50, total_tokens: 250 } }),
  });
}

export function json(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** What a model that does as it is told says: the emotion is read from the prompt. */
export function goodAnswer({ body }: Received): string {
  return `In the video, the words are warm, so the emotion is ${/^Emotion: (\w+)$/m.exec(body.messages[0]?.content ?? "")?.[1] ?? "?"}.`;
}

/** A dataset of one dialogue. */
export async function datasetOf(...utterances: readonly Utterance[]): Promise<string> {
  const root = join(await temporaryFolder(), "dataset");
  await mkdir(root);
  await writeFile(join(root, "train.jsonl"), `${JSON.stringify({ id: "dia", source: "test", split: "train", utterances })}\n`);
  return root;
}

export const JOY: Utterance = { id: "u1", text: "We won!", emotion: "joy", sentiment: { polarity: "positive" }, expression: ["Big smile", "Eyes narrowing"] };

/** Utterances "u1" to "un", each with words of its own. */
export function joyful(count: number): Utterance[] {
  return Array.from({ length: count }, (_, i) => ({ id: `u${i + 1}`, text: `Word ${i + 1}`, emotion: "joy" }));
}

/** A clock whose sleeps pass at once, noted in milliseconds. */
export function fakeClock(): { readonly clock: Clock; readonly slept: number[] } {
  const slept: number[] = [];
  let now = 0;
  return {
    slept,
    clock: {
      now: () => now,
      sleep: (milliseconds) => {
        slept.push(milliseconds);
        now += milliseconds;
        return Promise.resolve();
      },
    },
  };
}

export const KEY = "sk-secret-123";

/** Options for one worker with a key; `events` collects what is told. */
export function reasonsOptions(root: string, url: string, more: Partial<ReasonsOptions> & { readonly request?: string; readonly timeoutMs?: number } = {}): { readonly options: ReasonsOptions; readonly events: ReasonsEvent[]; readonly slept: number[] } {
  const events: ReasonsEvent[] = [];
  const { clock, slept } = fakeClock();
  const { request, timeoutMs = 5000, ...rest } = more;
  const options: ReasonsOptions = {
    root,
    out: join(root, "reasons.jsonl"),
    endpoint: { url, model: "some-model", key: { variable: "OPENAI_API_KEY", value: KEY }, request, timeoutMs },
    concurrency: 1,
    signal: new AbortController().signal,
    onEvent: (event) => events.push(event),
    clock,
    random: () => 0.5,
    ...rest,
  };
  return { options, events, slept };
}
