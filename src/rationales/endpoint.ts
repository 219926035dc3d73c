/** @file An OpenAI-compatible endpoint: where it is, what it is sent, with which key. The key goes into one header and nowhere else. */
import { UserError } from "../core/errors.ts";
import { sha256 } from "../core/hash.ts";

export interface EndpointInput {
  /** Base address such as http://localhost:8000/v1, with or without /chat/completions. */
  readonly url: string;
  readonly model: string;
  /** `value` is undefined when the environment has no such variable; then no key is sent. */
  readonly key: { readonly variable: string; readonly value: string | undefined };
  /** JSON text of an object: more fields of the request's body. */
  readonly request?: string | undefined;
  readonly timeoutMs: number;
}

export interface Endpoint extends Omit<EndpointInput, "url" | "request"> {
  readonly url: URL;
  /** The address for messages: without its query, which may hold a secret. */
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** @throws UserError (ConfigError): an address, a key or fields that cannot be used. */
export function openEndpoint({ url, request, ...input }: EndpointInput): Endpoint {
  const address = parseAddress(url);
  return { ...input, key: { ...input.key, value: parseKey(input.key) }, url: address, name: `${address.origin}${address.pathname}`, fields: request === undefined ? {} : parseFields(request) };
}

export function renderBody({ model, fields }: Endpoint, messages: readonly Message[]): Readonly<Record<string, unknown>> {
  return { model, messages, ...fields };
}

/** Equal for equal questions to the same model at the same address with the same settings. */
export function requestKey(endpoint: Endpoint, prompt: string): string {
  return sha256(JSON.stringify([endpoint.url.href, renderBody(endpoint, [{ role: "user", content: prompt }])])).slice(0, 16);
}

const PATH = "/chat/completions";

function parseAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const hint = "Name the base address, e.g. --endpoint http://localhost:8000/v1";
  if (url?.protocol !== "http:" && url?.protocol !== "https:") throw new UserError({ kind: "ConfigError", where: "--endpoint", what: `got ${JSON.stringify(text)}, expected an address that begins with http:// or https://`, hint });
  // Not quoted: what stands before the @ is a password.
  if (url.username !== "" || url.password !== "") throw new UserError({ kind: "ConfigError", where: "--endpoint", what: "the address holds a user name or password, expected none", hint: "The key comes from the environment: --key-env names the variable." });
  const base = url.pathname.replace(/\/+$/, "");
  url.pathname = base.endsWith(PATH) ? base : `${base}${PATH}`;
  url.hash = "";
  return url;
}

/** A blank variable holds no key. */
function parseKey({ variable, value }: EndpointInput["key"]): string | undefined {
  const key = value?.trim();
  if (key === undefined || key === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new UserError({ kind: "ConfigError", where: variable, what: "the key in this environment variable holds characters that no key has, such as blanks or line ends" });
}

/** What the answers' reading rests on. */
const OURS = ["model", "messages", "stream", "n"];

function parseFields(text: string): Readonly<Record<string, unknown>> {
  const fail = (what: string): UserError => new UserError({ kind: "ConfigError", where: "--request", what, hint: `Expected a JSON object in quotes, e.g. --request '{"temperature": 0.7}'` });
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch (error) {
    throw new UserError(fail(`this is not JSON: ${error instanceof Error ? error.message : String(error)}`).problems, { cause: error });
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) throw fail(`got ${JSON.stringify(fields)}, expected an object`);
  const taken = Object.keys(fields).find((name) => OURS.includes(name));
  if (taken !== undefined) throw fail(`"${taken}" cannot be set here`);
  return { ...fields };
}
