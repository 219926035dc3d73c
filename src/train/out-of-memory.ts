/** @file Memory that ran out in a batch: which rows it was, and what needs less. */
import { UserError } from "../core/errors.ts";
import type { Batch } from "../curriculum/batch.ts";

/** What V8, ONNX Runtime's allocators and C++ say when the system gives no more. */
const SAID = [/array buffer allocation failed/i, /failed to allocate/i, /bad_?alloc/i, /out of memory/i];

export interface WhereItWas {
  readonly stage: string;
  readonly step: number;
  readonly batch: Pick<Batch, "rows" | "length">;
}

/** The error for users if it is about memory, else itself. */
export function namingRows(error: unknown, { stage, step, batch: { rows, length } }: WhereItWas): unknown {
  if (!(error instanceof Error) || error instanceof UserError || !SAID.some((text) => text.test(error.message))) return error;
  const used = rows.map(({ usedTokens, segments }) => `${usedTokens} of ${length} tokens (${segments.flatMap(({ sampleId }) => sampleId ?? []).join(", ")})`);
  return new UserError(
    {
      kind: "SystemError",
      where: `stage ${stage}, step ${step}`,
      what: `the memory is full. Got a batch of ${rows.length} ${rows.length === 1 ? "row" : "rows"}: ${used.join("; ")}`,
      hint: "Lower budget.rowTokens or budget.rowsPerBatch, or set budget.gradientCheckpointing: true, and go on with --resume from the last checkpoint. m2se plan tells what a stage needs.",
    },
    { cause: error },
  );
}
