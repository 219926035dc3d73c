/** @file Rationales written by a language model: a line of the output file per utterance, as the answers come. */
import { setMaxListeners } from "node:events";
import { UserError } from "../core/errors.ts";
import type { ReasonLine } from "../data/build/reason-line.ts";
import { ask } from "./ask.ts";
import type { Asking, Retry } from "./ask.ts";
import { costOf, createBudget, estimateTokens } from "./budget.ts";
import type { Prices, Use } from "./budget.ts";
import { openEndpoint } from "./endpoint.ts";
import type { EndpointInput, Message } from "./endpoint.ts";
import { createPace, systemClock } from "./pace.ts";
import type { Clock } from "./pace.ts";
import { expectedTokens, planReasons, rejectedFile } from "./plan.ts";
import type { Question, ReasonCounts, RejectedLine } from "./plan.ts";
import type { Reply, Tokens } from "./post.ts";
import { checkAnswer, renderCorrection, renderPrompt } from "./prompt.ts";

export interface ReasonsInput {
  /** A dataset of ours. */
  readonly root: string;
  /** JSON lines that `reasons.file` of a build reads; what is there already is not asked again. */
  readonly out: string;
  readonly endpoint: EndpointInput;
  readonly prices?: Prices | undefined;
}

export interface ReasonsOptions extends ReasonsInput {
  /** Requests at a time. */
  readonly concurrency: number;
  /** Requests that go out in a minute, at most. */
  readonly perMinute?: number | undefined;
  /** Questions to be asked, at most. */
  readonly limit?: number | undefined;
  /** In the prices' currency. */
  readonly mostCost?: number | undefined;
  readonly signal: AbortSignal;
  readonly onEvent: (event: ReasonsEvent) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export type ReasonsEvent =
  | ({ readonly kind: "retry" } & Retry)
  | ({ readonly kind: "rejected" } & RejectedLine)
  /** After each question. */
  | { readonly kind: "progress"; readonly done: number; readonly questions: number; readonly rejected: number; readonly cost: number | undefined };

export interface ReasonsResult {
  readonly out: string;
  readonly rejectedOut: string;
  /** Before this run. */
  readonly before: ReasonCounts;
  /** Utterances, of this run. */
  readonly written: number;
  readonly rejected: number;
  readonly left: number;
  /** Questions that were answered: equal ones are asked once. */
  readonly asked: number;
  readonly tokens: Tokens;
  /** Answers whose tokens the server did not count. */
  readonly estimatedAnswers: number;
  readonly cost?: number;
  readonly end: "done" | "limit" | "most-cost" | "stopped";
}

export interface ReasonsPreview {
  readonly counts: ReasonCounts;
  readonly questions: number;
  readonly tokens: Tokens;
  readonly cost?: number;
  readonly address: string;
  /** What is sent besides the messages. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of the first question. */
  readonly prompt?: string;
}

/** What `writeReasons` would ask: nothing is sent, nothing written. */
export async function previewReasons({ root, out, endpoint: input, prices }: ReasonsInput): Promise<ReasonsPreview> {
  const endpoint = openEndpoint(input);
  const { counts, questions, tokens } = await planReasons({ root, out, endpoint });
  const [first] = questions;
  return {
    counts,
    questions: questions.length,
    tokens,
    ...(prices === undefined ? {} : { cost: costOf(tokens, prices) }),
    address: endpoint.name,
    settings: { model: endpoint.model, ...endpoint.fields },
    ...(first === undefined ? {} : { prompt: renderPrompt(first.utterances[0]) }),
  };
}

/** A model that never gives what was asked for is stopped before it costs more. */
const HOPELESS = 20;

/**
 * Asks about every utterance that has an emotion and a cue but no reason, in the dataset or in `out`.
 *
 * @throws UserError - ConfigError: an endpoint that refuses, or a model whose first 20 answers are of no use; SystemError:
 * no answer; DataError: faults of the dataset or of lines in `out`. What was answered by then is written.
 */
export async function writeReasons(options: ReasonsOptions): Promise<ReasonsResult> {
  const { root, out, prices, mostCost, limit, signal, onEvent, clock = systemClock, random = Math.random } = options;
  const endpoint = openEndpoint(options.endpoint);
  const plan = await planReasons({ root, out, endpoint });
  const questions = plan.questions.slice(0, limit);
  const halt = new AbortController();
  const stop = AbortSignal.any([signal, halt.signal]);
  setMaxListeners(0, stop); // every worker may be waiting; Node would take that for a leak
  const budget = createBudget({ prices, mostCost });
  const asking: Asking = { endpoint, clock, random, signal: stop, pace: createPace({ perMinute: options.perMinute, clock, signal: stop }), onRetry: (retry) => onEvent({ kind: "retry", ...retry }) };
  const tally = { written: 0, rejected: 0, asked: 0, next: 0, broke: false };
  const reasons = lazily(() => plan.reasons.appender());
  const rejected = lazily(() => plan.rejected.appender());

  const settle = async ({ key, utterances }: Question, verdict: Verdict): Promise<void> => {
    tally.asked += 1;
    const ids = utterances.map(({ id }) => id);
    if ("reason" in verdict) {
      await (await reasons.get()).append(ids.map((id): ReasonLine => ({ id, reason: verdict.reason, origin: "model", model: endpoint.model, request: key })));
      tally.written += ids.length;
    } else {
      const lines = ids.map((id): RejectedLine => ({ id, ...verdict, model: endpoint.model, request: key }));
      await (await rejected.get()).append(lines);
      tally.rejected += ids.length;
      for (const line of lines) onEvent({ kind: "rejected", ...line });
      if (tally.written === 0 && tally.asked >= HOPELESS) throw hopeless(endpoint.name, endpoint.model, lines[0]);
    }
    onEvent({ kind: "progress", done: tally.asked, questions: questions.length, rejected: tally.rejected, cost: prices === undefined ? undefined : costOf(budget.used(), prices) });
  };

  const work = async (): Promise<void> => {
    for (let question = questions[tally.next]; question !== undefined && !stop.aborted; question = questions[tally.next]) {
      if (!budget.take(expectedTokens([question.utterances[0]]))) {
        tally.broke = true;
        return;
      }
      tally.next += 1;
      const uses: Use[] = [];
      let verdict: Verdict | undefined;
      try {
        verdict = await examine(question, asking, uses);
      } finally {
        budget.settle(uses);
      }
      if (verdict !== undefined) await settle(question, verdict);
    }
  };

  try {
    await together(options.concurrency, work, (error) => halt.abort(error));
  } finally {
    await reasons.close();
    await rejected.close();
  }
  const left = plan.counts.open - tally.written - tally.rejected;
  return {
    out,
    rejectedOut: rejectedFile(out),
    before: plan.counts,
    written: tally.written,
    rejected: tally.rejected,
    left,
    asked: tally.asked,
    tokens: budget.used(),
    estimatedAnswers: budget.estimated(),
    ...(prices === undefined ? {} : { cost: costOf(budget.used(), prices) }),
    end: left === 0 ? "done" : signal.aborted ? "stopped" : tally.broke ? "most-cost" : "limit",
  };
}

type Verdict = { readonly reason: string } | { readonly why: string; readonly answer: string };

/** Asks, and once more when the answer is of no use; undefined when stopped before. What each answer took is added to `uses`. */
async function examine(question: Question, asking: Asking, uses: Use[]): Promise<Verdict | undefined> {
  const [utterance] = question.utterances;
  const messages = questionMessages(question);
  const first = await ask(messages, asking);
  if (first === undefined) return undefined;
  uses.push(useOf(messages, first));
  const checked = checkAnswer(first, utterance);
  if ("reason" in checked) return checked;
  // A server that always answers the same is told what was wrong.
  const again: readonly Message[] = first.text === "" ? messages : [...messages, { role: "assistant", content: first.text }, { role: "user", content: renderCorrection(checked.why) }];
  const second = await ask(again, asking);
  if (second === undefined) return undefined;
  uses.push(useOf(again, second));
  const last = checkAnswer(second, utterance);
  return "reason" in last ? last : { ...last, answer: second.text };
}

function questionMessages({ utterances: [first] }: Question): readonly Message[] {
  return [{ role: "user", content: renderPrompt(first) }];
}

function useOf(messages: readonly Message[], { tokens, text }: Extract<Reply, { kind: "answer" }>): Use {
  if (tokens !== undefined) return { tokens, source: "server" };
  return { tokens: { input: messages.reduce((sum, { content }) => sum + estimateTokens(content), 0), output: estimateTokens(text) }, source: "estimate" };
}

function hopeless(where: string, model: string, line: RejectedLine | undefined): UserError {
  const what = `none of the first ${HOPELESS} answers can be used; the last one: ${line?.why ?? "?"}; it was ${JSON.stringify(line?.answer.slice(0, 200) ?? "")}`;
  return new UserError({ kind: "ConfigError", where, what, hint: `Is "${model}" a model that follows instructions? A reasoning model may need a higher limit of tokens in --request.` });
}

/** Runs `count` workers to their ends, the others' too when one fails: what they wait for is paid for. @throws what failed first. */
async function together(count: number, work: () => Promise<void>, onFailure: (error: unknown) => void): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    Array.from({ length: count }, () =>
      work().catch((error: unknown) => {
        failures.push(error);
        onFailure(error);
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
}

/** Opened when first needed, so that no empty file is left. */
function lazily<T extends { close(): Promise<void> }>(open: () => Promise<T>): { get(): Promise<T>; close(): Promise<void> } {
  let opened: Promise<T> | undefined;
  return {
    get: () => (opened ??= open()),
    close: async () => {
      const file = await opened?.catch(() => undefined); // whoever got it was told
      await file?.close();
    },
  };
}
