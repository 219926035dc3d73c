/** @file One request to an endpoint, and what its reply means. */
import { z } from "zod";
import type { Problem } from "../core/errors.ts";
import { jsonOrUndefined } from "../core/json.ts";
import { renderBody } from "./endpoint.ts";
import type { Endpoint, Message } from "./endpoint.ts";

export interface Tokens {
  readonly input: number;
  readonly output: number;
}

export type Reply =
  /** `finish` is the server's finish_reason; no `tokens` when the server does not count them. */
  | { readonly kind: "answer"; readonly text: string; readonly finish: string | undefined; readonly tokens: Tokens | undefined }
  /** The same request may be answered later. */
  | { readonly kind: "busy"; readonly what: string; readonly retryAfterMs: number | undefined }
  /** Asking again is in vain. */
  | { readonly kind: "refused"; readonly problem: Problem };

/** Asks once. Whatever the network and the server do is a reply. */
export async function post(endpoint: Endpoint, messages: readonly Message[]): Promise<Reply> {
  const { url, key, timeoutMs } = endpoint;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", ...(key.value === undefined ? {} : { authorization: `Bearer ${key.value}` }) },
      body: JSON.stringify(renderBody(endpoint, messages)),
      redirect: "manual", // a followed POST may arrive as GET
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await readText(response);
  } catch (error) {
    return { kind: "busy", what: describeNetworkError(error, timeoutMs), retryAfterMs: undefined };
  }
  return readReply(endpoint, response, text);
}

/** An answer is a few kilobytes, a reasoning model's thoughts included perhaps a hundred. */
const MOST_BYTES = 8 << 20;

async function readText({ body }: { readonly body: AsyncIterable<Uint8Array> | null }): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > MOST_BYTES) throw new Error(`the reply is longer than ${MOST_BYTES >> 20} MiB`);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const replySchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullish() }), finish_reason: z.string().nullish() })),
  usage: z.object({ prompt_tokens: z.number().min(0), completion_tokens: z.number().min(0) }).nullish().catch(undefined),
});

const errorSchema = z.object({ error: z.union([z.string(), z.object({ message: z.string().optional(), code: z.union([z.string(), z.number()]).nullish() })]) });

function readReply(endpoint: Endpoint, response: Response, text: string): Reply {
  const body = jsonOrUndefined(text);
  const told = errorSchema.safeParse(body).data?.error;
  const error = typeof told === "string" ? { message: told, code: undefined } : told;
  // Gateways send the error of the server behind them under status 200.
  const status = response.ok && typeof error?.code === "number" ? error.code : response.status;
  const message = shortened(withoutKey(error?.message ?? (isPage(response, text) ? "" : text), endpoint));
  if (error?.code === "content_filter") return { kind: "answer", text: "", finish: "content_filter", tokens: undefined };
  if (status >= 300) {
    const what = `got status ${status}${message === "" ? "" : ` (${message})`}`;
    // Out of money is reported like out of breath, but waiting does not help.
    const isBusy = (status === 408 || status === 429 || status >= 500) && error?.code !== "insufficient_quota";
    return isBusy ? { kind: "busy", what, retryAfterMs: retryAfter(response.headers) } : { kind: "refused", problem: explain({ endpoint, status, what, location: response.headers.get("location") }) };
  }
  if (body === undefined) return notJson(endpoint, response, text);
  const parsed = replySchema.safeParse(body);
  if (!parsed.success) return { kind: "refused", problem: { kind: "ConfigError", where: endpoint.name, what: `got ${shortened(withoutKey(text, endpoint))}, expected a chat completion with choices`, hint: BASE_HINT } };
  const [choice] = parsed.data.choices;
  const usage = parsed.data.usage ?? undefined;
  return { kind: "answer", text: choice?.message.content ?? "", finish: choice?.finish_reason ?? undefined, tokens: usage === undefined ? undefined : { input: usage.prompt_tokens, output: usage.completion_tokens } };
}

const BASE_HINT = "Is --endpoint the base address of an OpenAI-compatible server? It usually ends in /v1.";

function notJson({ name }: Endpoint, response: Response, text: string): Reply {
  const got = text.trim() === "" ? "an empty reply" : isPage(response, text) ? "a web page (HTML)" : `"${shortened(text)}"`;
  return { kind: "refused", problem: { kind: "ConfigError", where: name, what: `got ${got}, expected JSON`, hint: BASE_HINT } };
}

function isPage({ headers }: Response, text: string): boolean {
  return /html/i.test(headers.get("content-type") ?? "") || /^\s*</.test(text);
}

function explain({ endpoint: { name, key, model }, status, what, location }: { readonly endpoint: Endpoint; readonly status: number; readonly what: string; readonly location: string | null }): Problem {
  const problem = (reason: string, hint: string): Problem => ({ kind: "ConfigError", where: name, what: `${what}: ${reason}`, hint });
  if (status < 400) return problem(`the server points elsewhere${location === null ? "" : `, to ${location.replace(/\?.*/s, "")}`}`, "Name that address with --endpoint.");
  if (status === 401 || status === 403) {
    return key.value === undefined
      ? problem(`no key was sent, for ${key.variable} is not set`, `Set the environment variable ${key.variable}, or name another with --key-env.`)
      : problem(`the key in ${key.variable} is not accepted`, "Check the key and what it may use; --key-env names the variable that holds it.");
  }
  if (status === 404) return problem(`neither an address of this server nor, perhaps, a model "${model}"`, `${BASE_HINT} Its path /models lists the names.`);
  if (status === 402 || status === 429) return problem("the account has no money left for this", "Fill it up, then run the command again.");
  return problem("the server does not take this request", "--request sets the fields that this server wants.");
}

/** Milliseconds; the header holds seconds or a date. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after")?.trim() ?? "";
  const wait = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.parse(headers.get("date") ?? "");
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

function describeNetworkError(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1000} s`;
  const { cause = error } = error; // fetch itself only says that it failed
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "nothing listens there",
    ENOTFOUND: "there is no host of this name",
    EAI_AGAIN: "the host's name cannot be looked up now",
    ECONNRESET: "the connection was cut",
    UND_ERR_SOCKET: "the connection was cut",
  };
  const text = cause instanceof Error ? cause.message : "";
  return `${reasons[code] ?? (text === "" ? "the connection failed" : text)}${code === "" ? "" : ` (${code})`}`;
}

function withoutKey(text: string, { key }: Endpoint): string {
  return key.value === undefined ? text : text.replaceAll(key.value, "***");
}

function shortened(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 200 ? `${line.slice(0, 197)}...` : line;
}
