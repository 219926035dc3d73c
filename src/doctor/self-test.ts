/** @file What a child process of m2se doctor finds out, each in a process of its own: a driver that crashes takes only that down. */
import { selectBackend } from "../backend/select.ts";
import { listAdapters } from "../backend/webgpu/adapters.ts";
import { UserError } from "../core/errors.ts";
import { matmulRate, type MatmulRate } from "./matmul-rate.ts";
import { compareSteps, type StepDifference, tinyStep } from "./step-check.ts";

export interface SelfTest {
  readonly device: string;
  readonly matmul: MatmulRate;
  /** A training step of a tiny model, beside the same step on the reference backend, tfjs's own in JavaScript. */
  readonly step: StepDifference & { readonly milliseconds: number };
}

export type ProbeAnswer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly what: string };

/** `adapters` lists them, `auto` says what it takes, the name of a backend tests it. What fails is an answer too. */
export async function answerProbe(probe: string): Promise<ProbeAnswer> {
  try {
    return { ok: true, value: await find(probe) };
  } catch (error) {
    return { ok: false, what: error instanceof UserError ? (error.problems[0]?.what ?? error.message) : firstLine(error) };
  }
}

async function find(probe: string): Promise<unknown> {
  if (probe === "adapters") return listAdapters();
  if (probe === "auto") return selectBackend("auto");
  return selfTest(probe);
}

/** Starts the backend, times its matrix product and compares a training step with the reference's. */
export async function selfTest(backend: string): Promise<SelfTest> {
  await selectBackend(REFERENCE);
  const reference = await tinyStep();
  const { device } = await selectBackend(backend);
  const { milliseconds, ...outcome } = backend === REFERENCE ? reference : await tinyStep();
  return { device, matmul: await matmulRate(), step: { milliseconds, ...compareSteps(reference, outcome) } };
}

const REFERENCE = "cpu";

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
}
