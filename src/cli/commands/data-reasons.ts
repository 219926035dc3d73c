/** @file `m2se data reasons`. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { UserError } from "../../core/errors.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderReasonsPreview, renderReasonsProgress, renderReasonsResult } from "../render/reasons.ts";
import { amount, positiveInteger } from "./values.ts";

export interface ReasonsFlags {
  readonly root: string;
  readonly out: string;
  readonly endpoint: string;
  readonly model: string;
  readonly keyEnv?: string;
  readonly request?: string;
  readonly concurrency?: number;
  readonly perMinute?: number;
  readonly timeout?: number;
  readonly limit?: number;
  readonly priceIn?: number;
  readonly priceOut?: number;
  readonly maxCost?: number;
  readonly dryRun?: boolean;
}

const KEY_VARIABLE = "OPENAI_API_KEY";
/** Node's fetch waits no longer for an answer's first byte. */
const LONGEST_TIMEOUT = 300;

export function dataReasonsCommand(launch: Launch): Command {
  return new Command("reasons")
    .description("have a language model write the reasons (ERI) that a dataset lacks, into a file for `data build`: --set reasons.file=FILE")
    .requiredOption("--root <folder>", "a dataset of m2se")
    .requiredOption("--out <file>", "JSON lines of reasons; what is there already is kept and not asked again")
    .requiredOption("--endpoint <address>", "base address of an OpenAI-compatible server, e.g. http://localhost:8000/v1")
    .requiredOption("--model <name>", "as the server calls it")
    .option("--key-env <name>", `environment variable that holds the server's key (default: ${KEY_VARIABLE}; unset: no key is sent)`)
    .option("--request <json>", `more fields of every request, e.g. '{"temperature": 0.7, "max_tokens": 300}'`)
    .option("--concurrency <n>", "requests at a time (default: 4)", positiveInteger)
    .option("--per-minute <n>", "requests a minute, at most", positiveInteger)
    .option("--timeout <seconds>", `how long an answer may take (default: 120; at most ${LONGEST_TIMEOUT})`, seconds)
    .option("--limit <n>", "ask at most so many questions", positiveInteger)
    .option("--price-in <price>", "of a million tokens of the prompts", amount)
    .option("--price-out <price>", "of a million tokens of the answers", amount)
    .option("--max-cost <amount>", "stop before more is spent; needs both prices", amount)
    .option("--dry-run", "print one request, how many there are and what they may cost; send nothing")
    .action((flags: ReasonsFlags) => launch((context) => runDataReasons(flags, context)));
}

/** Asks the endpoint of the flags, or says what it would be asked. */
export async function runDataReasons(flags: ReasonsFlags, { output, logger, signal, workingDirectory, loadApp }: CommandContext): Promise<void> {
  const { previewReasons, writeReasons } = await loadApp();
  const prices = pricesOf(flags);
  const endpoint = { url: flags.endpoint, model: flags.model, key: keyOf(flags), request: flags.request, timeoutMs: (flags.timeout ?? 120) * 1000 };
  const input = { root: resolve(workingDirectory, flags.root), out: resolve(workingDirectory, flags.out), endpoint, prices };
  if (flags.dryRun === true) {
    const preview = await previewReasons(input);
    output.human(renderReasonsPreview(preview));
    output.json({ kind: "reasons-preview", ...preview });
    return;
  }
  const result = await writeReasons({
    ...input,
    concurrency: flags.concurrency ?? 4,
    perMinute: flags.perMinute,
    limit: flags.limit,
    mostCost: flags.maxCost,
    signal,
    onEvent: (event) => {
      if (event.kind === "retry") logger.info(event, "asked again later");
      if (event.kind === "rejected") output.json(event);
      else output.progress(renderReasonsProgress(event));
    },
  });
  output.human(renderReasonsResult(result, flags.out));
  output.json({ kind: "reasons", ...result });
}

/** @throws UserError (ConfigError): a variable that was named holds nothing. The key itself is in no message. */
function keyOf({ keyEnv, dryRun }: ReasonsFlags): { readonly variable: string; readonly value: string | undefined } {
  const variable = keyEnv ?? KEY_VARIABLE;
  // Somebody may give the key in place of its name: it is not repeated.
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable)) throw new UserError({ kind: "ConfigError", where: "--key-env", what: "expected the name of an environment variable: letters, digits, underscores", hint: "The key itself does not belong on the command line, where others can read it." });
  const value = process.env[variable];
  if (keyEnv !== undefined && dryRun !== true && (value ?? "").trim() === "") throw new UserError({ kind: "ConfigError", where: "--key-env", what: `the environment variable ${variable} is not set` });
  return { variable, value };
}

function pricesOf({ priceIn, priceOut, maxCost }: ReasonsFlags): { readonly input: number; readonly output: number } | undefined {
  if (priceIn !== undefined && priceOut !== undefined) return { input: priceIn, output: priceOut };
  if (priceIn === undefined && priceOut === undefined && maxCost === undefined) return undefined;
  throw new UserError({ kind: "ConfigError", where: maxCost === undefined ? "--price-in, --price-out" : "--max-cost", what: "cost is counted by both prices, --price-in and --price-out, and one is missing" });
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > LONGEST_TIMEOUT) throw new InvalidArgumentError(`Expected whole seconds from 1 to ${LONGEST_TIMEOUT}.`);
  return value;
}
